"""Reads pods beside the passes: lists, one watch of all, and what Events say of those not ready.

Nothing waits for it. Where the API server refuses it, as with the roles of an older chart, pods are
not known, and that is told once.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable

from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import EVENT, POD
from model_rollouts.cluster.watch import (
    MANAGED_SELECTOR,
    Changed,
    EventSource,
    Gone,
    Happening,
    Listening,
    SourceError,
)
from model_rollouts.engine.loops import FIRST_DELAY_S, LONGEST_DELAY_S, STEADY_S, jittered, lasting
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.pods import EXPLAIN_S, Pods
from model_rollouts.engine.store import Key
from model_rollouts.resources.names import MODEL_LABEL
from model_rollouts.resources.shapes import Object
from model_rollouts.rollout import Pod

LISTERS = 4
"""Models whose pods are listed at once."""

LIST_PERIOD_S = 600.0
"""Until pods are listed again whose deletion the watch may have lost."""

MOST_EXPLAINED = 3
"""Pods of one model whose Events are read: what ails the others is mostly the same."""

_log = logging.getLogger(__name__)


class PodReader:
    """Keeps `pods` true. `source` is the watch of pods alone, and no part of any other watch."""

    def __init__(
        self,
        *,
        pods: Pods,
        client: ClusterClient,
        source: EventSource,
        instruments: OperatorMetrics,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        period_s: float = LIST_PERIOD_S,
    ) -> None:
        self._pods = pods
        self._client = client
        self._source = source
        self._instruments = instruments
        self._clock = clock
        self._jitter = jitter
        self._period_s = period_s
        self._answered = asyncio.Event()
        self._listens = False
        self._refused: set[str] = set()

    async def run(self) -> None:
        """Read until cancelled."""
        broke = self._instruments.broke
        async with asyncio.TaskGroup() as tasks:
            for _ in range(LISTERS):
                tasks.create_task(lasting("pod lists", self._keep_listing, broke))
            tasks.create_task(lasting("pod events", self._keep_explaining, broke))
            tasks.create_task(lasting("pod watch", self._keep_watching, broke))

    def on(self, happening: Happening) -> None:
        """Take in what the source tells."""
        match happening:
            case Listening():
                self._listens = True
                self._list_all()
            case Changed(_, obj):
                self._take_in(obj, self._pods.put)
            case Gone(_, obj):
                self._take_in(obj, self._pods.remove)

    def _take_in(self, obj: Object, take: Callable[[Object], None]) -> None:
        """Keep one pod, or forget it; one that is no such object is left out."""
        try:
            take(obj)
        except Exception:
            _log.exception("Pod %s is left out", (obj.get("metadata") or {}).get("name"))
            self._instruments.broke("pods")

    async def _keep_listing(self) -> None:
        queue = self._pods.unlisted
        while (key := await queue.get()) is not None:
            is_listed = False
            try:
                is_listed = await self._is_listed(key)
            finally:
                queue.done(key, failed=not is_listed)

    async def _is_listed(self, key: Key) -> bool:
        followed = self._pods.followed(key)
        if followed is None:
            return True
        selector = f"{MANAGED_SELECTOR},{MODEL_LABEL}={key.name}"
        followed.gone.clear()
        doubted = self._pods.doubted(key)
        names: list[str] = []
        version = "0"
        try:
            async for page in self._client.pages(POD, key.namespace, selector):
                version = page.version
                for obj in page.items:
                    names.append(obj["metadata"]["name"])
                    self._take_in(obj, self._pods.put)
        except ApiError as error:
            self._note(error, "pods")
            if error.status == 403:
                self._pods.refuse(key)
            if not self._listens:
                self._pods.lose(key)
            return self._pods.followed(key) is not followed
        if self._pods.followed(key) is followed:
            self._pods.listed(key, names, version, doubted)
            self._pods.unlisted.add(key, after=jittered(self._period_s, self._jitter()))
        self._is_read("pods")
        self._answered.set()
        return True

    async def _keep_watching(self) -> None:
        delay = FIRST_DELAY_S
        while True:
            # Nothing is watched before there is somebody to follow, and who may be read.
            await self._answered.wait()
            begun = self._clock()
            try:
                await self._source.run(self.on)
            except SourceError as error:
                _log.warning("pods: %s", error)
            self._listens = False
            self._answered.clear()
            if self._clock() - begun > STEADY_S:
                delay = FIRST_DELAY_S
            await asyncio.sleep(jittered(delay, self._jitter()))
            delay = min(2 * delay, LONGEST_DELAY_S)
            self._list_all()

    def _list_all(self) -> None:
        for key in self._pods:
            self._pods.unlisted.forgive(key)
            self._pods.unlisted.add(key)

    async def _keep_explaining(self) -> None:
        queue = self._pods.unexplained
        while (key := await queue.get()) is not None:
            failed = True
            try:
                failed = not await self._is_explained(key)
            finally:
                queue.done(key, failed=failed)

    async def _is_explained(self, key: Key) -> bool:
        unready = self._pods.unready(key)[:MOST_EXPLAINED]
        try:
            for pod in unready:
                await self._explain(key, pod)
        except ApiError as error:
            self._note(error, "events")
            return False
        if unready:
            self._is_read("events")
            self._pods.unexplained.add(key, after=EXPLAIN_S)
        return True

    async def _explain(self, key: Key, pod: Pod) -> None:
        fields = f"regarding.uid={pod.uid},type=Warning"
        # A pod has few within the hour for which they are kept.
        pages = self._client.pages(EVENT, key.namespace, fields=fields)
        told = [event async for page in pages for event in page.items]
        latest = max(told, key=_told_at, default=None)
        if latest is not None:
            reason, note = str(latest.get("reason", "")), str(latest.get("note", ""))
            self._pods.explain(key, pod, reason, note)

    def _note(self, error: ApiError, what: str) -> None:
        """Tell that something cannot be read: a refusal once, all else as often as it happens."""
        if error.status != 403:
            _log.warning("%s could not be read: %s", what, error)
        elif what not in self._refused:
            self._refused.add(what)
            self._instruments.unreadable.labels(what).set(1)
            _log.warning(
                "%s may not be read, so no status names the cause when pods do not start; all else "
                "works. Give the operator the rights of its chart: %s",
                what,
                error,
            )

    def _is_read(self, what: str) -> None:
        if what in self._refused:
            self._refused.discard(what)
            self._instruments.unreadable.labels(what).set(0)
            _log.info("%s can be read again", what)


def _told_at(event: Object) -> str:
    """When an Event happened last; times of one format sort as their text."""
    series = event.get("series") or {}
    times = (
        series.get("lastObservedTime"),
        event.get("deprecatedLastTimestamp"),
        event.get("eventTime"),
        event["metadata"].get("creationTimestamp"),
    )
    return max((str(each)[:19] for each in times if each), default="")
