"""Stable interval by interval against those before: found whatever bursts were among them."""

import math
import random
from collections.abc import Callable, Iterable

import pytest

from model_rollouts.decision import Counts, NewIntervals, PastIntervals, latency, proven_worse
from model_rollouts.decision.past_intervals import LEAST_REQUESTS

OBJECTIVE = latency("latency", 0.3, 0.99, [0.3])
FALSE_ALARM = 0.001
FIVE_MINUTES = 60


def past(shares: Iterable[float], requests: int = 250) -> PastIntervals:
    found = PastIntervals()
    for share in shares:
        found = found.with_one(Counts.of(requests, round(share * requests)))
    return found


def found_after(
    before: PastIntervals,
    shares: Iterable[float],
    requests: int = 250,
    false_alarm: float = FALSE_ALARM,
) -> int | None:
    """The interval after which stable counts as worse, from 1; None for never."""
    since = NewIntervals()
    for number, share in enumerate(shares, start=1):
        counts = Counts.of(requests, round(share * requests))
        since = since.with_one(counts, before, OBJECTIVE)
        if proven_worse({"latency": since}, false_alarm=false_alarm):
            return number
    return None


@pytest.mark.parametrize(
    ("before", "at_most"),
    [
        ([0.004] * FIVE_MINUTES, 5),
        ([0.9] * 6 + [0.004] * 54, 5),  # it was started in these five minutes
        ([0.9] * 20 + [0.004] * 40, 16),
        ([0.6, 0.3] + [0.01] * 18, 7),
        ([0.004] * 6, 14),
    ],
)
def test_a_stable_that_suffers_is_found_although_it_started_not_long_before(
    before: list[float], at_most: int
) -> None:
    found = found_after(past(before), [0.4] * 20)

    assert found is not None
    assert found <= at_most


def test_it_is_found_although_some_intervals_are_as_before() -> None:
    shares = [0.4, 0.4, 0.0, 0.4, 0.4, 0.4, 0.4, 0.4]

    assert found_after(past([0.9] * 3 + [0.004] * 57), shares) is not None


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([0.004] * 60, [0.009] * 100),  # worse, and in its target
        ([0.02] * 60, [0.035] * 100),  # worse by less than twice
        ([0.2] * 35 + [0.004] * 25, [0.2] * 100),  # as bad as most of the past
        ([], [1.0] * 100),  # nothing is known
    ],
)
def test_it_is_not_worse(before: list[float], now: list[float]) -> None:
    assert found_after(past(before), now) is None


def test_few_requests_say_nothing() -> None:
    few = LEAST_REQUESTS - 1

    assert past([0.0] * 10, few).number == 0
    assert found_after(past([0.0] * 60), [1.0] * 50, few) is None


def test_what_is_won_is_by_the_exact_chance() -> None:
    """By counting: of n + k ranks, how often the k new ones are all above the j-th worst of n."""
    before, since = past([0.0] * 9), NewIntervals()
    for _ in range(4):
        since = since.with_one(Counts.of(250, 250), before, OBJECTIVE)
    if_same = [math.comb(rank + 3, 4) / math.comb(9 + 4, 4) for rank in (1, 3, 5)]
    if_suffering = 9 / 13  # of Beta(9, 1): four of four

    assert since.log_evidence == pytest.approx(
        math.log(sum(if_suffering / chance for chance in if_same) / 3)
    )


def test_a_stable_that_is_better_than_before_is_not_worse() -> None:
    """Nothing is won on intervals that are seldom above the median of before."""
    assert found_after(past([0.3] * 30 + [0.2] * 30), [0.0] * 300) is None


def _steady(generator: random.Random) -> Callable[[], float]:
    return lambda: generator.betavariate(2, 100)


def _bursty(generator: random.Random) -> Callable[[], float]:
    """One interval in ten is bad by any amount."""
    return lambda: generator.random() ** 3 if generator.random() < 0.1 else 0.004


@pytest.mark.parametrize("law", [_steady, _bursty])
@pytest.mark.parametrize("intervals", [8, 20, 60])
def test_a_stable_that_is_as_it_was_is_seldom_called_worse(
    law: Callable[[random.Random], Callable[[], float]], intervals: int
) -> None:
    """Whatever the law of its intervals: looked at after each of forty, in 200 stages at 2 %."""
    generator = random.Random(intervals)
    share = law(generator)
    alarms = 0
    for _ in range(200):
        before = past(share() for _ in range(intervals))
        alarms += found_after(before, [share() for _ in range(40)], false_alarm=0.02) is not None

    assert alarms <= 11  # at 2 %, more has a chance of one in 1,000
