"""The PromQL that is asked: escaping, edges in any spelling, one query for everything, chunks."""

import math
import re
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model_rollouts.metrics.answers import Failed
from model_rollouts.metrics.batching import Batching, Query
from model_rollouts.metrics.counts import Counted, Unavailable
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.histogram_edges import edge_of, spellings
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import (
    COMPLETED,
    SERVER_ERRORS,
    THROTTLED,
    WITHIN,
    CountedObjective,
    Template,
    errors,
    latency,
    own_counters,
)
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.selector import range_selector, snapshot_selector
from model_rollouts.metrics.series import LabelNames
from model_rollouts.metrics.slots import Slots
from model_rollouts.metrics.sources import MODEL_SERVER, PROXY, Counter, Listener
from model_rollouts.metrics.watermark import Watermark
from tests.metrics.fake_prometheus import GRID, LOOKBACK, START, STEP, World

_LIVE = {"envoy_http_conn_manager_prefix": "live"}
_CODE, _CLASS = "envoy_response_code", "envoy_response_code_class"


@pytest.mark.parametrize(
    "label",
    ["0.3", "0.30", ".3", "00.300", "3e-01", "3.0e-1", "3E-01", "+0.3"],
)
def test_spellings_of_a_fraction(label: str) -> None:
    assert re.fullmatch(spellings(0.3), label)
    assert edge_of(label) == 0.3


@pytest.mark.parametrize(
    ("label", "edge"),
    [
        ("0.30000000000000004", 0.3),
        ("0.8999999999999999", 0.9),
        ("0.9999999999999999", 1.0),
        ("10000.799999999999", 10000.8),
        ("2.9999999999999996e-01", 0.3),
    ],
)
def test_a_sum_that_is_not_exact_is_the_edge_it_means(label: str, edge: float) -> None:
    """As client libraries write the edges that they have computed."""
    assert edge_of(label) == edge
    assert re.fullmatch(spellings(edge), label)


# In twelve decimals it is 10000.799999999999.
@example(10000.8)
@given(st.floats(1e-6, 1e9, allow_subnormal=False))
def test_every_usual_spelling_is_asked_for(edge: float) -> None:
    edge = float(f"{edge:.6g}")
    for label in (repr(edge), f"{edge:g}", f"{edge:e}", f"{edge:.12f}", f"{edge:.3E}"):
        if edge_of(label) == edge:
            assert re.fullmatch(spellings(edge), label), label


@pytest.mark.parametrize("label", ["3", "0.03", "0.31", "30", "+Inf", "3e-02", "10.3"])
def test_other_edges_are_not_asked_for(label: str) -> None:
    assert not re.fullmatch(spellings(0.3), label)


@pytest.mark.parametrize(
    ("label", "edge"), [("+Inf", math.inf), ("300.0", 300.0), ("NaN", None), ("", None)]
)
def test_labels_are_read_as_numbers(label: str, edge: float | None) -> None:
    assert edge_of(label) == edge


def test_a_selector_is_raw_and_escaped() -> None:
    template = Template(PROXY, WITHIN, Listener.LIVE, 300.0)

    text = range_selector(
        template, ["shop"], ["b.c", "a"], 15_000, LabelNames(), [("cluster", 'x"y\\z')]
    )

    assert text == (
        'envoy_http_downstream_rq_time_bucket{namespace="shop",modelrollouts_revision=~"a|b\\\\.c",'
        'envoy_http_conn_manager_prefix="live",cluster="x\\"y\\\\z",'
        r'le=~"\\+?0*(?:300(?:\\.0*)?|3(?:\\.0*)?[eE]\\+?0*2'
        r"|300\\.000000000\\d+|3\\.00000000000\\d+[eE]\\+?0*2"
        r'|299\\.999999999\\d+|2\\.99999999999\\d+[eE]\\+?0*2)"}[15000ms]'
    )


def test_label_names_are_the_administrators() -> None:
    names = LabelNames(namespace="exported_namespace", pod="exported_pod")

    text = range_selector(Template(PROXY, COMPLETED), ["shop"], ["a"], 1_000, names)

    assert 'exported_namespace="shop"' in text


def _many(number: int, objectives: tuple[CountedObjective, ...]) -> list[Request]:
    return [
        Request(
            MeasuredRollout(
                key=f"shop/{n}",
                namespace="shop",
                arms=(Arm("stable", f"m{n}-1"), Arm("candidate", f"m{n}-2")),
                objectives=objectives,
                started_ms=START,
                warmup_ms=0,
            )
        )
        for n in range(number)
    ]


LARGE = Batching(answer_bytes=2**25)


def _edges(queries: Iterable[Query]) -> list[tuple[set[float], int]]:
    return [
        ({each.edge for each in query.templates if each.edge is not None}, len(query.keys))
        for query in queries
    ]


def test_one_query_for_everything_however_many_rollouts_ask() -> None:
    requests = _many(150, (errors("errors"), latency("latency", [0.3])))

    (query,) = Intake(GRID, LARGE).plan(requests, START + 3 * STEP).queries

    assert (len(query.templates), len(query.keys)) == (9, 150)
    assert query.text.startswith('{__name__=~"envoy_cluster_grpc|envoy_cluster_sessions_upstream_')


def test_rollouts_with_equal_objectives_share_the_sums_of_their_layout() -> None:
    one, other = (Slots(each.rollout) for each in _many(2, (errors("errors"),)))

    for ours, theirs in zip(one.arms, other.arms, strict=True):
        assert ours.revision != theirs.revision
        assert all(a is b for a, b in zip(ours.objectives, theirs.objectives, strict=True))
    assert one.by_source[0][0] is other.by_source[0][0]


def test_each_source_is_asked_on_its_own() -> None:
    own = own_counters("own", bad="wrong_total", total="answers_total")

    queries = Intake(GRID).plan(_many(3, (errors("errors"), own)), START + 3 * STEP).queries

    assert sorted(len({each.source for each in query.templates}) for query in queries) == [1, 1]
    assert '{__name__=~"answers_total|process_start_time_seconds|wrong_total",' in {
        query.text[: len('{__name__=~"answers_total|process_start_time_seconds|wrong_total",')]
        for query in queries
    }


def test_few_rollouts_with_other_edges_share_a_query() -> None:
    requests = [
        *_many(3, (latency("latency", [0.3]),))[:2],
        *_many(3, (latency("latency", [0.5]),))[2:],
    ]

    queries = Intake(GRID).plan(requests, START + 3 * STEP).queries

    assert _edges(queries) == [({299.0, 499.0}, 3)]


def test_what_many_rollouts_with_other_edges_read_of_each_other_is_bounded() -> None:
    many = latency("latency", [n / 1000 for n in range(100, 1_000, 10)])
    requests = [
        Request(replace(each.rollout, objectives=(latency("latency", [0.3]) if n % 8 else many,)))
        for n, each in enumerate(_many(64, (errors("errors"),)))
    ]

    queries = Intake(GRID, LARGE).plan(requests, START + 3 * STEP).queries

    read = sum(len(query.keys) * len(query.templates) for query in queries)
    needed = 8 * 96 + 56 * 7
    assert needed < read <= 2 * needed
    assert 1 < len(queries) < 8


def test_large_answers_are_split_and_no_rollout_is_in_two_parts() -> None:
    intake = Intake(GRID, Batching(answer_bytes=2**16))

    queries = intake.plan(_many(200, (errors("errors"),)), START + 3 * STEP).queries

    keys = [key for query in queries for key in query.keys]
    assert len(queries) > 1
    assert len(keys) == len(set(keys)) == 200


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        ({}, False),
        ({"__name__": "envoy_server_uptime"}, True),
        ({"__name__": COMPLETED.metric, "envoy_http_conn_manager_prefix": "live"}, True),
        ({"__name__": COMPLETED.metric, "envoy_http_conn_manager_prefix": "admin"}, False),
        ({"__name__": THROTTLED.metric, "envoy_cluster_name": "live", _CODE: "429"}, True),
        ({"__name__": THROTTLED.metric, "envoy_cluster_name": "live", _CODE: "200"}, False),
        ({"__name__": WITHIN.metric, **_LIVE, "le": "299.0"}, True),
        ({"__name__": WITHIN.metric, **_LIVE, "le": "379"}, False),
        ({"__name__": SERVER_ERRORS.metric, **_LIVE, _CLASS: "5"}, True),
        ({"__name__": SERVER_ERRORS.metric, **_LIVE, _CLASS: "2"}, False),
    ],
)
def test_one_selector_finds_all_that_is_needed_and_little_else(
    labels: dict[str, str], wanted: bool
) -> None:
    rollout = _many(1, (errors("errors"), latency("latency", [0.3])))
    (query,) = Intake(GRID).plan(rollout, START + 3 * STEP).queries
    matchers = re.findall(r'(\w+)(=~|=)"((?:[^"\\]|\\.)*)"', query.text)
    pod = {"namespace": "shop", "modelrollouts_revision": "m0-1", **labels}

    found = all(
        re.fullmatch(value.replace("\\\\", "\\"), pod.get(label, ""))
        for label, _, value in matchers
    )

    assert len(matchers) >= 6
    assert found is wanted


def test_labels_of_own_counters_are_asked_only_where_all_fix_them() -> None:
    """A total without a matcher has series with any code, which none of it may hide."""
    every = Template(MODEL_SERVER, Counter("answers_total"))
    bad = Template(MODEL_SERVER, Counter("answers_total", (("code", "500"),)))
    other = Template(MODEL_SERVER, Counter("failures_total", (("code", "500"),)))

    texts = [
        snapshot_selector(each, ["shop"], ["a"], 1_000, LabelNames())
        for each in ([every, bad], [every, other], [bad, other])
    ]

    assert ["code" in text for text in texts] == [False, False, True]


def test_the_first_query_reads_a_lookback_and_the_next_only_what_is_new() -> None:
    intake = Intake(GRID)
    world = World()
    for revision in ("m0-1", "m0-2"):
        world.write(COMPLETED.metric, {-1: 5, 0: 6, 1: 7}, revision=revision, pod=revision)
    (request,) = _many(1, (errors("errors"),))

    first = intake.plan([request], START + 2 * STEP)
    oldest = {q.at_ms - int(q.text.rpartition("[")[2][:-3]) for q in first.queries}
    result = intake.advance(first, [world.answer(q) for q in first.queries])["shop/0"]
    assert isinstance(result, Counted)
    second = intake.plan([Request(request.rollout, result.watermark)], START + 3 * STEP)

    assert max(oldest) <= START - LOOKBACK
    assert {(q.at_ms, q.text.rpartition("[")[2]) for q in second.queries} == {
        (START + 2 * STEP, f"{STEP}ms]")
    }


def test_catching_up_goes_in_bounded_steps() -> None:
    intake = Intake(GRID)
    (request,) = _many(1, (errors("errors"),))
    now = START + 200 * STEP
    steps, since = 0, None
    while True:
        tick = intake.plan([Request(request.rollout, since)], now)
        result = intake.advance(tick, [[] for _ in tick.queries])["shop/0"]
        assert isinstance(result, Counted)
        assert len(result.intervals) <= 60
        since, steps = result.watermark, steps + 1
        if not result.behind:
            break

    assert since == Watermark(now - STEP)
    assert steps == 4


def test_a_restart_with_many_rollouts_reads_them_in_portions() -> None:
    intake = Intake(Grid(1_000, 300_000))
    requests = _many(200, (errors("errors"),))

    tick = intake.plan(requests, START + 30_000)
    results = intake.advance(tick, [[] for _ in tick.queries])

    counted = [each for each in results.values() if isinstance(each, Counted)]
    moved = [each for each in counted if each.intervals]
    assert 0 < len(moved) < 200
    assert len(counted) == 200
    assert all(each.behind for each in counted)


def test_a_failed_query_moves_nobody_and_loses_nothing() -> None:
    intake = Intake(GRID)
    world = World()
    world.write(COMPLETED.metric, {-0.5: 1, 0.5: 4, 1.5: 9}, revision="m0-2")
    requests = _many(2, (errors("errors"),))
    tick = intake.plan(requests, START + 2 * STEP)
    answers = [world.answer(query) for query in tick.queries]

    failed = intake.advance(tick, [*answers[:-1], Failed("no answer within 10 s")])
    again = intake.plan(requests, START + 3 * STEP)
    results = intake.advance(again, [world.answer(query) for query in again.queries])

    assert all(isinstance(each, Unavailable) for each in failed.values())
    result = results["shop/0"]
    assert isinstance(result, Counted)
    assert [each.arms["candidate"].tallies["errors"].total for each in result.intervals] == [3, 5]


def test_an_answer_is_only_for_the_rollouts_that_its_query_was_for() -> None:
    intake = Intake(GRID, Batching(answer_bytes=2**16))
    world = World()
    world.write(COMPLETED.metric, {-0.5: 1, 0.5: 4}, revision="m0-2")
    requests = _many(200, (errors("errors"),))
    tick = intake.plan(requests, START + 2 * STEP)

    answers = [world.answer(query) if "shop/0" not in query.keys else [] for query in tick.queries]
    result = intake.advance(tick, answers)["shop/0"]

    assert isinstance(result, Counted)
    assert {each.arms["candidate"].tallies["errors"].total for each in result.intervals} == {0}


def test_changed_objectives_are_read_again_from_the_watermark() -> None:
    intake = Intake(GRID)
    world = World()
    for metric in ("envoy_http_downstream_rq_completed", "envoy_http_downstream_rq_time_count"):
        world.write(metric, {-0.5: 100, 0.5: 104, 1.5: 109}, revision="m0-2")
    (before,) = _many(1, (errors("errors"),))
    (after,) = _many(1, (errors("errors"), latency("latency", [0.3])))
    tick = intake.plan([before], START + 2 * STEP)
    first = intake.advance(tick, [world.answer(query) for query in tick.queries])["shop/0"]
    assert isinstance(first, Counted)

    tick = intake.plan([Request(after.rollout, first.watermark)], START + 3 * STEP)
    second = intake.advance(tick, [world.answer(query) for query in tick.queries])["shop/0"]

    assert isinstance(second, Counted)
    (interval,) = second.intervals
    assert interval.arms["candidate"].tallies["latency"].total == 5
