"""Stable against its own past: seldom called worse when it is not, and soon when it is."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollouts.decision import (
    INDEPENDENT,
    Counts,
    Interval,
    Judge,
    Role,
    Sample,
    Seen,
    breaker,
    errors,
    latency,
    restarts,
)
from model_rollouts.decision.against_past import judge_against_past, worst_past

ERRORS = errors("errors", 0.999)
NAMES = {"errors": INDEPENDENT}


def judge_of(seen: Seen, *, false_alarm: float = 0.001) -> Judge:
    judge = judge_against_past([ERRORS], {"errors": seen}, NAMES, false_alarm=false_alarm)
    assert judge is not None
    return judge


def fails_after(judge: Judge, counts: list[tuple[int, int]]) -> int | None:
    """The interval of five seconds after which stable counts as worse, from 1; None for never."""
    state = judge.start()
    for number, (total, bad) in enumerate(counts):
        sample = {"errors": Sample(Counts.of(total, bad))}
        state = judge.update(state, Interval(5.0 * number, 5.0 * number + 5, sample))
        if state.failed_at is not None:
            return number + 1
    return None


@pytest.mark.parametrize(
    ("total", "bad", "at_least", "at_most"),
    [(15_000, 0, 0.0004, 0.0006), (15_000, 15, 0.0015, 0.003), (300, 0, 0.02, 0.03)],
)
def test_the_past_is_known_as_well_as_it_was_counted(
    total: int, bad: int, at_least: float, at_most: float
) -> None:
    assert at_least < worst_past(Seen(total, bad), 0.0005, 1.0) < at_most


@given(st.integers(1, 100_000), st.floats(0, 1), st.sampled_from([1e-6, 0.001, 0.1]))
def test_the_bound_is_above_what_was_seen_and_tightens_with_more(
    total: int, share: float, false_alarm: float
) -> None:
    seen = Seen(total, math.floor(share * total))
    bound = worst_past(seen, false_alarm, 1.0)

    assert seen.bad / seen.total <= bound <= 1
    assert worst_past(Seen(2 * seen.total, 2 * seen.bad), false_alarm, 1.0) <= bound + 1e-12
    assert worst_past(seen, false_alarm, 4.0) >= bound


def test_nothing_is_known_of_no_past() -> None:
    assert worst_past(Seen(0, 0), 0.001, 1.0) == 1.0


@pytest.mark.parametrize("rate", [0.0005, 0.001, 0.02])
def test_a_stable_that_is_as_it_was_is_seldom_called_worse(rate: float) -> None:
    """At 5 % false alarms, so that 200 trials can tell: a minute of past, two minutes of copies."""
    generator, alarms, trials = random.Random(7), 0, 200

    def interval(requests: int) -> tuple[int, int]:
        return requests, sum(generator.random() < rate for _ in range(requests))

    for _ in range(trials):
        past = [interval(250) for _ in range(12)]
        before = Seen(sum(n for n, _ in past), sum(bad for _, bad in past))
        judge = judge_of(before, false_alarm=0.05)
        alarms += fails_after(judge, [interval(250) for _ in range(24)]) is not None

    # Expected are at most 10; 20 or more come with a chance below 1 in 500.
    assert alarms < 20


def test_a_stable_that_answers_worse_is_found_within_three_intervals() -> None:
    judge = judge_of(Seen(15_000, 15))

    assert (fails_after(judge, [(250, 8)] * 10) or 99) <= 3


def test_worse_than_it_was_counts_although_the_target_is_kept() -> None:
    """0.01 % before, 0.08 % now, 0.1 % allowed: users feel the copies all the same."""
    judge = judge_of(Seen(150_000, 15))

    assert fails_after(judge, [(2_500, 2)] * 40) is not None


def test_a_past_that_was_as_bad_is_no_suffering() -> None:
    assert fails_after(judge_of(Seen(15_000, 450)), [(250, 8)] * 60) is None


def test_without_a_past_the_target_is_the_limit() -> None:
    judge = judge_of(Seen(0, 0))

    assert fails_after(judge, [(250, 0)] * 20) is None
    assert fails_after(judge, [(250, 10)] * 20) is not None


def test_errors_and_latency_are_held_to_the_past_and_nothing_else() -> None:
    slow = latency("slow", 0.3, 0.99, (0.1, 0.3, 0.4))
    shown = errors("shown", 0.99, role=Role.REPORT)
    objectives = [ERRORS, slow, shown, breaker(), restarts()]
    before = {"errors": Seen(1_000, 1), "slow": Seen(1_000, 5)}

    judge = judge_against_past(objectives, before, {}, false_alarm=0.001)

    assert judge is not None
    assert [each.name for each in judge.rules.objectives] == ["errors", "slow"]
    assert all(each.good > 0.005 for each in judge.rules.objectives)


def test_a_past_of_ten_requests_judges_nothing() -> None:
    assert judge_against_past([ERRORS], {"errors": Seen(10, 5)}, NAMES, false_alarm=0.001) is None
