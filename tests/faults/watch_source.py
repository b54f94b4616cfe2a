"""What an operator hears of the API server's log: `EventSource` over it, late or not at all."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from model_rollouts.cluster.kinds import CHILDREN, POD, WATCHED, Kind
from model_rollouts.cluster.watch import (
    MANAGED_SELECTOR,
    Changed,
    Gone,
    Happening,
    Listening,
    Sink,
)
from tests.faults.api_server import ApiServer, Change, is_selected
from tests.faults.virtual_time import now

_FASTEST_S, _SLOWEST_S = 0.002, 0.05


class Wire(StrEnum):
    """What may happen to an event on its way."""

    LATE = "late"
    MERGED = "merged"
    LOST = "lost"


@dataclass(frozen=True)
class Stale:
    """A watch cache that is behind: lists and watches begin at `version` until a time."""

    version: int
    until: float


@dataclass
class _Pending:
    change: Change
    due: float


class WatchSource:
    """The watches of one life of the operator.

    `disturbed` says what happens to an event, and for how many seconds it is late at least.
    """

    def __init__(
        self,
        server: ApiServer,
        dice: random.Random,
        stale: Stale | None,
        disturbed: Callable[[Change], tuple[Wire, float] | None],
        kinds: Sequence[Kind] = WATCHED,
    ) -> None:
        self._kinds = kinds
        self._server = server
        self._dice = dice
        self._stale = stale
        self._disturbed = disturbed
        self._pending: deque[_Pending] = deque()
        self._news = asyncio.Event()

    async def run(self, sink: Sink) -> None:
        """Tell `sink` until cancelled."""
        await asyncio.sleep(self._dice.uniform(_FASTEST_S, _SLOWEST_S))
        stale, self._stale = self._stale, None
        if stale is not None and stale.until > now():
            missed = self._server.since(stale.version)
            for change in (each for each in missed if each.place.kind in self._kinds):
                self._pending.append(_Pending(change, stale.until))
        self._server.listeners.append(self._hear)
        try:
            sink(Listening())
            while True:
                await self._deliver(sink)
        finally:
            self._server.listeners.remove(self._hear)

    def _hear(self, change: Change) -> None:
        if change.place.kind not in self._kinds:
            return
        delay = self._dice.uniform(_FASTEST_S, _SLOWEST_S)
        match self._disturbed(change):
            case Wire.LOST, _:
                return
            case Wire.LATE, seconds:
                delay += seconds
            case Wire.MERGED, seconds:
                delay += seconds
                kept = [each for each in self._pending if each.change.place != change.place]
                self._pending = deque(kept)
        self._pending.append(_Pending(change, now() + delay))
        self._news.set()

    async def _deliver(self, sink: Sink) -> None:
        while not self._pending:
            self._news.clear()
            await self._news.wait()
        first = self._pending[0]
        if first.due > now():
            await asyncio.sleep(first.due - now())
            # It may have been merged into a later one meanwhile.
            return
        self._pending.popleft()
        happening = happening_of(first.change)
        if happening is not None:
            sink(happening)


def happening_of(change: Change) -> Happening | None:
    """What a watch of our labels makes of a change; None when it tells nothing."""
    kind, before, after = change.place.kind, change.before, change.after
    selector = MANAGED_SELECTOR if kind in (*CHILDREN, POD) else ""
    if after is not None and is_selected(after, selector):
        return Changed(kind, after)
    if not is_selected(before, selector):
        return None
    # What loses our label is gone to the watch: as it was, but of the version that it has now.
    assert before is not None
    metadata = {**before["metadata"], "resourceVersion": str(change.version)}
    return Gone(kind, {**before, "metadata": metadata})
