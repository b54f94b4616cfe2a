"""The beat of the samples: one reading for all rollouts, soon after each interval of a pace.

An interval is read `settle_s` after its end, and later by what its samples are seen to be late
(docs/samples.md). What comes later still is not lost: it is counted when it comes.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import NamedTuple, Protocol

from model_rollouts.cluster.kinds import HTTP_ROUTE
from model_rollouts.engine.clock import TOLERATED_S
from model_rollouts.engine.loops import lasting
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.sessions import Session, Sessions
from model_rollouts.engine.store import Key, Store
from model_rollouts.metrics.counts import Counted, Unavailable
from model_rollouts.metrics.errors import InputError
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.requests import Request
from model_rollouts.routes import reader

SETTLE_S = 0.5
"""A scrape of a pod takes milliseconds; what usually comes later is waited for besides."""

HANDED_ON = 20
"""Rollouts that get their counts in a row, a few milliseconds; then others have their turn."""

TOGETHER = 150
"""About so many services are read together at the slow pace, as long as a phase has fewer."""

_log = logging.getLogger(__name__)


class Reader(Protocol):
    """`SampleReader`, as far as a tick needs it."""

    async def tick(
        self, requests: Sequence[Request], now_ms: int
    ) -> Mapping[str, Counted | Unavailable]:
        """What every rollout counted up to the intervals that are closed at `now_ms`."""

    @property
    def delay_ms(self) -> int:
        """How late most samples come, as far as that is measured."""


class Beat(NamedTuple):
    """A pace: the intervals in which is counted, and a reader for each phase of them (ms)."""

    grid: Grid
    readers: Mapping[int, Reader]
    sparing: bool = False


class Ticker:
    """Reads what the rollouts of a pace measure, and wakes each of them with what it counted.

    The intervals of a rollout end where its counting began, in half seconds of the scrape
    interval. Each of these phases has a reader of its own, whose turn comes once in an interval.
    At the slow pace (`sparing`) phases spread many rollouts over the minute and few are read
    together, and only one whose counts have changed what is to be told is woken.
    """

    def __init__(
        self,
        *,
        beat: Beat,
        store: Store,
        queue: KeyedQueue,
        rollouts: Sessions,
        instruments: OperatorMetrics,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        settle_s: float = SETTLE_S,
    ) -> None:
        self._grid, self._readers, self._sparing = beat
        self._phases = {phase: replace(self._grid, phase_ms=phase) for phase in self._readers}
        begins = sorted(self._readers)
        self._turns = dict(zip(begins, pairwise((*begins, self._grid.step_ms)), strict=True))
        self._store = store
        self._queue = queue
        self._rollouts = rollouts
        self._instruments = instruments
        self._clock = clock
        self._sleep = sleep
        self._settle_ms = round(settle_s * 1000)

    async def run(self) -> None:
        """Tick until cancelled."""
        broke = self._instruments.broke
        async with asyncio.TaskGroup() as tasks:
            for phase_ms in self._readers:
                tasks.create_task(lasting("ticker", partial(self._run, phase_ms), broke))

    async def _run(self, phase_ms: int) -> None:
        while True:
            await self._rollouts.wait_for_any(sparing=self._sparing)
            await self._sleep(self.pause(phase_ms))
            while await self.tick(phase_ms):
                pass

    def pause(self, phase_ms: int) -> float:
        """Seconds until the next interval of a phase can be read."""
        late_ms = self._readers[phase_ms].delay_ms % self._grid.step_ms
        now_ms = self._now_ms() - self._settle_ms - late_ms
        begun = self._phases[phase_ms].floor(now_ms)
        return (begun + self._grid.step_ms - now_ms) / 1000

    async def tick(self, phase_ms: int) -> bool:
        """Read once for the rollouts of a phase. Returns whether more can be read at once."""
        begins, ends = self._turn(phase_ms, self._rollouts.number(sparing=self._sparing))
        if begins == ends:
            return False
        active = {
            request.rollout.key: (key, rollout, request)
            for key, rollout, request in self._rollouts.measured(sparing=self._sparing)
            # Its intervals end in this phase.
            if begins <= request.rollout.started_ms % self._grid.step_ms < ends
        }
        if not active:
            return False
        requests = [request for _, _, request in active.values()]
        set_to = self._set_to()
        # The intake takes an interval for closed when it is one interval old.
        as_if_ms = self._now_ms() - self._settle_ms + self._grid.step_ms
        try:
            counted = await self._readers[phase_ms].tick(requests, as_if_ms)
        except Exception as error:
            refused = isinstance(error, InputError)
            self._instruments.ticks.labels("refused" if refused else "failed").inc()
            _log.exception("samples were not read")
            counted = dict.fromkeys(active, _unread(f"{type(error).__name__}: {error}"))
        else:
            self._instruments.ticks.labels("read").inc()
        if abs(self._set_to() - set_to) > TOLERATED_S:
            # They were asked for at a time that was none: nothing was there, or all of it was old.
            counted = dict.fromkeys(active, _unread("the clock was set meanwhile"))
        behind = False
        for number, (name, (key, rollout, request)) in enumerate(active.items(), 1):
            if not number % HANDED_ON:
                await asyncio.sleep(0)
            try:
                behind |= self._hand_on(key, rollout, request, counted[name])
            except Exception as error:
                _log.exception("%s: counts were not handed on", key)
                self._instruments.broke("ticker")
                rollout.refuse(error)
                self._queue.add(key)
        return behind

    def _turn(self, phase_ms: int, measured: int) -> tuple[int, int]:
        """The phases (ms) whose rollouts are read now: its own, or those after it too, or none.

        At the slow pace few are read together, for each reading has a cost of its own. How many
        phases are joined doubles with each half of the services, so it hardly ever changes.
        """
        begins, ends = self._turns[phase_ms]
        if not self._sparing:
            return begins, ends
        phases = list(self._turns)
        joined = TOGETHER * len(phases) // max(measured, 1)
        joined = min(1 << max(joined, 1).bit_length() - 1, len(phases))
        if measured <= TOGETHER:
            joined = len(phases)
        place = phases.index(phase_ms)
        if place % joined:
            return 0, 0
        return begins, self._turns[phases[min(place + joined, len(phases)) - 1]][1]

    def _hand_on(
        self, key: Key, rollout: Session, request: Request, counted: Counted | Unavailable
    ) -> bool:
        """Give a rollout its counts; whether it can have more at once."""
        news = not isinstance(counted, Counted) or bool(counted.intervals)
        if not news or not rollout.deliver(request, counted, self._weight(key, rollout)):
            return False
        if self._sparing:
            if rollout.has_news:
                self._queue.add(key)
        elif not isinstance(counted, Counted) or rollout.is_stirred(self._clock()):
            # New counts may mean that users are to be taken off a version: others can wait.
            self._queue.add(key, urgent=True)
        return isinstance(counted, Counted) and counted.behind

    def _weight(self, key: Key, rollout: Session) -> float:
        """The share of users (0 to 1) that the route gives to what is judged."""
        trial = rollout.memory.trial
        if trial is None:
            return 0.0
        # Routes are kept packed: one that has not changed is left so.
        of = self._store.as_of(HTTP_ROUTE, *key), trial.revision
        if rollout.weight is None or rollout.weight[0] != of:
            rollout.weight = of, self._weight_of(key, trial.revision)
        return rollout.weight[1]

    def _weight_of(self, key: Key, revision: str) -> float:
        route = self._store.get(HTTP_ROUTE, *key)
        weights = {} if route is None else reader.weights(route)
        total = sum(weights.values())
        return weights.get(revision, 0) / total if total else 0.0

    def _set_to(self) -> float:
        """What changes when the clock is set, and with time does not."""
        return self._clock() - asyncio.get_running_loop().time()

    def _now_ms(self) -> int:
        return round(self._clock() * 1000)


def _unread(why: str) -> Unavailable:
    """What a rollout is told when its samples could not even be asked for."""
    message = f"the samples could not be read: {why}"
    return Unavailable(Finding(Reason.METRICS_UNAVAILABLE, "", (), message))
