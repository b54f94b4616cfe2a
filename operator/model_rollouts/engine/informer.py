"""Keeps the store true: runs the source again when it ends, and lists against what nobody told.

A watch loses deletions whenever it has to list again. A list marks what is there and sweeps what is
not: at the start, whenever the source begins to listen, and every ten minutes for all else.
"""

import asyncio
import itertools
import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from zlib import crc32

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
from model_rollouts.engine.loops import FIRST_DELAY_S, LONGEST_DELAY_S, STEADY_S, jittered, lasting
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.rights import WITHOUT, Rights
from model_rollouts.engine.sight import Sight
from model_rollouts.engine.store import Key, Store

LIST_PERIOD_S = 600.0

TURNS = 6
"""In so many lists each ModelDeployment is planned afresh once, an hour: nothing is trusted for
ever, and thousands that are at rest cost little."""

TOLD_PER_S = 20
"""So many ModelDeployments tell in a second what concerns all of them."""

WATCHING = "watch objects"
"""What fails when the source ends, and no kind is known."""

_log = logging.getLogger(__name__)


class Listed(NamedTuple):
    """One list that is made: of a kind, in a namespace or in all."""

    kind: Kind
    scope: str | None

    @property
    def what(self) -> str:
        """What is asked, for people."""
        return f"list {self.kind.name}s"


class Informer:
    """Feeds the store and the queue, until cancelled."""

    def __init__(
        self,
        *,
        source: EventSource,
        client: ClusterClient,
        store: Store,
        queue: KeyedQueue,
        sight: Sight,
        instruments: OperatorMetrics,
        rights: Rights | None = None,
        namespaces: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        period_s: float = LIST_PERIOD_S,
    ) -> None:
        self._source = source
        self._client = client
        self._store = store
        self._queue = queue
        self._sight = sight
        self._instruments = instruments
        self._rights = rights or Rights(instruments)
        scopes: Sequence[str | None] = tuple(namespaces) or (None,)
        self._lists = tuple(Listed(kind, scope) for kind in WATCHED for scope in scopes)
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
                self._answered(WATCHING, None)
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

    async def list_all(self, lists: Iterable[Listed]) -> tuple[Listed, ...]:
        """Mark what is there and sweep what is not; returns the lists that could not be made."""
        failed: list[Listed] = []
        for each in lists:
            try:
                await self._list(each)
            except ApiError as error:
                if self._rights.may_not_read(error, *each):
                    self._answered(each.what, each.scope)
                    continue
                _log.warning("objects could not be listed: %s", error)
                failed.append(each)
                self._failed(each.what, each.scope, error.answer)
            else:
                self._rights.was_read(*each)
                self._answered(each.what, each.scope)
        return tuple(failed)

    async def _list(self, listed: Listed) -> None:
        kind, scope = listed
        there: list[tuple[str, str]] = []
        version = "0"
        selector = MANAGED_SELECTOR if kind in CHILDREN else ""
        async for page in self._client.pages(kind, scope, selector):
            version = page.version
            for obj in page.items:
                there.append((obj["metadata"]["namespace"], obj["metadata"]["name"]))
                self._take_in(kind, obj)
        self._wake(self._store.sweep(kind, scope, there, version))

    async def _keep_listing(self) -> None:
        for turn in itertools.cycle(range(TURNS)):
            self._wanted.clear()
            again_at = self._clock() + self._period_s
            await self._complete(await self.list_all(self._lists), again_at)
            for key in self._store.models():
                # By a number that is the same in each process, as all that decides is.
                if crc32(str(key).encode()) % TURNS == turn:
                    # Not all at once.
                    self._queue.add(key, after=self._jitter() * self._period_s)
            try:
                async with asyncio.timeout(max(0.0, again_at - self._clock())):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def _complete(self, left: tuple[Listed, ...], again_at: float) -> None:
        """Make the lists that are left, and those alone, until it is time to make all again."""
        delay = FIRST_DELAY_S
        while left:
            await asyncio.sleep(jittered(delay, self._jitter()))
            if self.listed.is_set() and (self._wanted.is_set() or self._clock() >= again_at):
                return
            delay = min(2 * delay, LONGEST_DELAY_S)
            left = await self.list_all(left)
        self.listed.set()

    async def _keep_watching(self) -> None:
        delay = FIRST_DELAY_S
        while True:
            try:
                await self._source.run(self.on)
            except SourceError as error:
                _log.warning("%s", error)
                self._failed(WATCHING, None, str(error))
            if self._listens and self._clock() - self._since > STEADY_S:
                delay = FIRST_DELAY_S
            self._listens, self._since = False, self._clock() if self._listens else self._since
            self._instruments.source_restarts.inc()
            await asyncio.sleep(jittered(delay, self._jitter()))
            delay = min(2 * delay, LONGEST_DELAY_S)
            # A watch that is refused ends all others: what may be left out is left out from now on.
            await self.list_all(each for each in self._lists if each.kind in WITHOUT)

    def _failed(self, what: str, scope: str | None, answer: str) -> None:
        if self._sight.failed(what, scope, answer):
            self._tell(0.0)

    def _answered(self, what: str, scope: str | None) -> None:
        after = self._sight.done(what, scope)
        if after is not None:
            self._tell(after)

    def _tell(self, after: float) -> None:
        """Have every ModelDeployment tell what is seen from then on, a few of them at a time."""
        keys = self._store.models()
        for number, key in enumerate(keys):
            self._queue.add(key, after=after + number / TOLD_PER_S)

    def _wake(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._queue.add(key)


def _named(kind: Kind, obj: dict[str, Any]) -> list[Key]:
    metadata = obj["metadata"]
    return [Key(metadata["namespace"], metadata["name"])] if kind is MODEL_DEPLOYMENT else []
