"""The dispersion that a real Prometheus tells is that of the requests which were made up for it."""

import asyncio
import itertools
import json
import random
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from model_rollouts.decision import UNKNOWN, Dispersion, measure
from model_rollouts.engine.past_metrics import PastMetrics
from model_rollouts.metrics.errors import InputError
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.history import MOST_NAMED, Block, History, blocks, both, joined
from model_rollouts.metrics.objectives import (
    CountedObjective,
    errors,
    latency,
    own_counters,
)
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.errors import AnswerError
from model_rollouts.prometheus.history import recent_rate, stable_dispersion
from model_rollouts.prometheus.server import ServerOptions
from model_rollouts.rollout import History as Told
from model_rollouts.rollout import HistoryQuery
from tests.metrics.exporter_pod import wait_until
from tests.metrics.past import page, serving
from tests.prometheus_server import Target, prometheus_server

BLOCK_MS = 15_000
HOUR_BLOCKS = 240


class Pod:
    """One pod's increments in each block, and the counters that they make."""

    def __init__(self, rng: random.Random, number: int, bursts: Sequence[int]) -> None:
        self.completed = [rng.randrange(180, 220) for _ in range(number)]
        self.reset = [int(rng.random() < 0.02) for _ in range(number)]
        self.errors = [int(rng.random() < 0.05) + burst for burst in bursts]
        self.throttled = [0] * number
        self.restarted_at: int | None = None

    def restart(self, index: int) -> None:
        """Its counters begin again from zero in block `index`."""
        self.restarted_at = index

    def counters(self) -> dict[str, list[float | None]]:
        def since_start(increments: list[int]) -> list[float | None]:
            first = self.restarted_at if self.restarted_at is not None else len(increments)
            return [
                *itertools.accumulate(increments[:first]),
                *itertools.accumulate(increments[first:]),
            ]

        throttled: list[float | None] = [
            value or None for value in itertools.accumulate(self.throttled)
        ]
        return {
            "completed": since_start(self.completed),
            "rx_reset": since_start(self.reset),
            "5xx": since_start(self.errors),
            "429": throttled,
        }

    def blocks(self) -> list[Block]:
        """What users got; the first block is not known, for nothing is before it."""
        rows = zip(self.completed, self.reset, self.errors, self.throttled, strict=True)
        return [
            (float(done + reset), float(bad + reset + throttled))
            for done, reset, bad, throttled in rows
        ][1:]


def added(one: list[Block], other: list[Block]) -> list[Block]:
    return [(n + m, d + e) for (n, d), (m, e) in zip(one, other, strict=True)]


@pytest.mark.prometheus
@pytest.mark.timeout(90)
def test_a_day_of_counters_gives_the_dispersion_of_its_requests(
    tmp_path: Path, any_prometheus: Path
) -> None:
    rng = random.Random(4)
    number = 7 * HOUR_BLOCKS
    # Outages that all pods share, and bursts of one alone.
    shared = [8 if rng.random() < 0.02 else 0 for _ in range(number)]
    own = [6 if rng.random() < 0.02 else 0 for _ in range(number)]
    pods = {
        "m-1-a": Pod(rng, number, added_bursts(shared, own)),
        "m-1-b": Pod(rng, number, shared),
        "m-1-c": Pod(rng, number, shared),
    }
    pods["m-1-a"].restart(1000)
    pods["m-1-b"].throttled[1200] = 40  # appears with its first: counted, because the pod was known

    end_ms = round(time.time() * 1000) // BLOCK_MS * BLOCK_MS
    times = [end_ms - (number - 1 - index) * BLOCK_MS - 8_000 for index in range(number)]
    body = page({name: pod.counters() for name, pod in pods.items()}, times)
    with (
        serving(body) as port,
        prometheus_server(
            any_prometheus,
            tmp_path,
            [Target(port, {})],
            "1s",
            honor_labels=True,
            backfill=True,
        ) as server,
    ):

        async def asked(revision: str, now_ms: int) -> Dispersion:
            async with PrometheusClient(ServerOptions(server.url)) as client:
                return await stable_dispersion(client.query_range, "shop", [revision], now_ms)

        async def lately(revisions: list[str], now_ms: int) -> float | None:
            async with PrometheusClient(ServerOptions(server.url)) as client:
                return await recent_rate(client.query_range, "shop", revisions, now_ms)

        async def newest() -> bytes:
            async with PrometheusClient(ServerOptions(server.url)) as client:
                text = "count(envoy_cluster_upstream_rq)"
                return await client.query_range(text, end_ms, end_ms, BLOCK_MS)

        wait_until(lambda: b'"1"' in asyncio.run(newest()), "the page being scraped")
        measured = asyncio.run(asked("m-1", end_ms + 5_000))
        a_while_ago = asyncio.run(asked("m-1", end_ms - 3 * 3_600_000))
        of_nobody = asyncio.run(asked("m-0", end_ms + 5_000))
        rate = asyncio.run(lately(["m-0", "m-1"], end_ms))
        just_begun_ms = times[0] + 3 * 60_000
        of_the_first_minutes = asyncio.run(lately(["m-1"], just_begun_ms))
        none_at_all = [asyncio.run(lately(names, end_ms)) for names in (["m-0"], [])]

    a, b, c = (pod.blocks() for pod in pods.values())
    expected = measure(added(added(a, b), c), (added(a, c), b))
    assert measured == expected
    assert measured.target > 5
    assert 1 < measured.stable < measured.target
    assert a_while_ago is UNKNOWN, "four hours are too few"
    assert of_nobody is UNKNOWN
    requests = sum(total for pod in pods.values() for total, _ in pod.blocks()[-120:])
    assert rate == pytest.approx(requests / 1_800, rel=0.02)
    # A service that is younger than half an hour is not taken for one with less traffic.
    assert of_the_first_minutes == pytest.approx(3 * 200 / 15, rel=0.05)
    assert none_at_all == [None, None]


@pytest.mark.prometheus
@pytest.mark.timeout(90)
def test_copies_count_once_and_the_pods_of_others_not_at_all(
    tmp_path: Path, any_prometheus: Path
) -> None:
    rng = random.Random(5)
    number = 7 * HOUR_BLOCKS
    shared = [8 if rng.random() < 0.02 else 0 for _ in range(number)]
    ours = {f"m-1-7d9f-{end}": Pod(rng, number, shared) for end in ("aaaaa", "bbbbb")}
    theirs = {"m-1-7d9f-zzzzz": Pod(rng, number, [90] * number)}
    end_ms = round(time.time() * 1000) // BLOCK_MS * BLOCK_MS
    times = [end_ms - (number - 1 - index) * BLOCK_MS - 8_000 for index in range(number)]
    counters = {name: pod.counters() for name, pod in {**ours, **theirs}.items()}
    # Two servers behind one store, and a second job that scrapes the same addresses.
    copies = (
        ',job="one",prometheus_replica="a"',
        ',job="one",prometheus_replica="b"',
        ',job="two",prometheus_replica="a"',
    )

    async def asked(url: str, pods: frozenset[str] | None) -> Told:
        async with PrometheusClient(ServerOptions(url)) as client:
            past = PastMetrics(client, Grid(), clock=lambda: end_ms / 1000)
            return await past.past("shop", HistoryQuery("m-2", ("m-1",), pods=pods))

    async def newest(url: str) -> bytes:
        async with PrometheusClient(ServerOptions(url)) as client:
            return await client.query_range(
                "count(envoy_http_downstream_rq_completed)", end_ms, end_ms, BLOCK_MS
            )

    with (
        serving(page(counters, times, copies)) as port,
        prometheus_server(
            any_prometheus, tmp_path, [Target(port, {})], "1s", honor_labels=True, backfill=True
        ) as server,
    ):
        everything = f'"{len(counters) * len(copies) * 2}"'.encode()
        wait_until(lambda: everything in asyncio.run(newest(server.url)), "the page being scraped")
        told = asyncio.run(asked(server.url, frozenset(ours)))
        nobody_knows = asyncio.run(asked(server.url, None))
        all_ours = asyncio.run(asked(server.url, frozenset(counters)))

    a, b = (pod.blocks() for pod in ours.values())
    (z,) = (pod.blocks() for pod in theirs.values())
    lately = [total for total, _ in added(a, b)[-120:]]
    assert told.dispersion == measure(added(a, b), (a, b))
    assert told.rate == pytest.approx(sum(lately) / 1_800, rel=0.02)
    for each in (nobody_knows, all_ours):
        assert each.dispersion == measure(added(added(a, b), z), (added(a, z), b))
        assert each.rate == pytest.approx(1.5 * sum(lately) / 1_800, rel=0.05)


@pytest.mark.prometheus
@pytest.mark.timeout(90)
def test_a_pod_that_ended_minutes_ago_is_not_taken_for_one_of_somebody_else(
    tmp_path: Path, any_prometheus: Path
) -> None:
    """Nobody may have told this operator of it, and a store may show it for five minutes."""
    rng = random.Random(6)
    number, ended = 7 * HOUR_BLOCKS, 10
    shared = [8 if rng.random() < 0.02 else 0 for _ in range(number)]
    pods = {name: Pod(rng, number, shared) for name in ("here", "gone")}
    counters: dict[str, dict[str, list[float | None]]] = {
        name: pod.counters() for name, pod in pods.items()
    }
    for values in counters["gone"].values():
        values[-ended:] = [None] * ended
    end_ms = round(time.time() * 1000) // BLOCK_MS * BLOCK_MS
    times = [end_ms - (number - 1 - index) * BLOCK_MS - 8_000 for index in range(number)]

    async def asked(url: str, known: frozenset[str] | None) -> Told:
        async with PrometheusClient(ServerOptions(url)) as client:
            past = PastMetrics(client, Grid(), clock=lambda: end_ms / 1000)
            return await past.past("shop", HistoryQuery("m-2", ("m-1",), pods=known))

    with (
        serving(page(counters, times)) as port,
        prometheus_server(
            any_prometheus, tmp_path, [Target(port, {})], "1s", honor_labels=True, backfill=True
        ) as server,
    ):

        def is_there() -> bool:
            return asyncio.run(asked(server.url, None)).rate is not None

        wait_until(is_there, "the page being scraped")
        told = asyncio.run(asked(server.url, frozenset({"here"})))
        nobody_knows = asyncio.run(asked(server.url, None))

    assert told == nobody_knows
    assert told.dispersion.target > 5


def added_bursts(one: Sequence[int], other: Sequence[int]) -> list[int]:
    return [n + m for n, m in zip(one, other, strict=True)]


def test_each_series_is_differenced_against_itself_before_the_sum() -> None:
    history = History(errors("errors"), "shop", ("m-1", "m-2"))

    text = history.total_text(15_000, 'pod=~"a|b"')

    series = (
        'envoy_http_downstream_rq_completed{namespace="shop",modelrollouts_revision=~"m-1|m-2",'
        'envoy_http_conn_manager_prefix="live",pod=~"a|b"}'
    )
    now, before = (
        f"max by (pod, instance) ({series}{offset})" for offset in ("", " offset 15000ms")
    )
    assert text.startswith(f"sum(({now} - {before} >= 0) or ({now} <= ({before}) / 2)) + sum(")


def test_names_of_pods_share_their_beginnings() -> None:
    history = History(
        errors("errors"),
        "shop",
        ("m-1",),
        pods=frozenset({"m-1-7d9f-aaaaa", "m-1-7d9f-bbbbb", "m-2-1c-ccccc", "odd.name"}),
    )

    assert 'pod=~"m-1-7d9f-(aaaaa|bbbbb)|m-2-1c-ccccc|odd\\\\.name"}' in history.pods_text()


@pytest.mark.parametrize(
    "objective",
    [
        errors("errors"),
        latency("slow", [0.2]),
        own_counters("own", bad="requests_failed_total", total="requests_total"),
    ],
    ids=lambda each: str(each.name),
)
def test_a_query_that_names_pods_is_one_that_victoriametrics_takes(
    objective: CountedObjective,
) -> None:
    revision = f"{'m' * 30}-0123456789"
    pods = frozenset(f"{revision}-7c9d8f6b5-{n:05}" for n in range(MOST_NAMED))
    history = History(objective, "a" * 63, (revision,), pods=pods)
    hundreds = {f"{revision}-7c9d8f6b5-{n:05}": 24 for n in range(900)}

    for asked, seen in (
        (history, dict.fromkeys(pods, 24)),
        (replace(history, pods=None), hundreds),
    ):
        for half in asked.halves(seen) or ():
            assert len(asked.total_text(15_000, half)) < 16 * 1024
            assert len(asked.bad_text(15_000, half)) < 16 * 1024


class Answering:
    """A Prometheus that has pods of ours and one of somebody else, each with a request a second."""

    def __init__(self, ours: int) -> None:
        self.names = [f"m-1-7c9d-{n:05}" for n in range(ours)]

    async def query_range(
        self, text: str, start_ms: int, end_ms: int, step_ms: int, namespace: str = ""
    ) -> bytes:
        """The pods, or the sum over those that the query names."""
        asked = re.search(r'pod=~"([^"]*)"', text)
        names = [*self.names, "m-1-7c9d-other"]
        if asked is not None:
            names = [name for name in names if re.fullmatch(asked.group(1), name)]
        if text.startswith("count by"):
            found = [{"metric": {"pod": name}, "values": [[end_ms / 1000, "1"]]} for name in names]
        else:
            values = [[end_ms / 1000, str(60 * len(names))]]
            found = [{"metric": {}, "values": values}]
        return json.dumps(
            {"status": "success", "data": {"resultType": "matrix", "result": found}}
        ).encode()


@pytest.mark.parametrize("ours", [1, 64, 192])
def test_pods_that_do_not_fit_into_a_query_are_taken_for_alike(ours: int) -> None:
    store = Answering(ours)
    past = PastMetrics(cast(PrometheusClient, store), Grid(), clock=lambda: 1_763_820_000.0)

    told = asyncio.run(past.past("shop", HistoryQuery(None, ("m-1",), pods=frozenset(store.names))))
    unknown = asyncio.run(past.past("shop", HistoryQuery(None, ("m-1",))))

    assert told.rate == pytest.approx(ours)
    assert unknown.rate == pytest.approx(ours + 1)


def test_copies_of_own_counters_differ_in_labels_of_the_target_alone() -> None:
    history = History(own_counters("own", bad="bad_total", total="all_total"), "shop", ("m-1",))

    text = history.total_text(15_000, "")

    told_apart = "cluster, container, endpoint, job, node, prometheus, prometheus_replica, replica"
    assert text.startswith(f"sum((max without ({told_apart}, service) (all_total{{")


def test_what_is_taken_away_is_taken_away() -> None:
    history = History(latency("slow", [0.2, 0.3]), "shop", ("m-1",), level=1)

    text = history.bad_text(15_000, "")

    assert "+ -1 * sum((max by (pod, instance) (envoy_http_downstream_rq_time_bucket{" in text
    assert "299" in text
    buckets = text.partition("_bucket{")[2]
    assert "vector(0)" not in buckets, "a missing bucket is no proof that all were slow"


def test_own_errors_that_never_were_are_none() -> None:
    history = History(own_counters("own", bad="bad_total", total="all_total"), "shop", ("m-1",))

    assert history.bad_text(15_000, "").endswith(" or vector(0))")
    assert "vector(0)" not in history.total_text(15_000, ""), "no total is no data"


@pytest.mark.parametrize(
    ("seen", "first"),
    [
        ({"": 24}, None),
        ({}, None),
        ({"a": 24, "b": 24}, "a"),
        ({"a": 3, "b": 24, "c": 20, "d.1": 2}, "a|b"),
        ({f"p{n}": 1 for n in range(5)}, "p0|p2|p4"),
    ],
)
def test_halves_take_turns_by_how_long_a_pod_was_there(
    seen: dict[str, int], first: str | None
) -> None:
    halves = History(errors("errors"), "shop", ("m-1",)).halves(seen)

    assert halves == (first and (f'pod=~"{first}"', f'pod!~"{first}"'))


def test_a_time_without_total_or_bad_is_no_block_and_bad_ones_are_cut() -> None:
    total = [(15.0, "10"), (30.0, "4"), (45.0, "3"), (75.0, "0")]
    bad = [(15.0, "1"), (30.0, "5"), (60.0, "2"), (75.0, "0")]

    assert blocks(total, bad) == {15.0: (10, 1), 30.0: (4, 4), 75.0: (0, 0)}


def test_halves_are_compared_where_both_had_requests() -> None:
    first = {15.0: (10.0, 1.0), 30.0: (10.0, 0.0), 45.0: (0.0, 0.0)}
    second = {30.0: (5.0, 2.0), 45.0: (5.0, 0.0), 60.0: (5.0, 1.0)}

    assert joined(first, second) == [(10, 1), (15, 2), (5, 0), (5, 1)]
    assert both(first, second) == ([(10, 0)], [(5, 2)])


def recorded(
    answer: str, asked: list[tuple[str, int, int, int]]
) -> Callable[..., Awaitable[bytes]]:
    async def ask(text: str, start_ms: int, end_ms: int, step_ms: int) -> bytes:
        asked.append((text, start_ms, end_ms, step_ms))
        return answer.encode()

    return ask


@pytest.mark.parametrize(("scrape_ms", "block_ms"), [(5_000, 15_000), (30_000, 30_000)])
def test_blocks_follow_each_other_and_none_is_asked_twice(scrape_ms: int, block_ms: int) -> None:
    asked: list[tuple[str, int, int, int]] = []
    one = '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[]}]}}'
    now_ms = 1_763_820_007_123

    result = asyncio.run(
        stable_dispersion(recorded(one, asked), "shop", ["m-1"], now_ms, scrape_ms=scrape_ms)
    )

    totals = [each for each in asked[1:] if "xx" not in each[0]]
    times = [at for _, begin, end, step in totals for at in range(begin, end + 1, step)]
    assert result is UNKNOWN
    assert {each[3] for each in asked[1:]} == {block_ms}
    assert [b - a for a, b in itertools.pairwise(times)] == [block_ms] * (
        86_400_000 // block_ms - 1
    )
    assert all(at % block_ms == 0 for at in times)
    assert now_ms - scrape_ms - block_ms < times[-1] <= now_ms - scrape_ms


def test_two_series_where_a_sum_gives_one_are_refused() -> None:
    series = '{"metric":{},"values":[]}'
    two = f'{{"status":"success","data":{{"resultType":"matrix","result":[{series},{series}]}}}}'

    with pytest.raises(AnswerError, match="found 2 series"):
        asyncio.run(stable_dispersion(recorded(two, []), "shop", ["m-1"], 1_763_820_000_000))


def test_a_level_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="history, level: found 2, write 0 to 1"):
        History(latency("slow", [0.2, 0.3]), "shop", ("m-1",), level=2)
    with pytest.raises(InputError, match="at least one revision"):
        History(errors("errors"), "shop", ())
