"""What users get of the version that serves, for as long as it serves."""

from dataclasses import replace
from typing import Any

import pytest

from model_rollouts.decision import BurnBlock
from model_rollouts.metrics.counts import ArmCounts, IntervalCounts, Tally
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.rollout.memory import Service
from model_rollouts.rollout.trial import error_budget, service
from model_rollouts.rollout.trial.samples import STABLE, Counting
from model_rollouts.rollout.trial.trial import trial_rules
from tests.rollout.made_up import STARTED_MS, V3, finding, spec

MINUTE = 60_000
ERRORS = {"name": "errors", "type": "Availability", "availability": {"target": "99%"}}
LATENCY = {"name": "latency", "type": "Latency", "latency": {"within": "300ms", "share": "99%"}}


def fresh(*objectives: dict[str, Any]) -> Service:
    """A version that nothing was counted of."""
    rules = trial_rules(spec({"spec.objectives": list(objectives) or [ERRORS]}), baseline=False)
    return Service(V3, 7, service.promises(rules))


def after(
    known: Service,
    *minutes: tuple[int, int],
    step_ms: int = MINUTE,
    pods: int = 1,
    found: tuple[Finding, ...] = (),
) -> Service:
    """The service after intervals with so many requests and failures."""
    for total, bad in minutes:
        start_ms = known.until_ms or STARTED_MS
        sums = Counting(known.promises).counted()
        tallies = {each.name: Tally(total, (bad,) * len(each.bad)) for each in sums}
        arm = ArmCounts(tallies, pods, 0)
        record = IntervalCounts(start_ms, start_ms + step_ms, {STABLE: arm}, found)
        known = service.counted(known, record, STABLE, known.promises)
    return known


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        pytest.param([(100, 100)], True, id="nothing but failures"),
        pytest.param([(100, 50)], True, id="half of them"),
        pytest.param([(100, 49)], False, id="less than half"),
        pytest.param([(19, 19)], False, id="too few to say"),
        pytest.param([(10, 10), (10, 10)], True, id="enough in two minutes"),
        pytest.param([(2, 2)] * 10, True, id="enough in ten minutes"),
        pytest.param([(1, 1)] * 30, False, id="never enough"),
        pytest.param([(19, 19), *[(0, 0)] * 12, (1, 1)], False, id="not right now"),
        pytest.param([(100, 0), (100, 100)], True, id="only the last minute counts"),
        pytest.param([(100, 100), (100, 0)], False, id="it is over"),
        pytest.param([(100, 100), (10, 0)], True, id="most of those that are enough still fail"),
        pytest.param([(100, 100), (3, 3)], True, id="it is not over with fewer requests"),
        pytest.param([(100, 100), *[(0, 0)] * 9], True, id="silence says nothing at first"),
        pytest.param([(100, 100), *[(0, 0)] * 10], False, id="nobody asks any more"),
    ],
)
def test_most_requests_fail(minutes: list[tuple[int, int]], expected: bool) -> None:
    assert after(fresh(), *minutes).failing is expected


def test_at_the_pace_of_scrapes_the_last_minute_counts_as_well() -> None:
    good = after(fresh(), *[(50, 0)] * 12, step_ms=5_000)
    half = after(good, *[(50, 50)] * 6, step_ms=5_000)

    assert not after(good, *[(50, 50)] * 5, step_ms=5_000).failing
    assert half.failing
    assert not after(half, *[(50, 0)] * 7, step_ms=5_000).failing


def test_what_fails_is_told_with_its_numbers_and_its_time() -> None:
    found = after(fresh(), (400, 30), (600, 599))

    assert service.failing(found) == (
        "Stable fails most requests: 599 of 600 (99.8 %) in the 60 s to 14:04 UTC."
    )


def test_a_minute_in_which_nothing_was_scraped_concludes_nothing() -> None:
    failing = after(fresh(), (100, 100))

    blind = after(failing, *[(0, 0)] * 15, pods=0)

    assert blind.failing
    assert blind.recent == failing.recent
    assert blind.until_ms == failing.until_ms + 15 * MINUTE


def test_an_interval_that_was_counted_is_passed_over() -> None:
    once = after(fresh(), (100, 0))
    arm = ArmCounts({"errors of requests": Tally(50, (50,))}, 1, 0)
    overlaps = IntervalCounts(once.until_ms - 5_000, once.until_ms + 5_000, {STABLE: arm}, ())

    assert service.counted(once, overlaps, STABLE, once.promises) == once


def test_where_requests_may_count_twice_an_outage_is_seen_and_no_budget_is_spent() -> None:
    twice = (finding(Reason.UNLIKE_TARGETS, STABLE),)

    found = after(fresh(), *[(200, 200)] * 10, found=twice)

    assert (found.failing, found.degraded) == (True, False)
    assert found.spent == (b"",)


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        pytest.param([(600, 3)] * 60, False, id="within the promise"),
        pytest.param([(600, 9)] * 360, False, id="between the limits"),
        pytest.param([(600, 15)] * 60, True, id="worse than the bad limit, and it lasts"),
        pytest.param([(600, 0)] * 300 + [(600, 15)] * 20, False, id="not for long enough"),
        pytest.param([(600, 0)] * 50 + [(600, 600)] * 10, True, id="a fast burn"),
        pytest.param([(1, 1)], False, id="one failure is chance"),
    ],
)
def test_a_promise_is_missed(minutes: list[tuple[int, int]], expected: bool) -> None:
    assert after(fresh(), *minutes).degraded is expected


def test_a_miss_ends_once_half_an_hour_kept_the_promise() -> None:
    missed = after(fresh(), *[(600, 15)] * 60)

    assert after(missed, *[(600, 0)] * 10).degraded
    assert not after(missed, *[(600, 0)] * 35).degraded
    # Better than the bad limit is not yet what was promised.
    assert after(missed, *[(600, 9)] * 120).degraded


def test_what_is_missed_is_told_with_its_numbers_and_the_promise() -> None:
    found = after(fresh(), *[(600, 15)] * 60)

    assert service.degraded(found) == (
        "errors failed 900 of 36,000 requests (2.5 %) in the 60 min to 15:02 UTC; "
        "99 % of requests must succeed."
    )


@pytest.mark.parametrize(
    ("objectives", "expected"),
    [
        ([ERRORS], ["errors"]),
        ([LATENCY], ["breaker", "latency"]),
        ([LATENCY, {**ERRORS, "role": "Report"}], ["breaker", "latency"]),
        ([ERRORS, LATENCY], ["errors", "latency"]),
        ([ERRORS, {**LATENCY, "role": "Report"}], ["errors"]),
    ],
)
def test_what_is_promised(objectives: list[dict[str, Any]], expected: list[str]) -> None:
    """Failed requests are looked at by an objective of the user, or else by the breaker."""
    assert [each.name for each in fresh(*objectives).promises] == expected


def test_news_is_what_begins_or_ends() -> None:
    known = fresh()
    told = []
    for minute in [(100, 0), (100, 100), (100, 100), (100, 0), (100, 0)]:
        known = after(replace(known, has_news=False), minute)
        told.append(known.has_news)

    assert told == [False, True, False, True, False]


def test_a_settled_version_takes_little_memory_however_long_it_serves() -> None:
    known = after(fresh(ERRORS, LATENCY), *[(1_000, 3)] * 1_000)

    assert sum(map(len, known.spent)) <= 2 * 73 * 20
    assert len(known.recent) == 1
    rare = after(fresh(), *[(1, 0)] * 100, step_ms=5_000)
    assert len(rare.recent) <= 12 + service.FEWEST


def test_counts_in_bytes_are_those_in_blocks() -> None:
    known = after(fresh(), *[(10, 1)] * 12)

    assert error_budget.blocks(known.spent[0]) == (
        BurnBlock(0, 50.0, 5.0),
        BurnBlock(1, 50.0, 5.0),
        BurnBlock(2, 20.0, 2.0),
    )


def test_readings_of_many_are_spread_over_the_minute() -> None:
    starts = [
        service.counting_request(f"team/model-{number}", "team", fresh()).rollout.started_ms
        for number in range(600)
    ]

    groups = [sum(start % MINUTE // 5_000 == group for start in starts) for group in range(12)]
    assert min(groups) >= 25


def minute(pods: int, *, bad: int = 100, of_others: bool = False) -> IntervalCounts:
    """A minute in which so many pods were scraped."""
    arm = ArmCounts({"errors of requests": Tally(100, (bad,))}, pods, 0)
    found = (finding(Reason.PODS_NOT_COUNTED, STABLE),) if of_others else ()
    return IntervalCounts(STARTED_MS, STARTED_MS + MINUTE, {STABLE: arm}, found)


@pytest.mark.parametrize(
    ("has", "scraped", "knows_pods", "counts"),
    [
        pytest.param((2, 2, 2), 2, False, True, id="as many as it has"),
        pytest.param((2, 2, 2), 3, False, False, id="one is of somebody else"),
        pytest.param((2, 3, 2), 3, False, True, id="one has just ended"),
        pytest.param((2, 2, 3), 3, False, True, id="one ended before"),
        pytest.param((0, 0, 0), 1, False, False, id="it has none"),
        pytest.param((2, 2, 2), 3, True, True, id="all of these are its own"),
        pytest.param((), 3, False, True, id="nobody can tell which are"),
    ],
)
def test_more_pods_than_it_has_count_only_once_they_are_known(
    has: tuple[int, ...], scraped: int, knows_pods: bool, counts: bool
) -> None:
    known = replace(fresh(), pods=has)

    now = service.counted_alone(known, minute(scraped), knows_pods=knows_pods)

    assert now.failing is counts
    assert service.doubts_pods(now), "either of them may be because of others"
    assert now.has_news
    assert now.until_ms == STARTED_MS + MINUTE


def test_pods_of_others_are_looked_for_a_while_longer_than_they_are_there() -> None:
    known = replace(fresh(), pods=(1, 1, 1))

    now = service.counted_alone(known, minute(1, bad=0, of_others=True), knows_pods=True)

    assert service.doubts_pods(after(now, *[(100, 0)] * 9))
    assert not service.doubts_pods(after(now, *[(100, 0)] * 10))


@pytest.mark.parametrize("own", [0, 1])
def test_what_was_counted_of_others_is_not_held_against_it(own: int) -> None:
    known = service.counted_alone(replace(fresh(), pods=(1, 1, 1)), minute(1), knows_pods=False)
    later = replace(minute(own, bad=0, of_others=True), start_ms=known.until_ms)
    later = replace(later, end_ms=later.start_ms + MINUTE)

    now = service.counted_alone(replace(known, has_news=False), later, knows_pods=True)

    assert (known.failing, known.degraded) == (True, True)
    assert (now.failing, now.degraded, now.has_news) == (False, False, True)


def test_how_many_pods_it_had_is_kept_for_two_readings() -> None:
    known = replace(fresh(), pods=(2, 5, 3))

    assert service.counted_alone(known, minute(1), knows_pods=False).pods == (2, 2, 5)
