"""One life of the operator: its real parts, put together as `engine.Engine` does it.

What the parts need of a machine is given to them here and nowhere else: clocks, dice, the wire to
the API server, and Prometheus.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch
from weakref import WeakSet

from model_rollouts.cluster import requests as cluster_requests
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.events import EventRecorder
from model_rollouts.cluster.pace import Pace
from model_rollouts.cluster.requests import Requests
from model_rollouts.cluster.watch import EventSource
from model_rollouts.engine import lookup
from model_rollouts.engine.cluster_checks import Checker
from model_rollouts.engine.executor import Executor
from model_rollouts.engine.informer import Informer
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.planning import Planner, Planning
from model_rollouts.engine.questions import AsksHistory, Questions
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.reconciler import Reconciler
from model_rollouts.engine.reports import Reports
from model_rollouts.engine.sessions import Sessions
from model_rollouts.engine.store import Store
from model_rollouts.engine.ticker import Beat, Ticker
from model_rollouts.metrics.grid import Grid, sparing_grid
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.rollout import PHASE_MS, Settings, make_plan, take_counts
from model_rollouts.rollout.state.state import Pace as ShadowPace
from tests.faults.transport import Transport
from tests.faults.virtual_time import LIFE, now

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

_INSTRUMENTS = OperatorMetrics("simulated")
"""Nobody looks at them, and making them takes longer than a life."""


def plan_for_real() -> Planner:
    """The real decisions."""
    return lambda observed, memory, at: make_plan(observed, memory, at, SETTINGS)


@dataclass(frozen=True)
class Machine:
    """What a life of the operator runs on."""

    transport: Transport
    source: EventSource
    wall: Callable[[], float]
    dice: random.Random
    beats: Sequence[Beat]
    historian: AsksHistory
    planner: Planner
    executor: type[Executor] = Executor


class OperatorProcess:
    """Everything that runs in one process, from its start until it is killed."""

    def __init__(self, machine: Machine) -> None:
        jitter, self.store = machine.dice.random, Store()
        self.queue = KeyedQueue(now, jitter)
        self.sessions = Sessions(take_counts)
        client = ClusterClient(requests_over(machine.transport, machine.dice))
        self._recorder = EventRecorder(client, "simulated")
        self._informer = Informer(
            source=machine.source,
            client=client,
            store=self.store,
            queue=self.queue,
            instruments=_INSTRUMENTS,
            clock=now,
            jitter=jitter,
            period_s=LIST_PERIOD_S,
        )
        self._questions = Questions(
            checker=Checker(client, clock=now),
            historian=machine.historian,
            queue=self.queue,
            clock=machine.wall,
            ticks=now,
            jitter=jitter,
        )
        self._reconciler = Reconciler(
            store=self.store,
            queue=self.queue,
            rollouts=self.sessions,
            planning=Planning(self.store, machine.planner, self._questions, machine.wall),
            questions=self._questions,
            executor=machine.executor(
                client,
                self.store,
                record=self._recorder.record,
                clock=machine.wall,
                progress=self.queue.progressed,
            ),
            look=partial(lookup.look, client, self.store),
            reports=Reports(self._recorder.record, machine.wall),
            instruments=_INSTRUMENTS,
            clock=machine.wall,
        )
        self._tickers = [
            Ticker(
                beat=beat,
                store=self.store,
                queue=self.queue,
                rollouts=self.sessions,
                instruments=_INSTRUMENTS,
                clock=machine.wall,
            )
            for beat in machine.beats
        ]

    async def run(self) -> None:
        """Work until cancelled; raises what ends a part, as the real process does."""
        mine: WeakSet[asyncio.Task[object]] = WeakSet()
        known = LIFE.set(mine)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._informer.run())
                for ticker in self._tickers:
                    tasks.create_task(ticker.run())
                tasks.create_task(self._recorder.run())
                tasks.create_task(self._questions.run())
                await self._informer.listed.wait()
                tasks.create_task(self._reconciler.work(urgent=True))
                for _ in range(WORKERS):
                    tasks.create_task(self._reconciler.work())
        finally:
            LIFE.reset(known)
            left = [task for task in mine if not task.done()]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)


def requests_over(transport: Transport, dice: random.Random) -> Requests:
    """The real requests over that wire."""
    with patch.object(cluster_requests, "ApiClient", lambda _: transport):
        return Requests(
            None,  # type: ignore[arg-type]  # nothing asks for credentials on this wire
            user_agent="simulated",
            pace=Pace(clock=now),
            jitter=dice.random,
        )
