"""A real Prometheus scrapes real exporters; the counts are compared with what they wrote down.

The pods restart, one is lost for good, one joins, a series is gained, one pod is scraped twice, and
the operator itself is thrown away in the middle and goes on from its watermark.
"""

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from model_rollouts.metrics.counts import Counted, IntervalCounts
from model_rollouts.metrics.findings import Reason
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import client_errors, errors, latency
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


class Operator:
    """Ticks one rollout, keeps its intervals, and can be thrown away."""

    def __init__(self, url: str, rollout: MeasuredRollout) -> None:
        self.url = url
        self.rollout = rollout
        self.since: Watermark | None = None
        self.intervals: list[IntervalCounts] = []

    def run_until(self, condition: Callable[[], bool], what: str) -> None:
        """A new operator that knows the watermark only, ticking until `condition` holds."""
        asyncio.run(self._run_until(condition, what))

    async def _run_until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        async with PrometheusClient(ServerOptions(self.url)) as client:
            reader = SampleReader(client.query, Intake(Grid(STEP_MS, 30_000)))
            while True:
                now_ms = round(time.time() * 1000)
                result = (await reader.tick([Request(self.rollout, self.since)], now_ms))[
                    self.rollout.key
                ]
                assert isinstance(result, Counted), result
                self.intervals += result.intervals
                stored = json.dumps(result.watermark.to_json())
                self.since = Watermark.from_json(json.loads(stored))
                if condition():
                    return
                assert time.monotonic() < deadline, f"in vain: {what}; counted {self.totals()}"
                await asyncio.sleep(0.05)

    def totals(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Per arm and objective: the total and the bad ones of all intervals."""
        sums: dict[str, dict[str, tuple[int, ...]]] = {}
        for arm in (each.name for each in self.rollout.arms):
            for objective in (each.name for each in self.rollout.objectives):
                tallies = [each.arms[arm].tallies[objective] for each in self.intervals]
                total = sum(tally.total for tally in tallies)
                bad = [sum(level) for level in zip(*(t.bad for t in tallies), strict=True)]
                sums.setdefault(arm, {})[objective] = (total, *bad)
        return sums

    def reasons(self) -> set[Reason]:
        return {each.reason for record in self.intervals for each in record.findings}


def expected(pods: list[ExporterPod], listener: str) -> dict[str, tuple[int, ...]]:
    """What the pods' truth says the objectives must have counted."""
    truth: Counter[str] = Counter()
    for pod in pods:
        truth.update(pod.served()[listener])
    given_up = truth["rx_reset"]
    total = truth["completed"] + given_up
    return {
        "errors": (total, truth["5xx"] + truth["429"] + given_up),
        "refused": (total, truth["404"] + truth["422"]),
        "latency": (truth["timed"] + given_up, truth["timed"] - truth["within"] + given_up),
    }


def _labels(pod: ExporterPod, namespace: str) -> dict[str, str]:
    return {"namespace": namespace, "pod": pod.name, "container": "proxy"}


def _rollout(namespace: str, stable: str, candidate: str) -> MeasuredRollout:
    return MeasuredRollout(
        key=f"{namespace}/model",
        namespace=namespace,
        arms=(
            Arm("stable", stable),
            Arm("candidate", candidate),
            Arm("shadow", candidate, Listener.SHADOW),
        ),
        objectives=(errors("errors"), client_errors("refused"), latency("latency", [0.3])),
        started_ms=round(time.time() * 1000),
        warmup_ms=0,
    )


def _traffic(rng: random.Random, pods: list[ExporterPod]) -> None:
    for pod in pods:
        for listener in Listener:
            ok, bad, refused, late = (rng.randrange(0, n) for n in (40, 4, 3, 5))
            counts = {
                "completed": ok + bad + refused + late,
                "5xx": bad,
                "422": refused,
                "rx_reset": rng.randrange(0, 2),
                "timed": ok + bad + refused + late,
                "within": ok + bad + refused,
            }
            pod.count(counts, listener)


def test_counts_equal_the_truth_through_restarts_and_lost_pods(
    tmp_path: Path, any_prometheus: Path
) -> None:
    rng = random.Random(7)
    stable = [ExporterPod(f"stable-{n}", "model-1", tmp_path) for n in range(2)]
    candidate = [ExporterPod(f"candidate-{n}", "model-2", tmp_path) for n in range(3)]
    twice = ExporterPod("twice-0", "other-1", tmp_path)
    pods = [*stable, *candidate]
    targets = [Target(pod.port, _labels(pod, "shop")) for pod in pods]
    targets += [Target(twice.port, _labels(twice, "twice"), job) for job in ("models", "again")]
    first, second, joins = candidate
    with contextlib.ExitStack() as cleanup:
        for pod in (*pods, twice):
            cleanup.callback(pod.crash)
        for pod in (*stable, first, second, twice):
            pod.start()
        server = cleanup.enter_context(
            prometheus_server(any_prometheus, tmp_path, targets, f"{STEP_MS}ms")
        )
        wait_for_scrapes([*stable, first, second, twice])
        operator = Operator(server.url, _rollout("shop", "model-1", "model-2"))

        _traffic(rng, [*stable, first, second])
        wait_for_scrapes([*stable, first, second])
        _traffic(rng, [*stable, first, second])
        first.crash()  # counted and never scraped: lost for everybody, also for the truth served
        first.start()
        _traffic(rng, [first])
        operator.run_until(lambda: len(operator.intervals) >= 3, "some intervals")

        joins.start()
        second.crash()  # gone for good
        _traffic(rng, [*stable, first, joins])
        for pod in (stable[0], first):
            pod.count({"completed": 3, "404": 1, "429": 2, "timed": 3, "within": 3})
        wait_for_scrapes([*stable, first, joins])
        for _ in range(3):
            _traffic(rng, [*stable, first, joins])
        wait_for_scrapes([*stable, first, joins])

        wanted = {
            "stable": expected(stable, "live"),
            "candidate": expected(candidate, "live"),
            "shadow": expected(candidate, "shadow"),
        }
        operator.run_until(lambda: operator.totals() == wanted, f"the truth, {wanted}")
        assert wanted["candidate"]["errors"][1] > 10
        assert sum(each.arms["candidate"].resets for each in operator.intervals) == 1
        assert Reason.HISTORY_LOST not in operator.reasons()
        assert Reason.DUPLICATE_TARGETS not in operator.reasons()

        ended = operator.intervals[-1].end_ms
        operator.run_until(lambda: operator.intervals[-1].end_ms > ended + 2_000, "more time")
        assert operator.totals() == wanted, "nothing is counted twice"

        doubled = Operator(server.url, _rollout("twice", "other-0", "other-1"))
        twice.count({"completed": 7, "5xx": 2})
        wait_for_scrapes([twice], 4)
        served = expected([twice], "live")["errors"]
        doubled.run_until(
            lambda: doubled.totals()["candidate"]["errors"] == served, f"{served}, not doubled"
        )
        assert Reason.DUPLICATE_TARGETS in doubled.reasons()
