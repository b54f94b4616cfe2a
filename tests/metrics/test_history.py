"""The dispersion that a real Prometheus tells is that of the requests which were made up for it."""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from model_rollouts.decision import UNKNOWN, Dispersion, measure
from model_rollouts.metrics.errors import InputError
from model_rollouts.metrics.history import Block, History, blocks, both, joined
from model_rollouts.metrics.objectives import errors, latency, own_counters
from model_rollouts.prometheus.client import PrometheusClient, ServerOptions
from model_rollouts.prometheus.decode import AnswerError
from model_rollouts.prometheus.history import recent_rate, stable_dispersion
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


def added_bursts(one: Sequence[int], other: Sequence[int]) -> list[int]:
    return [n + m for n, m in zip(one, other, strict=True)]


def test_each_series_is_differenced_against_itself_before_the_sum() -> None:
    history = History(errors("errors"), "shop", ("m-1", "m-2"))

    text = history.total_text(15_000, 'pod=~"a|b"')

    now = (
        'envoy_http_downstream_rq_completed{namespace="shop",modelrollouts_revision=~"m-1|m-2",'
        'envoy_http_conn_manager_prefix="live",pod=~"a|b"}'
    )
    assert text.startswith(
        f"sum(({now} - {now} offset 15000ms >= 0) or ({now} <= ({now} offset 15000ms) / 2)) + sum("
    )


def test_what_is_taken_away_is_taken_away() -> None:
    history = History(latency("slow", [0.2, 0.3]), "shop", ("m-1",), level=1)

    text = history.bad_text(15_000, "")

    assert "+ -1 * sum((envoy_http_downstream_rq_time_bucket{" in text
    assert "299" in text
    assert "vector(0)" not in text, "a missing bucket is no proof that all were slow"


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
