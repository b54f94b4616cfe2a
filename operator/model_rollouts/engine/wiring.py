"""The one place where the operator is put together, started and stopped."""

import asyncio
import gc
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from aiohttp import web

from model_rollouts.cluster import connection
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.events import EventRecorder
from model_rollouts.cluster.requests import Requests
from model_rollouts.cluster.watch import KopfSource
from model_rollouts.engine.engine import Core, Engine
from model_rollouts.engine.executor import CrashPoint, Reach
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.past_metrics import PastMetrics
from model_rollouts.engine.server import application
from model_rollouts.engine.ticker import SETTLE_S, Beat
from model_rollouts.metrics.grid import Grid, sparing_grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.prometheus.client import PrometheusClient, ServerOptions
from model_rollouts.prometheus.reader import Ask, SampleReader
from model_rollouts.rollout import PHASE_MS, Settings, make_plan, take_counts

SPREAD_MS = 2_000
"""So far apart are the phases of the slow pace: its minute is spread over thirty readings, each of
which keeps others waiting for a quarter of a second where ten thousand services are settled."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the administrator says. No `namespaces` are all; no `kubeconfig` is the pod's account.

    `release` is the operator's own. `address` and `port` are where metrics and health are served.
    `settle_s` is how long after its end a scrape interval is read. `crash_at` ends the process at
    that point the given time.
    """

    settings: Settings
    release: str
    prometheus: ServerOptions
    namespaces: Sequence[str] = ()
    kubeconfig: Path | None = None
    address: str = "0.0.0.0"  # noqa: S104 - kubelet and Prometheus come from other addresses
    port: int = 8080
    settle_s: float = SETTLE_S
    crash_at: tuple[CrashPoint, int] | None = None
    instance: str = field(default_factory=lambda: os.uname().nodename)


def core(settings: Settings) -> Core:
    """The real decisions."""
    return Core(
        plan=lambda observed, memory, now: make_plan(observed, memory, now, settings),
        take=take_counts,
    )


async def operate(options: Options, decisions: Core, stop: asyncio.Event) -> None:
    """Run the operator until `stop` is set; the passes in hand are finished first.

    Raises ConnectionConfigError, or OSError when the port is taken, before anything is done.
    """
    # There are many long-lived objects and hardly a cycle: look for them less often.
    gc.set_threshold(50_000, 50, 50)
    instruments = OperatorMetrics(options.release)
    configuration = await connection.load(options.kubeconfig)
    requests = Requests(
        configuration,
        user_agent=f"model-rollouts/{options.release}",
        observe=instruments.answered,
    )
    async with (
        ClusterClient(requests) as client,
        PrometheusClient(options.prometheus) as prometheus,
    ):
        grid = options.settings.grid
        engine = Engine(
            core=decisions,
            client=client,
            source=KopfSource(options.kubeconfig, options.namespaces, instruments.answered),
            recorder=EventRecorder(client, options.instance, instruments.events_dropped.inc),
            historian=PastMetrics(prometheus, grid),
            beats=beats(options.settings, _timed(prometheus.query, instruments)),
            instruments=instruments,
            namespaces=options.namespaces,
            settle_s=options.settle_s,
            reach=_reach(options.crash_at),
        )
        app = application(instruments.registry, alive=engine.alive, ready=engine.ready)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, options.address, options.port).start()
            await engine.run(stop)
        finally:
            await runner.cleanup()


def beats(settings: Settings, ask: Ask) -> tuple[Beat, Beat]:
    """The pace of what is rolled out or watched, and the slow one of everything else."""

    def beat(grid: Grid, spread_ms: int, *, sparing: bool = False) -> Beat:
        readers = {
            phase: SampleReader(ask, Intake(replace(grid, phase_ms=phase), sparing=sparing))
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
    async def timed(text: str, at_ms: int) -> bytes:
        begun, outcome = time.monotonic(), "failed"
        try:
            answer = await ask(text, at_ms)
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
