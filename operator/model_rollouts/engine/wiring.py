"""The one place where the operator is put together, started and stopped."""

import asyncio
import contextlib
import gc
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from aiohttp import web

from model_rollouts.cluster import connection
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.events import EventRecorder
from model_rollouts.cluster.kinds import POD
from model_rollouts.cluster.leases import LeaseName, Leases
from model_rollouts.cluster.requests import Requests
from model_rollouts.cluster.watch import KopfSource
from model_rollouts.engine.clock import Clock, Server
from model_rollouts.engine.engine import Core, Engine
from model_rollouts.engine.executor import CrashPoint, Reach
from model_rollouts.engine.leadership import Alone, Leadership, Leads
from model_rollouts.engine.observer_client import ObserverClient
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.outage import Outage, OwnPod
from model_rollouts.engine.past_metrics import PastMetrics
from model_rollouts.engine.rights import Rights
from model_rollouts.engine.server import application
from model_rollouts.engine.ticker import SETTLE_S, Beat
from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.grid import Grid, sparing_grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.reader import Ask, SampleReader
from model_rollouts.prometheus.server import ServerOptions
from model_rollouts.rollout import PHASE_MS, Settings, make_plan, take_counts

SPREAD_MS = 2_000
"""So far apart are the phases of the slow pace: its minute is spread over thirty readings, each of
which keeps others waiting for a quarter of a second where ten thousand services are settled."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the administrator says. No `namespaces` are all; no `kubeconfig` is the pod's account.

    `release` is the operator's own. `batching` says how queries are written. `address` and `port`
    are where metrics and health are served.
    `settle_s` is how long after its end a scrape interval is read. `crash_at` ends the process at
    that point the given time. `pod` is the one in which the operator runs, where that is known.
    `observer_http_address` is host and port of the observer's HTTP endpoints, with `{shard}` in the
    host; without it no status names answers. Without a `lease` this process leads, whatever others
    do.
    """

    settings: Settings
    release: str
    prometheus: ServerOptions
    batching: Batching = field(default_factory=Batching)
    namespaces: Sequence[str] = ()
    kubeconfig: Path | None = None
    address: str = "0.0.0.0"  # noqa: S104 - kubelet and Prometheus come from other addresses
    port: int = 8080
    settle_s: float = SETTLE_S
    crash_at: tuple[CrashPoint, int] | None = None
    pod: OwnPod | None = None
    lease: LeaseName | None = None
    observer_http_address: str | None = None
    instance: str = field(default_factory=lambda: os.uname().nodename)


def core(settings: Settings) -> Core:
    """The real decisions."""
    return Core(
        plan=lambda observed, memory, now: make_plan(observed, memory, now, settings),
        take=take_counts,
    )


async def operate(
    options: Options,
    decisions: Core,
    stop: asyncio.Event,
    wall: Callable[[], float] = time.time,
) -> None:
    """Run the operator until `stop` is set; the passes in hand are finished first.

    `wall` is the clock of its machine, in Unix seconds.
    Raises ConnectionConfigError, or OSError when the port is taken, before anything is done.
    Raises DeposedError when this process has led, and another one leads.
    """
    # There are many long-lived objects and hardly a cycle: look for them less often.
    gc.set_threshold(50_000, 50, 50)
    instruments = OperatorMetrics(options.release)
    clock = Clock(wall, told=instruments.clock_off.set)
    configuration = await connection.load(options.kubeconfig)
    connect = partial(
        Requests,
        configuration,
        user_agent=f"model-rollouts/{options.release}",
        observe=instruments.answered,
        dated=partial(clock.heard, Server.API),
    )
    async with (
        _leadership(options, connect, instruments, wall) as leadership,
        ClusterClient(connect(allowed=leadership.left)) as client,
        PrometheusClient(options.prometheus, partial(clock.heard, Server.PROMETHEUS)) as prometheus,
        _observer(options.observer_http_address) as observer,
    ):
        grid = options.settings.grid
        recorder = EventRecorder(client, options.instance, instruments.events_dropped.inc)
        outage = Outage(recorder.record, options.pod, clock)
        rights = Rights(instruments)
        engine = Engine(
            core=decisions,
            client=client,
            source=KopfSource(
                options.kubeconfig,
                options.namespaces,
                instruments.answered,
                leaves_out=rights.is_unread,
            ),
            # A watch of its own: that pods may not be read must not touch any other.
            pod_source=KopfSource(
                options.kubeconfig, options.namespaces, instruments.answered, (POD,)
            ),
            recorder=recorder,
            historian=PastMetrics(prometheus, grid, options.batching, clock),
            observer=observer,
            beats=beats(
                options.settings,
                _timed(prometheus.query, instruments),
                options.batching,
                outage.heard,
            ),
            instruments=instruments,
            rights=rights,
            namespaces=options.namespaces,
            settle_s=options.settle_s,
            clock=clock,
            reach=_reach(options.crash_at),
            outage=outage,
            leadership=leadership,
        )
        app = application(
            instruments.registry,
            alive=engine.alive,
            ready=engine.ready,
            said=lambda: f"ok: {leadership.said}",
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, options.address, options.port).start()
            await engine.run(stop)
        finally:
            await runner.cleanup()


@contextlib.asynccontextmanager
async def _leadership(
    options: Options,
    connect: Callable[[], Requests],
    instruments: OperatorMetrics,
    wall: Callable[[], float],
) -> AsyncIterator[Leads]:
    """That of this process, with connections of its own: renewals wait for no other request."""
    if options.lease is None:
        yield Alone()
        return
    leases = Leases(connect(), options.lease)
    try:
        identity = f"{options.instance}_{uuid.uuid4()}"
        yield Leadership(leases, identity, instruments, wall=wall)
    finally:
        await leases.close()


@contextlib.asynccontextmanager
async def _observer(address: str | None) -> AsyncIterator[ObserverClient | None]:
    if address is None:
        yield None
        return
    async with ObserverClient(address) as client:
        yield client


def beats(
    settings: Settings,
    ask: Ask,
    batching: Batching,
    heard: Callable[[str | None], None] = lambda failure: None,
) -> tuple[Beat, Beat]:
    """The pace of what is rolled out or watched, and the slow one of everything else.

    `heard` is told what came of each reading, as by `SampleReader`.
    """

    def beat(grid: Grid, spread_ms: int, *, sparing: bool = False) -> Beat:
        readers = {
            phase: SampleReader(
                ask,
                Intake(replace(grid, phase_ms=phase), batching, sparing=sparing),
                heard=heard,
            )
            for phase in range(0, grid.step_ms, spread_ms)
        }
        return Beat(grid, readers, sparing)

    return (
        beat(settings.grid, PHASE_MS),
        beat(sparing_grid(settings.grid, settings.sparing_ms), SPREAD_MS, sparing=True),
    )


def run(options: Options, decisions: Core) -> None:
    """Run the operator in this process until SIGTERM or SIGINT."""
    asyncio.run(_until_told(options, decisions))


async def _until_told(options: Options, decisions: Core) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    await operate(options, decisions, stop)


def _timed(ask: Ask, instruments: OperatorMetrics) -> Ask:
    async def timed(text: str, at_ms: int, namespace: str) -> bytes:
        begun, outcome = time.monotonic(), "failed"
        try:
            answer = await ask(text, at_ms, namespace)
            outcome = "answered"
        finally:
            instruments.queries.labels(outcome).observe(time.monotonic() - begun)
        return answer

    return timed


def _reach(crash_at: tuple[CrashPoint, int] | None) -> Reach:
    """What is done at crash points: nothing, or once the end of this process by SIGKILL."""
    if crash_at is None:
        return lambda point: None
    at, left = crash_at

    def reach(point: CrashPoint) -> None:
        nonlocal left
        left -= point is at
        if point is at and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return reach
