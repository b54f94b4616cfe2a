"""The PromQL that is asked: escaping, edges in any spelling, one query per template, chunks."""

import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.counts import Counted, Unavailable
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.histogram_edges import edge_of, spellings
from model_rollouts.metrics.intake import Failed, Intake
from model_rollouts.metrics.objectives import (
    COMPLETED,
    WITHIN,
    CountedObjective,
    Template,
    errors,
    latency,
)
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.selector import range_selector
from model_rollouts.metrics.series import LabelNames
from model_rollouts.metrics.sources import PROXY, Listener
from model_rollouts.metrics.watermark import Watermark
from tests.metrics.fake_prometheus import GRID, LOOKBACK, START, STEP, World


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
            )
        )
        for n in range(number)
    ]


def test_one_query_per_template_however_many_rollouts_ask() -> None:
    one = (errors("errors"), latency("latency", [0.3]))
    requests = _many(150, one)

    queries = Intake(GRID).plan(requests, START + 3 * STEP).queries

    assert len(queries) == len({query.template for query in queries}) == 7
    assert all(len(query.keys) == 150 for query in queries)


def test_an_edge_is_asked_only_for_those_who_use_it() -> None:
    requests = [
        *_many(3, (latency("latency", [0.3]),))[:2],
        *_many(3, (latency("latency", [0.5]),))[2:],
    ]

    queries = Intake(GRID).plan(requests, START + 3 * STEP).queries

    assert {q.template.edge: len(q.keys) for q in queries if q.template.edge} == {
        299.0: 2,
        499.0: 1,
    }


def test_large_answers_are_split_and_no_rollout_is_in_two_parts() -> None:
    intake = Intake(GRID, Batching(answer_bytes=2**16))

    queries = intake.plan(_many(200, (errors("errors"),)), START + 3 * STEP).queries

    by_template: dict[Template, list[str]] = {}
    for query in queries:
        by_template.setdefault(query.template, []).extend(query.keys)
    assert len(queries) > len(by_template)
    assert all(sorted(keys) == sorted(set(keys)) for keys in by_template.values())
    assert all(len(keys) == 200 for keys in by_template.values())


def test_the_first_query_reads_a_lookback_and_the_next_only_what_is_new() -> None:
    intake = Intake(GRID)
    world = World()
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
