"""One life of the operator: its real parts, put together as `engine.Engine` does it.

What the parts need of a machine is given to them here and nowhere else: clocks, dice, the wire to
the API server, and Prometheus.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from unittest.mock import patch
from weakref import WeakSet

from model_rollouts.cluster import requests as cluster_requests
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.events import EventRecorder
from model_rollouts.cluster.pace import Pace
from model_rollouts.cluster.requests import Allowed, Dated, Requests, for_ever, undated
from model_rollouts.cluster.watch import EventSource
from model_rollouts.engine import lookup
from model_rollouts.engine.clock import Clock, Server
from model_rollouts.engine.cluster_checks import Checker
from model_rollouts.engine.engine import FINISH_S
from model_rollouts.engine.executor import Executor
from model_rollouts.engine.informer import Informer
from model_rollouts.engine.leadership import Alone, Leads
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.planning import Planner, Planning
from model_rollouts.engine.pod_reader import PodReader
from model_rollouts.engine.pods import Pods
from model_rollouts.engine.questions import AsksHistory, Questions
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.reconciler import Reconciler
from model_rollouts.engine.reports import Reports
from model_rollouts.engine.sessions import Sessions
from model_rollouts.engine.sight import Sight
from model_rollouts.engine.store import Store
from model_rollouts.engine.ticker import Beat, Reader
from model_rollouts.metrics.counts import Counted, Unavailable
from model_rollouts.metrics.grid import Grid, sparing_grid
from model_rollouts.metrics.requests import Request
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.rollout import PHASE_MS, Settings, make_plan, take_counts
from model_rollouts.rollout.state.state import Pace as ShadowPace
from tests.faults.spared import SparedPasses, SparedTicker
from tests.faults.transport import Transport
from tests.faults.virtual_time import LIFE, date, now

GRID = Grid()
SETTINGS = Settings(
    ProxySettings("registry.example.com/envoy@sha256:" + "e" * 64),
    GRID,
    # A stage of the mirror takes two scrapes: histories are short.
    ShadowPace(stage_seconds=10.0, warmup_ms=10_000),
)
WORKERS = 2
"""Few, so that two passes that wait would be all of them."""

LIST_PERIOD_S = 120.0
"""How long an event that was never delivered stays unknown, at most."""

SPARING_GRID = sparing_grid(GRID)
PHASES_MS = {GRID: PHASE_MS, SPARING_GRID: 2_000}
"""How far apart the phases of a grid are (Unix milliseconds)."""

INSTRUMENTS = OperatorMetrics("simulated")
"""Nobody looks at them, and making them takes longer than a life."""


def plan_for_real() -> Planner:
    """The real decisions."""
    return lambda observed, memory, at: make_plan(observed, memory, at, SETTINGS)


@dataclass(frozen=True)
class Machine:
    """What a life of the operator runs on."""

    transport: Transport
    source: EventSource
    pod_source: EventSource
    wall: Callable[[], float]
    dice: random.Random
    beats: Sequence[Beat]
    historian: AsksHistory
    planner: Planner
    executor: type[Executor] = Executor
    leadership: Leads = field(default_factory=Alone)
    spared: list[tuple[float, str]] = field(default_factory=list)
    """What passes would have done that were not made, and when."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is told to end in order."""


class OperatorProcess:
    """Everything that runs in one process, from its start until it is killed."""

    def __init__(self, machine: Machine) -> None:
        jitter, self.store = machine.dice.random, Store()
        self.queue, sight = KeyedQueue(now, jitter), Sight(now)
        self.sessions = Sessions(take_counts)
        self.leadership, self._stopping = machine.leadership, machine.stopping
        self.leadership.resumed = self._resume
        clock = Clock(machine.wall, now)
        client = ClusterClient(
            requests_over(
                machine.transport,
                machine.dice,
                self.leadership.left,
                partial(clock.heard, Server.API),
            )
        )
        self._recorder = EventRecorder(client, "simulated")
        self._informer = Informer(
            source=machine.source,
            client=client,
            store=self.store,
            queue=self.queue,
            sight=sight,
            instruments=INSTRUMENTS,
            clock=now,
            jitter=jitter,
            period_s=LIST_PERIOD_S,
        )
        self._questions = Questions(
            checker=Checker(client, clock=now),
            historian=machine.historian,
            queue=self.queue,
            clock=clock,
            ticks=now,
            jitter=jitter,
        )
        pods = Pods(self.queue, now, jitter)
        self._pod_reader = PodReader(
            pods=pods,
            client=client,
            source=machine.pod_source,
            instruments=INSTRUMENTS,
            clock=now,
            jitter=jitter,
            period_s=LIST_PERIOD_S,
        )
        self._executor = machine.executor(
            client,
            self.store,
            record=self._recorder.record,
            clock=clock,
            progress=self.queue.progressed,
        )
        planning = Planning(self.store, sight, machine.planner, self._questions, pods, clock)
        spared = SparedPasses(
            planning, self.store, self.queue, machine.planner, clock, machine.spared
        )
        self._reconciler = Reconciler(
            store=self.store,
            queue=self.queue,
            rollouts=self.sessions,
            planning=planning,
            executor=self._executor,
            look=partial(lookup.look, client, self.store),
            reports=Reports(self._recorder.record, clock),
            instruments=INSTRUMENTS,
            clock=clock,
        )
        self._tickers = [
            SparedTicker(
                spared,
                beat=_dated(beat, clock),
                store=self.store,
                queue=self.queue,
                rollouts=self.sessions,
                instruments=INSTRUMENTS,
                clock=clock,
            )
            for beat in machine.beats
        ]

    @property
    def is_warm(self) -> bool:
        """Whether everything was listed."""
        return self._informer.listed.is_set()

    async def run(self) -> None:
        """Work until cancelled, told to stop, or deposed; raises what ends a part."""
        mine: WeakSet[asyncio.Task[object]] = WeakSet()
        known = LIFE.set(mine)
        try:
            async with asyncio.TaskGroup() as tasks:
                running: list[asyncio.Task[None]] = []
                running += [tasks.create_task(self._informer.run())]
                running += [tasks.create_task(self._elect())]
                if not self.leadership.leads.is_set():
                    await self._first(self.leadership.leads)
                if self.leadership.leads.is_set():
                    await self._lead(tasks, running)
                for part in running:
                    part.cancel()
        finally:
            LIFE.reset(known)
            left = [task for task in mine if not task.done()]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _elect(self) -> None:
        await self.leadership.run(lambda: self.is_warm)

    async def _lead(self, tasks: asyncio.TaskGroup, running: list[asyncio.Task[None]]) -> None:
        parts = (
            *(ticker.run() for ticker in self._tickers),
            self._recorder.run(),
            self._questions.run(),
            self._pod_reader.run(),
        )
        running += [tasks.create_task(each) for each in parts]
        await self._informer.listed.wait()
        works = [self._reconciler.work(urgent=each < 1) for each in range(1 + WORKERS)]
        workers = [tasks.create_task(each) for each in works]
        running += workers
        await self._first(self.leadership.deposed)
        if self.leadership.deposed.is_set():
            return
        self.queue.close()
        _, unfinished = await asyncio.wait(workers, timeout=FINISH_S)
        await self._recorder.drain()
        await self._executor.drain()
        if not unfinished:
            await self.leadership.release()

    async def _first(self, event: asyncio.Event) -> None:
        """Return once the event is set, or the process is told to stop."""
        waiting = [asyncio.create_task(each.wait()) for each in (event, self._stopping)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    def _resume(self) -> None:
        for key, session in self.sessions:
            if session.failures.waiting():
                self.queue.forgive(key)
                self.queue.add(key, urgent=True)


def _dated(beat: Beat, clock: Clock) -> Beat:
    return beat._replace(
        readers={phase: _Dated(reader, clock) for phase, reader in beat.readers.items()}
    )


class _Dated:
    """A reader whose Prometheus says the time with each answer."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock

    @property
    def delay_ms(self) -> int:
        """As it was measured."""
        return self._reader.delay_ms

    async def tick(
        self, requests: Sequence[Request], now_ms: int
    ) -> Mapping[str, Counted | Unavailable]:
        """What was counted."""
        counted = await self._reader.tick(requests, now_ms)
        if any(isinstance(each, Counted) for each in counted.values()):
            self._clock.heard(Server.PROMETHEUS, date())
        return counted


def requests_over(
    transport: Transport,
    dice: random.Random,
    allowed: Allowed = for_ever,
    dated: Dated = undated,
) -> Requests:
    """The real requests over that wire."""
    with patch.object(cluster_requests, "api_client", lambda _: transport):
        return Requests(
            None,  # type: ignore[arg-type]  # nothing asks for credentials on this wire
            user_agent="simulated",
            allowed=allowed,
            dated=dated,
            pace=Pace(clock=now),
            jitter=dice.random,
        )
