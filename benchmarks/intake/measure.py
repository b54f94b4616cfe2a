"""Runs the intake against a real Prometheus and measures it, tick by tick."""

import asyncio
import http.client
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from ephemeral_port_reserve import reserve

from benchmarks.intake.exporter import (
    SLICE_EDGES_MS,
    STAGE_EDGES,
    STAGES,
    namespace,
    pods,
    revisions,
    slice_names,
)
from benchmarks.machine import cpu_of, rss_mib
from e2e.cluster import tools
from model_rollouts.metrics.counts import Counted
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import (
    CountedObjective,
    client_errors,
    errors,
    latency,
    own_latency,
)
from model_rollouts.metrics.pods import KnownPods, Pod
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.reader import SampleReader
from model_rollouts.prometheus.server import ServerOptions
from tests.prometheus_server import Target, prometheus_server

ROLLOUTS_PER_PAGE = 10


@dataclass(frozen=True, slots=True)
class TickCost:
    """One tick: seconds of CPU and of wall time, bytes received, resident memory afterwards."""

    cpu_s: float
    wall_s: float
    prometheus_cpu_s: float
    bytes: int
    queries: int
    rss_mib: float
    intervals: int


@dataclass(slots=True)
class Totals:
    """What was counted over all rollouts."""

    total: int = 0
    bad: int = 0
    findings: dict[str, int] = field(default_factory=dict)


class Run:
    """The operator's side: requests, watermarks and sums."""

    def __init__(
        self,
        rollouts: int,
        client: PrometheusClient,
        started_ms: int,
        step_s: int,
        parts: tuple[int, int],
    ) -> None:
        self._client = client
        self._bytes = self._queries = 0
        self.totals = Totals()
        self._rollouts = [rollout(number, started_ms, *parts) for number in range(rollouts)]
        self._since: dict[str, Watermark] = {}
        self._reader = SampleReader(self._ask, Intake(Grid(step_s * 1000)))

    async def tick(self, prometheus: int) -> TickCost:
        """One tick as the operator runs it, with what it cost."""
        self._bytes = self._queries = 0
        wall, cpu, server = time.monotonic(), time.process_time(), cpu_of(prometheus)
        intervals, behind = 0, True
        while behind:
            requests = [Request(each, self._since.get(each.key)) for each in self._rollouts]
            results = await self._reader.tick(requests, round(time.time() * 1000))
            behind = False
            for key, result in results.items():
                if not isinstance(result, Counted):
                    raise RuntimeError(result.finding.message)
                self._since[key] = result.watermark
                intervals += len(result.intervals)
                behind = behind or result.behind
                self._sum(result)
        cost_cpu, cost_wall = time.process_time() - cpu, time.monotonic() - wall
        return TickCost(
            cost_cpu,
            cost_wall,
            cpu_of(prometheus) - server,
            self._bytes,
            self._queries,
            rss_mib(),
            intervals,
        )

    async def _ask(self, text: str, at_ms: int, namespace: str) -> bytes:
        body = await self._client.query(text, at_ms, namespace)
        self._bytes += len(body)
        self._queries += 1
        return body

    def _sum(self, result: Counted) -> None:
        for interval in result.intervals:
            for arm in interval.arms.values():
                self.totals.total += arm.tallies["errors"].total
                self.totals.bad += arm.tallies["errors"].bad[0]
            for finding in interval.findings:
                count = self.totals.findings.get(finding.reason, 0)
                self.totals.findings[finding.reason] = count + 1


def _of_slice(name: str) -> tuple[CountedObjective, ...]:
    times = [each / 1000 for each in SLICE_EDGES_MS]
    return errors(f"errors of {name}", name), latency(f"latency of {name}", times, name)


def rollout(number: int, started_ms: int, slices: int = 0, stages: int = 0) -> MeasuredRollout:
    """What is counted of the rollout of that number, with objectives on so many slices and stages.

    A stage is a histogram of the model server's own, of which two edges are counted.
    """
    stable, candidate = revisions(number)
    return MeasuredRollout(
        key=f"{namespace(number)}/arrival-delay-{number:05d}",
        namespace=namespace(number),
        arms=(Arm("stable", stable), Arm("candidate", candidate)),
        objectives=(
            errors("errors"),
            client_errors("refused"),
            latency("latency", [0.3, 0.38]),
            *(each for name in slice_names(slices) for each in _of_slice(name)),
            *(own_latency(metric, metric, STAGE_EDGES) for metric in STAGES[:stages]),
        ),
        started_ms=started_ms,
        pods=KnownPods(
            tuple(
                Pod(pod, revision, started_ms, started_ms)
                for revision in (stable, candidate)
                for pod in pods(revision)
            )
        ),
    )


def measure(
    rollouts: int,
    ticks: int,
    step_s: int,
    progress: Callable[[], None],
    slices: int = 0,
    stages: int = 0,
) -> dict[str, Any]:
    """Start everything on loopback, tick `ticks` times, and return what was measured.

    `step_s` is the scrape interval in seconds, and that between two ticks. Each rollout has two
    objectives on each of so many `slices`, on errors and on latency, and one on each of so many
    `stages`.
    """
    port = reserve()
    pages = -(-rollouts // ROLLOUTS_PER_PAGE)
    exporter = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.intake.exporter"]
        + [str(each) for each in (port, rollouts, pages, slices, stages)]
    )
    try:
        targets = [
            Target(port, {}, job=f"page-{page}", path=f"/page/{page}") for page in range(pages)
        ]
        with (
            tempfile.TemporaryDirectory() as directory,
            prometheus_server(
                tools.binary("prometheus"),
                Path(directory),
                targets,
                f"{step_s}s",
                honor_labels=True,
            ) as server,
        ):
            parts = slices, stages
            run = _run(rollouts, ticks, step_s, server.url, server.pid, port, progress, parts)
            return {"prometheus": server.version, "pages": pages, **asyncio.run(run)}
    finally:
        exporter.terminate()
        exporter.wait()


def series(rollouts: int, slices: int, stages: int) -> int:
    """How many series the pods of so many rollouts have; a model server has one for its start."""
    return rollouts * 4 * (8 + 6 * slices + (3 * stages + 1 if stages else 0))


async def _run(
    rollouts: int,
    ticks: int,
    step_s: int,
    url: str,
    pid: int,
    port: int,
    progress: Callable[[], None],
    parts: tuple[int, int],
) -> dict[str, Any]:
    started_ms = round(time.time() * 1000) - 60_000
    costs: list[TickCost] = []
    async with PrometheusClient(ServerOptions(url, timeout_s=60)) as client:
        run = Run(rollouts, client, started_ms, step_s, parts)
        await _until_scraped(client, series(rollouts, *parts))
        _ask_exporter(port, "POST")
        while len(costs) < ticks:
            await asyncio.sleep(step_s - time.time() % step_s + 0.1)
            cost = await run.tick(pid)
            costs.append(cost)
            progress()
        truth = msgspec.json.decode(_ask_exporter(port, "DELETE"))
        for _ in range(24):
            if {"total": run.totals.total, "bad": run.totals.bad} == truth:
                break
            await asyncio.sleep(step_s - time.time() % step_s + 0.1)
            await run.tick(pid)
    return {
        "rollouts": rollouts,
        "slices": parts[0],
        "stages": parts[1],
        "step_s": step_s,
        "costs": [msgspec.to_builtins(cost) for cost in costs],
        "truth": truth,
        "counted": {"total": run.totals.total, "bad": run.totals.bad},
        "findings": run.totals.findings,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


async def _until_scraped(client: PrometheusClient, series: int) -> None:
    """Wait until Prometheus holds every series."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        text = 'count({__name__=~"envoy_.+|request_.+|process_start_time_seconds"})'
        body = msgspec.json.decode(await client.query(text, round(time.time() * 1000)))
        result = body["data"]["result"]
        if result and int(result[0]["value"][1]) >= series:
            return
        await asyncio.sleep(0.5)
    raise RuntimeError(f"Prometheus did not reach {series} series within 300 s")


def _ask_exporter(port: int, method: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, "/traffic")
    body = connection.getresponse().read()
    connection.close()
    return body
