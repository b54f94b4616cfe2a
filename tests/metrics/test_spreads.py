"""How times are spread over buckets, by a real Prometheus: what the buckets prove, and no more."""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from math import inf
from pathlib import Path

import pytest

from model_rollouts.api.runtimes import SERVER_TIMING
from model_rollouts.decision import Histogram
from model_rollouts.engine import past_metrics, request_times
from model_rollouts.engine.past_metrics import PastMetrics
from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.sources import Listener
from model_rollouts.metrics.spreads import (
    Asked,
    Within,
    buckets_of_proxy,
    grown_text,
    of_server,
    read_grown,
)
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.server import ServerOptions
from model_rollouts.rollout import NETWORK, LatencyQuery, Spread
from tests.kubernetes_clients import until
from tests.metrics.pages import served
from tests.metrics.test_own_counters import target
from tests.prometheus_server import prometheus_server

STABLE, CANDIDATE = "arrival-1", "arrival-2"


def test_the_query_subtracts_what_was_there_and_leaves_out_what_began_anew() -> None:
    asked = of_server("took_seconds", "bucket", (("stage", ("predict",)),), 1.0)

    text = grown_text(asked, "shop", [STABLE], 60_000, Batching(), {f"{STABLE}-a"})

    series = 'took_seconds_{}{{namespace="shop",modelrollouts_revision="arrival-1",stage="predict",'
    series += 'pod=~"arrival-1-a"}}'
    now, count = series.format("bucket"), series.format("count")
    assert text.startswith("sum by (modelrollouts_revision, le) (max without (")
    assert text.endswith(
        f"(({now} - {now} offset 60000ms or {now}) "
        f"unless ignoring (le) (resets({count}[360000ms]) > 0)))"
    )


def test_edges_of_the_proxy_are_read_as_the_times_that_they_count() -> None:
    series = [
        ({"modelrollouts_revision": STABLE, "le": le}, [(60.0, value)])
        for le, value in (("299", "7"), ("499", "9"), ("+Inf", "10"), ("x", "1"))
    ]

    found = read_grown(series, buckets_of_proxy(Listener.LIVE))

    assert found == {STABLE: ((0.3, 7.0), (0.5, 9.0), (inf, 10.0))}
    # Without its last bucket nobody knows how many there were.
    assert read_grown(series[:2], buckets_of_proxy(Listener.LIVE)) == {}


class Pod:
    """A pod with its proxy and its model server, which counts requests of 20 ms and of 400 ms."""

    def __init__(self, revision: str, fast: int = 0, slow: int = 0, given_up: int = 0) -> None:
        self.revision, self.fast, self.slow, self.given_up = revision, fast, slow, given_up
        self.born = time.time()

    def page(self, _path: str) -> str:
        total = self.fast + self.slow
        tag = f'modelrollouts_revision="{self.revision}",envoy_http_conn_manager_prefix="live"'
        proxy = "".join(
            f'envoy_http_downstream_rq_time_bucket{{{tag},le="{le}"}} {value}\n'
            for le, value in (("24", self.fast), ("499", total), ("+Inf", total))
        )
        model = "".join(
            f'took_seconds_bucket{{le="{le}"}} {value}\n'
            for le, value in (("0.025", self.fast), ("0.5", total), ("+Inf", total))
        )
        return (
            f"{proxy}envoy_http_downstream_rq_time_count{{{tag}}} {total}\n"
            f"envoy_http_downstream_rq_time_sum{{{tag}}} {20 * self.fast + 400 * self.slow}\n"
            f"envoy_http_downstream_rq_rx_reset{{{tag}}} {self.given_up}\n"
            f"{model}took_seconds_count {total}\n"
            f"took_seconds_sum {0.015 * self.fast + 0.395 * self.slow}\n"
        )


@pytest.mark.prometheus
@pytest.mark.timeout(90)
def test_requests_since_a_time_are_counted_exactly(
    tmp_path: Path, prometheus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A trial is asked about when it is older than this.
    monkeypatch.setattr(past_metrics, "SHORTEST_MS", 1_000)
    # Stable has a past, which is not counted, and a pod that begins anew.
    pods = [Pod(STABLE, fast=5_000), Pod(STABLE, fast=70), Pod(CANDIDATE)]
    with contextlib.ExitStack() as stack:
        targets = [
            target(stack.enter_context(served(pod.page)), pod.revision, name=f"{pod.revision}-{i}")
            for i, pod in enumerate(pods)
        ]
        server = stack.enter_context(prometheus_server(prometheus, tmp_path, targets, "1s"))
        asyncio.run(_counted(server.url, pods))


async def _counted(url: str, pods: list[Pod]) -> None:
    own = Histogram("took_seconds")
    async with PrometheusClient(ServerOptions(url)) as client:
        asking = PastMetrics(client, Grid(1_000), clock=lambda: time.time())
        since_ms = 0

        async def spreads() -> dict[tuple[str | None, str], Spread]:
            query = LatencyQuery(
                (CANDIDATE, STABLE), False, since_ms, 7, (("Predict", own),), whole=own
            )
            found = await asking.latencies("shop", query)
            return {(each.of, each.revision): each for each in found.spreads}

        async def scraped() -> bool:
            # Both pods: one that is scraped later has all of its requests since then.
            found = (await spreads()).get((None, STABLE))
            return found is not None and found.within[-1] == (inf, 5_070)

        await until(scraped, "the pods were never scraped", 30)
        since_ms = round(time.time() * 1000)
        stable, restarted, candidate = pods
        stable.fast, stable.slow = 5_900, 100
        candidate.fast, candidate.slow, candidate.given_up = 40, 8, 2
        restarted.fast = 3

        def within(fast: int, slow: int, given_up: int = 0) -> Within:
            total = fast + slow
            return ((0.025, fast), (0.5, total), (inf, total + given_up))

        async def counted() -> bool:
            found = await spreads()
            expected = {
                (None, STABLE): within(900, 100),
                (None, CANDIDATE): within(40, 8, 2),
                ("Predict", STABLE): within(900, 100),
                ("Predict", CANDIDATE): within(40, 8),
            }
            return {key: each.within for key, each in found.items() if each.within} == expected

        await until(counted, "the requests were not counted", 30)
        found = await spreads()
        assert found[NETWORK, STABLE].mean == pytest.approx(0.005)
        assert found[NETWORK, CANDIDATE].mean == pytest.approx(0.005)


def test_what_answers_tell_of_a_stage_is_asked_by_users_and_mirrored_requests() -> None:
    """A version that is mirrored may have users elsewhere; the observer knows which is which."""
    asked: list[tuple[str, tuple[str, ...], str | None]] = []

    async def grown(what: Asked, revisions: Iterable[str]) -> dict[str, Within]:
        template = what.counter
        asked.append((template.counter.metric, tuple(revisions), template.fixed.get("arm")))
        return dict.fromkeys(revisions, ((0.1, 5.0), (inf, 10.0)))

    header = Histogram(SERVER_TIMING, (("stage", ("Predict",)),))
    query = LatencyQuery((CANDIDATE, STABLE), True, 0, 1, (("Predict", header),))
    found = asyncio.run(request_times.latencies(grown, query))

    stages = [each for each in asked if each[0] == f"{SERVER_TIMING}_bucket"]
    assert stages == [
        (f"{SERVER_TIMING}_bucket", (STABLE,), "live"),
        (f"{SERVER_TIMING}_bucket", (CANDIDATE,), "shadow"),
    ]
    assert {each.revision for each in found.spreads if each.of == "Predict"} == {CANDIDATE, STABLE}
