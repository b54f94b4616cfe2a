"""Reading on from any watermark gives what never having stopped would have given."""

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollouts.metrics.counts import IntervalCounts
from model_rollouts.metrics.objectives import client_errors, errors, latency
from model_rollouts.metrics.pods import KnownPods, Pod
from model_rollouts.metrics.requests import Arm, MeasuredRollout
from model_rollouts.metrics.sources import Listener
from model_rollouts.metrics.watermark import Watermark
from tests.metrics.fake_prometheus import (
    BUCKET,
    CLASS,
    COMPLETED,
    GIVEN_UP,
    LOOKBACK,
    START,
    STEP,
    THROTTLED,
    TIMED,
    UPTIME,
    World,
    bads,
    count,
    rollout,
    run,
    totals,
)

LAST = 20
"""Seconds of samples."""

MEASURED = rollout(
    objectives=[errors("errors"), client_errors("refused"), latency("latency", [0.3, 0.38])],
    arms=[
        Arm("stable", "old", compared_with="new"),
        Arm("candidate", "new"),
        Arm("shadow", "new", Listener.SHADOW),
    ],
    pods=KnownPods(
        (
            Pod("a", "new", START + 3_000, START + 4_000),
            Pod("c", "old", START - 60_000, START - 60_000),
        ),
        gone=frozenset({"b"}),
        foreign=frozenset({"e"}),
    ),
    warmup_ms=2_000,
)

_times = st.lists(
    st.integers(-8_000, LAST * 1000).map(lambda ms: ms / 1000), max_size=14, unique=True
)
_values = st.one_of(
    st.integers(0, 12), st.integers(0, 400), st.sampled_from(["NaN", "+Inf", "-1", "2.5"])
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Any samples at all: falling, missing, twice, from two targets, not even counts."""
    world = World()
    for pod, revision in (("a", "new"), ("b", "new"), ("c", "old"), ("d", "new"), ("e", "old")):
        for job in draw(st.sampled_from([("one",), ("one", "two")])):
            times = draw(_times)
            for metric, labels in (
                (COMPLETED, {}),
                (GIVEN_UP, {}),
                (CLASS, {}),
                (THROTTLED, {}),
                (THROTTLED, {"envoy_response_code": "422"}),
                (TIMED, {}),
                (BUCKET, {"le": "299"}),
                (BUCKET, {"le": "379.0"}),
                (UPTIME, {}),
            ):
                if not draw(st.integers(0, 3)):
                    continue
                listener = draw(st.sampled_from(Listener))
                values = draw(st.lists(_values, min_size=len(times), max_size=len(times)))
                world.write(
                    metric,
                    list(zip(times, values, strict=True)),
                    revision=revision,
                    pod=pod,
                    job=job,
                    listener=listener,
                    more=labels,
                )
    return world


def _resumed(world: World, measured: MeasuredRollout, stop: int) -> list[IntervalCounts]:
    """What two operators count, the second from the stored watermark of the first."""
    before, watermark = run(world, measured, stop, ticks=range(1, stop))
    stored = json.dumps(watermark.to_json())

    after, _ = run(world, measured, LAST, since=Watermark.from_json(json.loads(stored)))

    return before + after


def _counts(records: list[IntervalCounts]) -> list[IntervalCounts]:
    """The records without what of stable is compared: that is exact in `services` only."""
    return [
        replace(each, arms={name: replace(arm, shared=None) for name, arm in each.arms.items()})
        for each in records
    ]


def _compared(records: list[IntervalCounts]) -> int:
    """How many requests of stable were handed out to be compared."""
    shares = [record.arms["stable"].shared or {} for record in records]
    return sum(each["errors"].tally.total for each in shares if "errors" in each)


@settings(max_examples=60, deadline=None)
@given(worlds(), st.data())
def test_from_any_watermark_the_same_intervals_follow(world: World, data: st.DataObject) -> None:
    whole = count(world, MEASURED, LAST)
    stop = data.draw(st.integers(0, LAST), label="stopped after")

    assert _counts(_resumed(world, MEASURED, stop)) == _counts(whole)


@st.composite
def services(draw: st.DrawFn) -> World:
    """Pods as services have them: one target each, restarts with a clock, two Prometheus servers.

    One of the servers is behind the other, so a counter may fall for a scrape.
    """
    world = World()
    for pod, revision in (("a", "new"), ("b", "new"), ("c", "old"), ("d", "old")):
        now = draw(st.integers(-8_000, -7_000))
        born = now - draw(st.integers(0, 60_000))
        counts = [0, 0, 0, 0]
        samples: list[tuple[float, float, list[int]]] = []
        while (now := now + draw(st.integers(900, LOOKBACK // 2 - STEP // 2))) < LAST * 1000:
            if draw(st.integers(0, 5)) == 5:
                born, counts = now - draw(st.integers(1, 800)), [0, 0, 0, 0]
            more, bad = draw(st.integers(0, 30)), draw(st.integers(0, 30))
            fast = draw(st.integers(0, more))
            grown = [more, min(more, bad), more, fast]
            counts = [old + new for old, new in zip(counts, grown, strict=True)]
            is_behind = len(samples) > 2 and not draw(st.integers(0, 5))
            shown = samples[-2][2] if is_behind and born <= samples[-2][0] * 1000 else counts
            samples.append((now / 1000, (now - born) / 1000, shown))
        for index, (metric, labels) in enumerate(
            ((COMPLETED, {}), (CLASS, {}), (TIMED, {}), (BUCKET, {"le": "299"}))
        ):
            values = [(at, found[index]) for at, _, found in samples]
            world.write(metric, values, revision=revision, pod=pod, more=labels)
        clock = [(at, round(uptime, 3)) for at, uptime, _ in samples]
        world.write(UPTIME, clock, revision=revision, pod=pod)
    return world


@settings(max_examples=30, deadline=None)
@given(services(), st.integers(0, LAST))
def test_what_is_compared_of_stable_follows_too_where_pods_are_scraped(
    world: World, stop: int
) -> None:
    # Of cold pods it does not: scrapes before the watermark may then be told as those of warm ones.
    measured = replace(MEASURED, warmup_ms=0)
    assert _resumed(world, measured, stop) == count(world, measured, LAST)


@pytest.mark.parametrize("stop", range(LAST))
def test_what_a_counter_fell_from_is_forgotten_before_what_it_adds_is_compared(stop: int) -> None:
    world = World()
    # It falls by less than half, and has no clock, so that may be another server that is behind.
    world.write(COMPLETED, {-1.2: 28, 0.1: 19, 1.9: 19, 2.9: 36, 4.6: 36}, pod="c", revision="old")
    # An interval ends at 4, and what was added at 2.9 is compared in part by then: up to 2.6.
    world.write(COMPLETED, {0.2: 0, 1.5: 0, 2.6: 0, 3.7: 0, 5.2: 0, 6.8: 0}, pod="a")
    world.write(COMPLETED, {0.3: 0, 1.7: 0, 3.3: 0, 4.9: 0, 6.2: 0}, pod="b")
    measured = replace(MEASURED, warmup_ms=0)

    whole = count(world, measured, LAST)

    assert _resumed(world, measured, stop) == whole
    assert _compared(whole) == 17


@pytest.mark.parametrize("stop", range(5, 10))
def test_what_comes_after_a_restart_and_is_older_is_compared_all_the_same(stop: int) -> None:
    prompt, late = World(), World()
    for world, seen in ((prompt, LAST), (late, 5)):
        world.write(COMPLETED, {second + 0.2: 0 for second in range(-4, LAST)}, pod="a")
        told = {second + 0.2: 100 + 10 * second for second in range(-4, seen)}
        world.write(COMPLETED, told, pod="c", revision="old")

    before, watermark = run(late, MEASURED, stop, ticks=range(1, stop))
    after, _ = run(prompt, MEASURED, LAST, since=watermark)

    assert _compared(before + after) == sum(totals(before + after, "stable"))


def test_a_process_that_is_forgotten_is_not_counted_again_while_an_interval_is_open() -> None:
    world = World()
    # It lacks its classes, so it waits for them, and the interval stays open for long.
    world.write(COMPLETED, {11: 15}, pod="a")
    world.write(CLASS, {}, pod="a")
    world.write(GIVEN_UP, {11: 12}, pod="c", revision="old")

    whole = count(world, MEASURED, LAST)

    assert sum(record.arms["stable"].pods for record in whole) == 1


@pytest.mark.parametrize("stop", range(LAST))
def test_a_scrape_that_waits_waits_on_after_a_restart(stop: int) -> None:
    world = World()
    world.write(COMPLETED, {1: 10, 4: 20, 8: 27, 12: 40, 15: 50}, pod="b")
    world.write(THROTTLED, {1: 1, 4: 2, 12: 5}, pod="b")
    assert _resumed(world, MEASURED, stop) == count(world, MEASURED, LAST)


def test_a_process_is_known_from_its_first_whole_scrape_on() -> None:
    world = World()
    # The first scrape is not all visible, so its 429s are not new in the second.
    world.write(COMPLETED, {1: 1000, 2: 1010, 3: 1020}, pod="b")
    world.write(GIVEN_UP, {2: 5, 3: 5}, pod="b")
    world.write(THROTTLED, {2: 100, 3: 101}, pod="b")

    records = count(world, MEASURED, 8)

    assert sum(bads(records)) == 1


def test_what_waited_is_counted_with_the_next_scrape_that_is_complete() -> None:
    world = World()
    # At 3 and 4 the series of 429s is not visible, and at 3 it never will be.
    world.write(COMPLETED, {1: 10, 2: 20, 3: 27, 4: 40, 5: 50}, pod="b")
    world.write(THROTTLED, {1: 1, 2: 2, 5: 7}, pod="b")

    records = count(world, MEASURED, 8)

    assert sum(totals(records)) == 40
    assert sum(bads(records)) == 6


@settings(max_examples=20, deadline=None)
@given(worlds(), st.lists(st.floats(0, LAST), max_size=6), st.randoms(use_true_random=False))
def test_ticks_order_of_answers_and_version_of_prometheus_do_not_matter(
    world: World, ticks: list[float], shuffle: random.Random
) -> None:
    whole = count(world, MEASURED, LAST)
    entries = list(world.series.items())
    shuffle.shuffle(entries)

    again, _ = run(World(dict(entries), left_open=True), MEASURED, LAST, ticks=sorted(ticks))

    assert again == whole


@pytest.mark.parametrize("order", [(COMPLETED, GIVEN_UP), (GIVEN_UP, COMPLETED)])
def test_of_totals_that_were_as_large_the_one_that_fell_most_tells_a_restart(
    order: tuple[str, str],
) -> None:
    world = World()
    for metric in order:
        world.write(metric, {0: 0, 3: 7, 8: 6 if metric == COMPLETED else 0}, pod="b")

    records = count(world, MEASURED, LAST)

    assert sum(record.arms["candidate"].resets for record in records) == 1


@settings(max_examples=20, deadline=None)
@given(worlds())
def test_bad_never_exceeds_total_and_levels_stay_in_order(world: World) -> None:
    for record in count(world, MEASURED, LAST):
        for arm in record.arms.values():
            for tally in arm.tallies.values():
                assert all(0 <= bad <= tally.total for bad in tally.bad)
