"""Samples as production has them: late, in parts, from two servers in turn, seldom."""

import json
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from model_rollouts.metrics.findings import Reason
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.requests import Request
from model_rollouts.metrics.watermark import Watermark
from tests.metrics.disturbed import (
    LOOKBACK_S,
    MEASURED,
    PODS,
    START_S,
    STEP_S,
    Disturbed,
    Lag,
    Operator,
    Pod,
)

UNTIL_S = 300
CANDIDATE_POD = PODS[2]


def _late(seconds: float) -> Lag:
    return lambda dice, name: seconds


def _scattered(seconds: float) -> Lag:
    """Each series of each scrape is seen at a moment of its own, as remote write ships them."""
    return lambda dice, name: dice.uniform(0, seconds)


def _turns(seed: int) -> Callable[[int], int]:
    return lambda tick: random.Random(f"{seed}/{tick}").randrange(2)


WORLDS = {
    "clean": (Disturbed(), 0.0, None),
    **{f"all late by {s} s": (Disturbed(lag=_late(s)), 0.0, None) for s in (1, 2, 8)},
    **{f"scattered over {s} s": (Disturbed(lag=_scattered(s)), 0.0, None) for s in (1, 2, 8)},
    **{f"clock ahead by {s} s": (Disturbed(), s, None) for s in (1.0, 4.0, 12.0)},
    "two replicas": (Disturbed(replicas=2), 0.0, 1),
    "two replicas, the other": (Disturbed(replicas=2), 0.0, 2),
    "one replica 7 s behind": (Disturbed(replicas=2, behind_s=(0.0, 7.0)), 0.0, 3),
    **{f"scraped every {s} s": (Disturbed(every_s=s), 0.0, None) for s in (1, 7, 10, 15, 30, 60)},
    "every 15 s, scattered": (Disturbed(every_s=15, lag=_scattered(4)), 0.0, None),
    "every 30 s, two replicas": (Disturbed(every_s=30, replicas=2), 0.0, 4),
}


def _operator(name: str) -> Operator:
    world, ahead, turns = WORLDS[name]
    return Operator(world, ahead, (lambda tick: 0) if turns is None else _turns(turns))


@pytest.mark.parametrize("name", WORLDS)
def test_healthy_pods_are_counted_whole_and_never_as_slow(name: str) -> None:
    operator = _operator(name)

    operator.run(0, UNTIL_S)

    every_s = operator.world.every_s
    assert (operator.bad("candidate"), operator.bad("stable")) == (0, 0)
    assert (operator.bad("candidate", "latency"), operator.bad("stable", "latency")) == (0, 0)
    assert operator.total("candidate") == operator.total("candidate", "latency")
    assert operator.total("stable") == operator.total("stable", "latency")
    assert operator.world.is_exact(
        operator.total("candidate"), CANDIDATE_POD, UNTIL_S - 2 * every_s - 25
    )
    for arm in ("candidate", "stable"):
        assert operator.judged(arm, after_s=90) >= 0.9


@pytest.mark.parametrize("name", WORLDS)
def test_the_scrape_interval_is_measured(name: str) -> None:
    operator = _operator(name)

    operator.run(0, UNTIL_S)

    assert operator.last is not None
    assert operator.last.scraped_every_ms is not None
    every_ms = 1000 * operator.world.every_s
    tolerance = 0.6 if operator.world.replicas > 1 else 0.05
    assert abs(operator.last.scraped_every_ms - every_ms) <= tolerance * every_ms


@pytest.mark.parametrize("every_s", [5, 10, 15, 30, 60])
def test_as_many_intervals_are_told_as_there_are_scrapes(every_s: int) -> None:
    operator = Operator(Disturbed(every_s=every_s))

    operator.run(0, UNTIL_S)

    assert UNTIL_S / every_s - 2 <= len(operator.records) <= UNTIL_S / every_s + 1
    # Each of them has both arms: none is held, and nothing has to be told.
    assert {each.reason for record in operator.records[1:] for each in record.findings} == set()


def test_what_is_late_is_waited_for_and_then_not_any_more() -> None:
    late = Operator(Disturbed(lag=_late(3.0)))
    late.run(0, 100)
    assert late.last is not None
    waited = late.last.delay_ms

    improves = Operator(Disturbed(lag=lambda dice, name: 0.0), since=late.since)
    improves.run(100, 500)

    assert 2_000 <= waited <= 8_000
    assert improves.last is not None and improves.last.delay_ms == 0


def test_clean_samples_are_told_as_soon_as_they_are_read() -> None:
    operator = Operator(Disturbed())

    operator.run(0, 100)

    assert operator.last is not None and operator.last.delay_ms == 0
    assert operator.told_at == [5.5 + 5 * n for n in range(20)]
    assert [each.end_ms - each.start_ms for each in operator.records] == [5_000] * 20


def test_a_histogram_without_buckets_is_told_and_counts_nothing() -> None:
    bucket = "envoy_http_downstream_rq_time_bucket"
    operator = Operator(Disturbed(dropped=frozenset({bucket}), pods=(*PODS, BAD)))

    operator.run(0, 100)

    assert operator.total("candidate", "latency") == 0
    assert operator.bad("candidate") > 0, "errors have all their series"
    found = [each for each in operator.records[-1].findings if each.arm == "candidate"]
    assert {each.reason for each in found} == {Reason.SERIES_MISSING}
    assert bucket in found[0].message and "latency" in found[0].message


BAD = Pod("c2", "new", 2.2, 5.0, bad=0.5)


@pytest.mark.parametrize("name", [each for each in WORLDS if "replica" not in each])
def test_from_any_watermark_nothing_is_lost_and_nothing_counted_twice(name: str) -> None:
    for stop_s in (40, 100, 145):
        before = _operator(name)
        before.run(0, stop_s)
        assert before.since is not None
        stored = json.loads(json.dumps(before.since.to_json()))
        after = _operator(name)
        after.since = Watermark.from_json(stored)

        after.run(stop_s, UNTIL_S)

        total = before.total("candidate") + after.total("candidate")
        until_s = UNTIL_S - 2 * before.world.every_s - 25
        assert before.world.is_exact(total, CANDIDATE_POD, until_s), stop_s
        assert before.bad("candidate", "latency") + after.bad("candidate", "latency") == 0


def test_a_new_pod_of_which_no_scrape_is_complete_is_counted_for_what_it_has() -> None:
    """It has no scrape that counted to begin from, so what waits is read again."""
    class_5 = "envoy_http_downstream_rq_rx_reset"
    world = Disturbed(dropped=frozenset({class_5}))
    for _, samples in world._seen[0]:
        samples[:] = [each for each in samples if each[0] > 60]
    operator = Operator(world)

    operator.run(0, 200)

    found = operator.records[-1].findings
    assert {each.reason for each in found} == {Reason.SERIES_MISSING}
    assert operator.records[-1].arms["candidate"].pods == 1


@pytest.mark.parametrize("lag", [_late(8.0), _scattered(8.0)])
def test_pods_that_nothing_is_known_of_are_seen_however_late_their_samples_are(lag: Lag) -> None:
    """No process has a cursor yet to read back to; what is read anew is never visible yet."""
    world = Disturbed(lag=lag)
    for _, samples in world._seen[0]:
        samples[:] = [each for each in samples if each[0] > 0]
    operator = Operator(world)

    operator.run(0, UNTIL_S)

    assert operator.total("candidate") > 0
    assert operator.judged("candidate", after_s=90) >= 0.9
    assert operator.bad("candidate", "latency") == 0


@pytest.mark.parametrize(("pause_s", "left"), [(0, 1.0), (60, 0.7), (3_600, 0.0)])
def test_a_delay_is_forgotten_while_no_rollout_is_counted(pause_s: int, left: float) -> None:
    """As in so many punctual readings: after a short pause it is taken to be late as before."""
    intake = Intake(Grid(STEP_S * 1000, LOOKBACK_S * 1000))
    operator = Operator(Disturbed(lag=_late(3.0)))
    operator.run(0, 100, intake)
    assert operator.last is not None
    waited = operator.last.delay_ms

    begins_ms = round(1000 * (START_S + 100 + 2 * STEP_S + pause_s))
    other = replace(MEASURED, key="shop/other", started_ms=begins_ms)
    intake.plan([Request(other, None)], begins_ms)

    assert intake._counters[other.key].lateness.delay_ms == pytest.approx(
        left * waited, abs=0.1 * waited
    )
