"""Counters of the model server's own, scraped by a real Prometheus as docs/metrics.md says."""

import asyncio
import contextlib
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster.paths import REPOSITORY
from model_rollouts.decision import Histogram
from model_rollouts.engine.past_metrics import PastMetrics
from model_rollouts.metrics.counts import Counted, IntervalCounts, Tally
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import own_counters, own_latency
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.history import stable_dispersion
from model_rollouts.prometheus.reader import SampleReader
from model_rollouts.prometheus.server import ServerOptions
from model_rollouts.rollout import BucketsQuery
from tests.kubernetes_clients import until
from tests.metrics.pages import served
from tests.prometheus_server import Target, prometheus_server

GRID = Grid(1_000)
STABLE, CANDIDATE, STRANGER = "arrival-1", "arrival-2", "departure-1"
OWN = own_counters("own", bad="my_wrong_total", total="my_answers_total")
TIMED = own_latency("timed", "took_seconds", (0.25,), matchers=(("stage", ("predict",)),))
TOOK = Histogram("took_seconds", (("stage", ("predict",)),))
"""The same as it is judged by."""


class Model:
    """A model server that counts, and claims to be whatever pleases it."""

    def __init__(self, claims: str) -> None:
        self.wrong = self.answers = 0
        self._claims = claims
        self._born = time.time()

    def page(self, _path: str) -> str:
        claim = f'modelrollouts_revision="{self._claims}",namespace="other"'
        return (
            f'my_answers_total{{{claim},route="a"}} {self.answers // 2}\n'
            f'my_answers_total{{{claim},route="b"}} {self.answers - self.answers // 2}\n'
            f"my_wrong_total{{{claim}}} {self.wrong}\n"
            f"process_start_time_seconds {self._born}\n" + self._took(claim)
        )

    def _took(self, claim: str) -> str:
        """A histogram that is there from the first answer on; wrong answers take 400 ms."""
        if not self.answers:
            return ""
        fast = self.answers - self.wrong
        within = {"0.1": 0, "0.25": fast, "0.5": self.answers, "+Inf": self.answers}
        return "".join(
            f'took_seconds_bucket{{{claim},stage="{stage}",le="{edge}"}} {count}\n'
            for stage in ("predict", "load")
            for edge, count in within.items()
        ) + "".join(
            f'took_seconds_count{{{claim},stage="{stage}"}} {self.answers}\n'
            for stage in ("predict", "load")
        )


def documented() -> list[dict[str, Any]]:
    """The relabeling that people are told to use."""
    page = (REPOSITORY / "docs" / "metrics.md").read_text()
    (text,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", page, re.DOTALL)
    found: list[dict[str, Any]] = yaml.safe_load(text)["scrape_configs"][0]["relabel_configs"]
    return found


def target(port: int, revision: str, namespace: str = "shop", name: str | None = None) -> Target:
    """A pod as service discovery shows it."""
    return Target(
        port,
        {
            "__meta_kubernetes_pod_container_port_name": "metrics",
            "__meta_kubernetes_pod_phase": "Running",
            "__meta_kubernetes_namespace": namespace,
            "__meta_kubernetes_pod_name": name or f"{revision}-pod",
            "__meta_kubernetes_pod_label_modelrollouts_dev_revision": revision,
        },
        relabel=documented(),
    )


@pytest.mark.prometheus
@pytest.mark.timeout(60)
def test_each_revision_has_its_own_counts_whatever_its_pods_claim(
    tmp_path: Path, prometheus: Path
) -> None:
    models = {STABLE: Model(CANDIDATE), CANDIDATE: Model(STABLE), STRANGER: Model(CANDIDATE)}
    with contextlib.ExitStack() as stack:
        ports = {name: stack.enter_context(served(model.page)) for name, model in models.items()}
        targets = [
            target(ports[STABLE], STABLE),
            target(ports[CANDIDATE], CANDIDATE),
            # The same name in another namespace is another revision.
            target(ports[STRANGER], CANDIDATE, namespace="other"),
        ]
        server = stack.enter_context(prometheus_server(prometheus, tmp_path, targets, "1s"))
        asyncio.run(_counted(server.url, models))


async def _counted(url: str, models: dict[str, Model]) -> None:
    rollout = MeasuredRollout(
        "shop/arrival",
        "shop",
        (Arm("stable", STABLE), Arm("candidate", CANDIDATE)),
        (OWN, TIMED),
        round(time.time() * 1000),
        # Times count once a pod is warm, and these pods have just started.
        warmup_ms=0,
    )
    async with PrometheusClient(ServerOptions(url)) as client:
        reader = SampleReader(client.query, Intake(GRID))
        totals = {"stable": Tally(0, (0,)), "candidate": Tally(0, (0,))}
        timed = dict.fromkeys(totals, (0, 0))
        since: Watermark | None = None

        async def read() -> Sequence[IntervalCounts]:
            nonlocal since
            found = await reader.tick([Request(rollout, since)], round(time.time() * 1000))
            counted = found[rollout.key]
            assert isinstance(counted, Counted), counted
            since = counted.watermark
            for interval in counted.intervals:
                for arm, counts in interval.arms.items():
                    tally = counts.tallies["own"]
                    before = totals[arm]
                    totals[arm] = Tally(before.total + tally.total, (before.bad[0] + tally.bad[0],))
                    took, counted_before = counts.tallies["timed"], timed[arm]
                    timed[arm] = (counted_before[0] + took.total, counted_before[1] + took.bad[0])
            return counted.intervals

        async def scraped() -> bool:
            return any(all(arm.pods for arm in each.arms.values()) for each in await read())

        await until(scraped, "the model servers were never scraped")
        for model, (answers, wrong) in zip(
            models.values(), ((1_001, 3), (101, 7), (5_000, 500)), strict=True
        ):
            model.answers, model.wrong = answers, wrong

        async def complete() -> bool:
            await read()
            return totals == {"stable": Tally(1_001, (3,)), "candidate": Tally(101, (7,))}

        await until(complete, f"found {totals}")
        assert timed == {"stable": (1_001, 3), "candidate": (101, 7)}
        # The edges are those that were scraped; the namespace "other" has none of ours.
        query = BucketsQuery(
            ((TOOK, (0.3,)),), (CANDIDATE, STABLE), frozenset({f"{CANDIDATE}-pod"})
        )
        edges = {(TOOK.key, CANDIDATE): (0.1, 0.25, 0.5)}
        assert await PastMetrics(client, GRID).buckets("shop", query) == (edges, {})
        # Their past is asked for in the same way, and is too short to say anything.
        past = await stable_dispersion(
            client.query_range, "shop", [STABLE], round(time.time() * 1000), objective=OWN
        )
        assert not past.known
