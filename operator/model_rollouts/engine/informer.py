"""Keeps the store true: runs the source again when it ends, and lists against what nobody told.

A watch loses deletions whenever it has to list again. A list marks what is there and sweeps what is
not: at the start, whenever the source begins to listen, and every ten minutes for all else.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import CHILDREN, MODEL_DEPLOYMENT, WATCHED, Kind
from model_rollouts.cluster.watch import (
    MANAGED_SELECTOR,
    Changed,
    EventSource,
    Gone,
    Happening,
    Listening,
    SourceError,
)
from model_rollouts.engine.loops import FIRST_DELAY_S, LONGEST_DELAY_S, STEADY_S, lasting
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.store import Key, Store

LIST_PERIOD_S = 600.0
_log = logging.getLogger(__name__)


class Informer:
    """Feeds the store and the queue, until cancelled."""

    def __init__(
        self,
        *,
        source: EventSource,
        client: ClusterClient,
        store: Store,
        queue: KeyedQueue,
        instruments: OperatorMetrics,
        namespaces: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        period_s: float = LIST_PERIOD_S,
    ) -> None:
        self._source = source
        self._client = client
        self._store = store
        self._queue = queue
        self._instruments = instruments
        self._scopes: Sequence[str | None] = tuple(namespaces) or (None,)
        self._clock = clock
        self._jitter = jitter
        self._period_s = period_s
        self._wanted = asyncio.Event()
        self._listens = False
        self._since = clock()
        self._last_event = clock()
        self.listed = asyncio.Event()
        """Set once everything was listed: before that, nobody may take an object for missing."""

    async def run(self) -> None:
        """List, watch and list again."""
        broke = self._instruments.broke
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(lasting("listing", self._keep_listing, broke))
            # What is not installed yet would not be watched; a list says so and is tried again.
            await self.listed.wait()
            tasks.create_task(lasting("watching", self._keep_watching, broke))

    @property
    def deaf_for(self) -> float:
        """For how many seconds the source has not been listening; 0 while it is."""
        return 0.0 if self._listens else self._clock() - self._since

    @property
    def event_age(self) -> float:
        """Seconds since the last object came through the watch."""
        return self._clock() - self._last_event

    def on(self, happening: Happening) -> None:
        """Take in what the source tells."""
        match happening:
            case Listening():
                self._listens, self._since = True, self._clock()
                self._wanted.set()
            case Changed(kind, obj) | Gone(kind, obj):
                self._last_event = self._clock()
                self._take_in(kind, obj, is_gone=isinstance(happening, Gone))

    def _take_in(self, kind: Kind, obj: dict[str, Any], *, is_gone: bool = False) -> None:
        """Keep one object, or forget it; one that is no such object is left out."""
        try:
            if is_gone:
                self._wake(self._store.remove(kind, obj))
                return
            before = {key: self._store.generation(key) for key in _named(kind, obj)}
            self._wake(self._store.put(kind, obj))
            for key, generation in before.items():
                if self._store.generation(key) > generation:
                    self._queue.forgive(key)
        except Exception:
            name = (obj.get("metadata") or {}).get("name")
            _log.exception("%s %s is left out", kind.name, name)
            self._instruments.broke("store")

    async def list_all(self) -> None:
        """Mark what is there and sweep what is not; raises ApiError."""
        for kind in WATCHED:
            selector = MANAGED_SELECTOR if kind in CHILDREN else ""
            for scope in self._scopes:
                there: list[tuple[str, str]] = []
                version = "0"
                async for page in self._client.pages(kind, scope, selector):
                    version = page.version
                    for obj in page.items:
                        there.append((obj["metadata"]["namespace"], obj["metadata"]["name"]))
                        self._take_in(kind, obj)
                self._wake(self._store.sweep(kind, scope, there, version))

    async def _keep_listing(self) -> None:
        delay = FIRST_DELAY_S
        while True:
            self._wanted.clear()
            try:
                await self.list_all()
            except ApiError as error:
                _log.warning("objects could not be listed: %s", error)
                await asyncio.sleep(self._jittered(delay))
                delay = min(2 * delay, LONGEST_DELAY_S)
                continue
            delay = FIRST_DELAY_S
            self.listed.set()
            # Nothing is trusted for ever: each one is also planned afresh, a little later each.
            for key in self._store.models():
                self._queue.add(key, after=self._jitter() * self._period_s)
            try:
                async with asyncio.timeout(self._period_s):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def _keep_watching(self) -> None:
        delay = FIRST_DELAY_S
        while True:
            try:
                await self._source.run(self.on)
            except SourceError as error:
                _log.warning("%s", error)
            if self._listens and self._clock() - self._since > STEADY_S:
                delay = FIRST_DELAY_S
            self._listens, self._since = False, self._clock() if self._listens else self._since
            self._instruments.source_restarts.inc()
            await asyncio.sleep(self._jittered(delay))
            delay = min(2 * delay, LONGEST_DELAY_S)

    def _wake(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._queue.add(key)

    def _jittered(self, delay: float) -> float:
        return delay * (0.5 + 0.5 * self._jitter())


def _named(kind: Kind, obj: dict[str, Any]) -> list[Key]:
    metadata = obj["metadata"]
    return [Key(metadata["namespace"], metadata["name"])] if kind is MODEL_DEPLOYMENT else []
