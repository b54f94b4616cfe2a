"""A cluster with a rollout in it, and the command that asks it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from model_rollouts.cli.main import main
from model_rollouts.cluster.kinds import EVENT, MODEL_DEPLOYMENT, POD
from tests.cli.mdep.fake_api import FakeApi, serving
from tests.cli.mdep.rollouts import NAME, NAMESPACE, told, when

Command = Callable[..., Result]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeApi]:
    """An API server without any object."""
    with serving(tmp_path) as found:
        yield found


@pytest.fixture
def mdep(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command, with the kubeconfig of that API server."""
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig))

    def run(*arguments: str, input: str | None = None) -> Result:
        return CliRunner().invoke(main, arguments, input=input, prog_name="kubectl mdep")

    return run


@pytest.fixture
def at(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Puts the rollout into the cluster as it is at a moment, with two pods and two events."""

    def put(name: str) -> dict[str, Any]:
        obj, now = told(name), when(name)
        monkeypatch.setattr("time.time", lambda: now + 60.0)
        api.put(MODEL_DEPLOYMENT, obj)
        status = obj["status"]
        for role in ("stable", "candidate"):
            if role in status:
                api.put(POD, pod(f"{role}-pod", status[role]["revision"], now))
        api.put(EVENT, event("CanaryStarted", "Version 2 gets its first users.", now))
        return obj

    return put


def pod(name: str, revision: str, now: float, **status: Any) -> dict[str, Any]:
    """A pod that is ready, unless `status` says otherwise."""
    ready = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "model", "restartCount": 0, "state": {"running": {}}}],
    }
    return {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "creationTimestamp": _time(now - 300),
            "labels": {"modelrollouts.dev/model": NAME, "modelrollouts.dev/revision": revision},
        },
        "spec": {"nodeName": "node-1"},
        "status": {**ready, **status},
    }


def event(reason: str, note: str, now: float, type: str = "Normal") -> dict[str, Any]:
    """What the operator reports of the rollout."""
    return {
        "metadata": {"name": f"{NAME}.{reason}", "namespace": NAMESPACE},
        "eventTime": _time(now).replace("Z", ".000000Z"),
        "type": type,
        "reason": reason,
        "note": note,
        "series": {"count": 2, "lastObservedTime": _time(now)},
    }


def _time(at: float) -> str:
    from model_rollouts.cli.mdep.view import utc

    return utc(at)
