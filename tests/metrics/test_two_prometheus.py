"""Two real Prometheus behind one address: each question goes to either of them, as a Service does.

They scrape the same pods, each at its own moments. What is counted must be what the pods answered.
"""

import asyncio
import contextlib
import random
import time
from pathlib import Path

import pytest

from model_rollouts.metrics.counts import Counted, IntervalCounts
from model_rollouts.metrics.findings import Reason
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import errors, latency
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.sources import Listener
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.reader import SampleReader
from model_rollouts.prometheus.server import ServerOptions
from tests.metrics.exporter_pod import PATIENCE_S, ExporterPod, wait_for_scrapes
from tests.prometheus_server import Target, prometheus_server

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(90)]

STEP_MS = 500
ROUNDS = 12


def test_healthy_pods_are_never_slow_and_every_request_counts_once(
    tmp_path: Path, prometheus: Path
) -> None:
    pods = [ExporterPod("stable-0", "model-1", tmp_path), ExporterPod("new-0", "model-2", tmp_path)]
    targets = [
        Target(pod.port, {"namespace": "shop", "pod": pod.name, "container": "proxy"})
        for pod in pods
    ]
    with contextlib.ExitStack() as stack:
        for pod in pods:
            stack.callback(pod.crash)
            pod.start()
        urls = []
        for replica in ("a", "b"):
            directory = tmp_path / replica
            directory.mkdir()
            server = prometheus_server(prometheus, directory, targets, f"{STEP_MS}ms")
            urls.append(stack.enter_context(server).url)
        wait_for_scrapes(pods, 4)
        records = asyncio.run(_counted(urls, pods))

    for record in records:
        for arm in record.arms.values():
            assert arm.tallies["latency"].bad == (0,)
    reasons = {each.reason for record in records for each in record.findings}
    assert Reason.DUPLICATE_TARGETS not in reasons


async def _counted(urls: list[str], pods: list[ExporterPod]) -> list[IntervalCounts]:
    """All intervals until everything that the pods answered is in them."""
    dice, deadline = random.Random(3), time.monotonic() + PATIENCE_S
    rollout = MeasuredRollout(
        "shop/model",
        "shop",
        (Arm("stable", "model-1"), Arm("candidate", "model-2")),
        (errors("errors"), latency("latency", [0.3])),
        round(time.time() * 1000),
    )
    records: list[IntervalCounts] = []
    since: Watermark | None = None
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(PrometheusClient(ServerOptions(url))) for url in urls
        ]

        async def ask(text: str, at_ms: int, namespace: str = "") -> bytes:
            return await dice.choice(clients).query(text, at_ms)

        reader = SampleReader(ask, Intake(Grid(STEP_MS, 30_000)))
        rounds = 0
        while time.monotonic() < deadline:
            if rounds < ROUNDS:
                rounds += 1
                for pod in pods:
                    served = dice.randrange(5, 60)
                    pod.count({"completed": served, "timed": served, "within": served})
            request = Request(rollout, since)
            counted = (await reader.tick([request], round(time.time() * 1000)))[rollout.key]
            assert isinstance(counted, Counted), counted
            records += counted.intervals
            since = counted.watermark
            totals = [
                sum(record.arms[arm].tallies["errors"].total for record in records)
                for arm in ("stable", "candidate")
            ]
            truth = [pod.served()[Listener.LIVE]["completed"] for pod in pods]
            assert all(one <= other for one, other in zip(totals, truth, strict=True))
            if rounds == ROUNDS and totals == truth:
                return records
            await asyncio.sleep(STEP_MS / 1000)
    raise AssertionError(f"in vain: counted {totals}, and the pods answered {truth}")
