"""How kopf is set up to watch and do nothing else."""

import logging
from typing import Any

import kopf

from model_rollouts.cluster.kinds import CHILDREN, POD


def watcher_settings(selector: str) -> kopf.OperatorSettings:
    """Kopf as a watcher that writes nothing, needs no rights beyond ours, and starts quickly.

    `selector` is the label selector of children and pods.
    """
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.process.ultimate_exiting_timeout = None
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    # Of what it lists, it only needs the version (see watching.py).
    settings.watching.chunk_size = 1
    # Its task for an object goes when nothing more comes, and there are not thousands at once.
    settings.queueing.worker_limit = 200
    settings.queueing.idle_timeout = 0.02
    settings.persistence.progress_storage = _NoProgress()
    settings.persistence.diffbase_storage = _NoDifference()
    for kind in (*CHILDREN, POD):
        watched = (kind.group, kind.version, kind.plural)
        settings.watching.label_selectors[watched] = selector
    # It says a line for every event that it handles, and warns of not being the main thread.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    return settings


class _NoProgress(kopf.ProgressStorage):
    """Handlers of events have no progress; looking for it in each object costs half of the CPU."""

    def fetch(self, **_: object) -> None:
        return None

    def store(self, **_: object) -> None:
        pass

    def purge(self, **_: object) -> None:
        pass

    def touch(self, **_: object) -> None:
        pass

    def clear(self, *, essence: Any) -> Any:
        return essence


class _NoDifference(kopf.DiffBaseStorage):
    """Nothing is remembered of an object, so nothing is to be compared."""

    def build(self, **_: object) -> Any:
        return {}

    def fetch(self, **_: object) -> None:
        return None

    def store(self, **_: object) -> None:
        pass
