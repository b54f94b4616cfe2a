"""The beat of the samples: one reading for all rollouts, soon after each interval of a pace.

An interval is read `settle_s` after its end. A scrape that takes longer is not lost: what it saw
comes with the next sample (docs/samples.md), a step later.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, Protocol

from model_rollouts.cluster.kinds import HTTP_ROUTE
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
"""A scrape of a pod takes milliseconds; what comes later is not lost."""

_log = logging.getLogger(__name__)


class Reader(Protocol):
    """`SampleReader`, as far as a tick needs it."""

    async def tick(
        self, requests: Sequence[Request], now_ms: int
    ) -> Mapping[str, Counted | Unavailable]:
        """What every rollout counted up to the intervals that are closed at `now_ms`."""


class Beat(NamedTuple):
    """A pace: the intervals in which is counted, and a reader for each phase of them (ms)."""

    grid: Grid
    readers: Mapping[int, Reader]
    sparing: bool = False


class Ticker:
    """Reads what the rollouts of a pace measure, and wakes each of them with what it counted.

    The intervals of a rollout end where its counting began, in half seconds of the scrape
    interval. Each of these phases has a reader of its own, whose turn comes once in an interval.
    At the slow pace (`sparing`) phases spread many rollouts over the minute, and only one whose
    counts have changed what is to be told is woken.
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
            await self._sleep(self.pause(phase_ms))
            while await self.tick(phase_ms):
                pass

    def pause(self, phase_ms: int) -> float:
        """Seconds until the next interval of a phase can be read."""
        now_ms = self._now_ms() - self._settle_ms
        begun = replace(self._grid, phase_ms=phase_ms).floor(now_ms)
        return (begun + self._grid.step_ms - now_ms) / 1000

    async def tick(self, phase_ms: int) -> bool:
        """Read once for the rollouts of a phase. Returns whether more can be read at once."""
        active = {
            rollout.measures.rollout.key: (key, rollout, rollout.measures)
            for key, rollout in self._rollouts
            if rollout.measures is not None
            and rollout.measures.rollout.sparing is self._sparing
            and self._phase(rollout.measures) == phase_ms
        }
        if not active:
            return False
        requests = [request for _, _, request in active.values()]
        # The intake takes an interval for closed when it is one interval old.
        as_if_ms = self._now_ms() - self._settle_ms + self._grid.step_ms
        try:
            counted = await self._readers[phase_ms].tick(requests, as_if_ms)
        except Exception as error:
            refused = isinstance(error, InputError)
            self._instruments.ticks.labels("refused" if refused else "failed").inc()
            _log.exception("samples were not read")
            counted = dict.fromkeys(active, _unread(error))
        else:
            self._instruments.ticks.labels("read").inc()
        behind = False
        for name, (key, rollout, request) in active.items():
            try:
                behind |= self._hand_on(key, rollout, request, counted[name])
            except Exception as error:
                _log.exception("%s: counts were not handed on", key)
                self._instruments.broke("ticker")
                rollout.refuse(error)
                self._queue.add(key)
        return behind

    def _phase(self, request: Request) -> int:
        """The phase whose reader counts a rollout: the last at or before where it began."""
        began_ms = request.rollout.started_ms % self._grid.step_ms
        return max(phase for phase in self._readers if phase <= began_ms)

    def _hand_on(
        self, key: Key, rollout: Session, request: Request, counted: Counted | Unavailable
    ) -> bool:
        """Give a rollout its counts; whether it can have more at once."""
        news = not isinstance(counted, Counted) or bool(counted.intervals)
        if not news or not rollout.deliver(request, counted, self._weight(key, rollout)):
            return False
        if not self._sparing:
            # New counts may mean that users are to be taken off a version: others can wait.
            self._queue.add(key, urgent=True)
        elif rollout.has_news:
            self._queue.add(key)
        return isinstance(counted, Counted) and counted.behind

    def _weight(self, key: Key, rollout: Session) -> float:
        """The share of users (0 to 1) that the route gives to what is judged."""
        route = self._store.get(HTTP_ROUTE, *key)
        trial = rollout.memory.trial
        if route is None or trial is None:
            return 0.0
        weights = reader.weights(route)
        total = sum(weights.values())
        return weights.get(trial.revision, 0) / total if total else 0.0

    def _now_ms(self) -> int:
        return round(self._clock() * 1000)


def _unread(error: Exception) -> Unavailable:
    """What a rollout is told when its samples could not even be asked for."""
    message = f"the samples could not be read: {type(error).__name__}: {error}"
    return Unavailable(Finding(Reason.METRICS_UNAVAILABLE, "", (), message))
