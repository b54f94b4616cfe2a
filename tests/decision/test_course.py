"""A canary goes on as the operator's passes let it."""

from fractions import Fraction

import pytest

from model_rollouts.decision import (
    Counts,
    Course,
    Decision,
    Interval,
    Sample,
    allowed_steps,
    errors,
    is_whole,
)
from tests.decision.made_up import judge_of

LOOK = 5.0


def played(requests: float, bad: float, *, least_step: float = 60.0) -> list[tuple[float, float]]:
    """When a candidate got which weight, with so many requests of each version in a look."""
    judge = judge_of(errors("errors", 0.999), steps=(0.05, 0.25))
    course = Course.begin(judge, (), look=LOOK, least_step=least_step)
    got = [(0.0, float(course.step.weight))]
    both = Sample(Counts.of(requests, bad), Counts.of(requests, 0.0))
    decision, start = Decision.INCONCLUSIVE, 0.0
    while decision is Decision.INCONCLUSIVE:
        interval = Interval(start, start + LOOK, {"errors": both})
        course, decision = course.take(interval, requests)
        start += LOOK
        if float(course.step.weight) != got[-1][1]:
            got.append((start, float(course.step.weight)))
    return [*got, (start, 1.0 if decision is Decision.PASS else 0.0)]


def test_a_step_lasts_from_the_first_look_that_shows_the_split() -> None:
    """The route is written after a look was read; the next two looks have requests of before."""
    assert played(100_000, 0) == [(0.0, 0.05), (70.0, 0.25), (140.0, 1.0)]


def test_a_step_without_requests_does_not_last() -> None:
    judge = judge_of(errors("errors", 0.999), steps=(0.05,))
    course = Course.begin(judge, (), look=LOOK, least_step=10.0)
    none, many = Counts.of(0, 0), Counts.of(1_000_000, 0)

    for start in range(0, 100, 5):
        quiet = Interval(start, start + LOOK, {"errors": Sample(none, many)})
        course, _ = course.take(quiet, 0)
    assert course.split_since is None

    busy = Interval(100, 105, {"errors": Sample(many, many)})
    course, _ = course.take(busy, 1_000_000)
    assert course.split_since == 100


def test_a_version_that_fails_ends_at_once() -> None:
    assert played(1000, 1000)[-1] == (5.0, 0.0)


def test_steps_that_pods_make_one_are_proven_and_last_once() -> None:
    judge = judge_of(errors("errors", 0.999), steps=(0.05, 0.25, 0.5))
    steps = allowed_steps(map(Fraction, ("0.05", "0.25", "0.5")), 10, 1)
    course = Course.begin(judge, steps, look=LOOK, least_step=60.0)
    both = Sample(Counts.of(1_000_000, 0), Counts.of(1_000_000, 0))
    decision, start = Decision.INCONCLUSIVE, 0.0

    while decision is Decision.INCONCLUSIVE:
        course, decision = course.take(Interval(start, start + LOOK, {"errors": both}), 1_000_000)
        start += LOOK

    assert (decision, start, float(course.step.weight)) == (Decision.PASS, 140.0, 0.08)


@pytest.mark.parametrize(("start", "shows"), [(0, False), (5, False), (10, False), (11, True)])
def test_the_look_after_the_one_with_the_write_is_not_whole(start: float, *, shows: bool) -> None:
    assert is_whole(5.5, start, start + LOOK) is shows
