"""One life of the operator: its real parts, put together as `engine.Engine` does it.

What the parts need of a machine is given to them here and nowhere else: clocks, dice, the wire to
the API server, and Prometheus.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from unittest.mock import patch

from model_rollouts.cluster import requests as cluster_requests
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.events import EventRecorder
from model_rollouts.cluster.pace import Pace
from model_rollouts.cluster.requests import Requests
from model_rollouts.cluster.watch import EventSource
from model_rollouts.engine.cluster_checks import Checker
from model_rollouts.engine.executor import Executor
from model_rollouts.engine.informer import Informer
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.reconciler import AsksHistory, Planner, Reconciler
from model_rollouts.engine.sessions import Sessions
from model_rollouts.engine.store import Store
from model_rollouts.engine.ticker import Reader, Ticker
from model_rollouts.metrics.grid import Grid
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.rollout import PHASE_MS, Settings, make_plan, take_counts
from model_rollouts.rollout.state.state import Pace as ShadowPace
from tests.faults.transport import Transport
from tests.faults.virtual_time import now

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

PHASES_MS = range(0, GRID.step_ms, PHASE_MS)

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
    readers: Mapping[int, Reader]
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
        self._reconciler = Reconciler(
            store=self.store,
            queue=self.queue,
            rollouts=self.sessions,
            planner=machine.planner,
            checker=Checker(client),
            historian=machine.historian,
            executor=machine.executor(
                client, self.store, record=self._recorder.record, clock=machine.wall
            ),
            instruments=_INSTRUMENTS,
            clock=machine.wall,
        )
        self._ticker = Ticker(
            readers=machine.readers,
            store=self.store,
            queue=self.queue,
            rollouts=self.sessions,
            grid=GRID,
            instruments=_INSTRUMENTS,
            clock=machine.wall,
        )

    async def run(self) -> None:
        """Work until cancelled; raises what ends a part, as the real process does."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._informer.run())
            tasks.create_task(self._ticker.run())
            tasks.create_task(self._recorder.run())
            await self._informer.listed.wait()
            for _ in range(WORKERS):
                tasks.create_task(self._reconciler.work())


def requests_over(transport: Transport, dice: random.Random) -> Requests:
    """The real requests over that wire."""
    with patch.object(cluster_requests, "ApiClient", lambda _: transport):
        return Requests(
            None,  # type: ignore[arg-type]  # nothing asks for credentials on this wire
            user_agent="simulated",
            pace=Pace(clock=now),
            jitter=dice.random,
        )
