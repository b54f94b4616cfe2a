"""Pods for a share of users, and the steps that a number of pods allows."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollouts.decision import (
    COMPARABLE_LOAD,
    Step,
    allowed_steps,
    extra_pods,
    is_comparable,
    largest_share,
    next_step,
    pods_for,
)

PODS = st.integers(1, 10_000)
SHARES = st.fractions(0, 1)


@pytest.mark.parametrize(
    ("stable", "share", "needed"),
    [
        (10, "0.05", 1),
        (10, "0.10", 2),
        (10, "0.25", 3),
        (10, "0.50", 6),
        (10, "0.90", 10),
        (10, "1", 10),
        (1, "0.05", 1),
        (1, "1", 1),
        (0, "0.5", 1),
    ],
)
def test_pods_follow_the_share_with_a_margin(stable: int, share: str, needed: int) -> None:
    assert pods_for(stable, Fraction(share)) == needed


@given(PODS, SHARES)
def test_a_share_never_takes_more_pods_than_serve_everybody(stable: int, share: Fraction) -> None:
    assert 1 <= pods_for(stable, share) <= stable
    assert pods_for(stable, share) >= stable * share


@given(PODS, SHARES, PODS)
def test_pods_keep_to_the_bound(stable: int, share: Fraction, extra: int) -> None:
    assert pods_for(stable, share, extra) == min(pods_for(stable, share), extra)


@pytest.mark.parametrize(
    ("stable", "extra", "share"),
    [
        (20, 4, "0.16"),
        (10, 4, "0.33"),
        (10, 1, "0.08"),
        (2, 1, "0.41"),
        (1, 1, "1"),
        (3, 3, "1"),
        (3, None, "1"),
        (10_000, 1, "0.000083"),
    ],
)
def test_the_largest_share_for_few_pods(stable: int, extra: int | None, share: str) -> None:
    assert largest_share(stable, extra) == Fraction(share)


@given(PODS, PODS)
def test_the_largest_share_is_served_by_its_pods_and_the_next_is_not(
    stable: int, extra: int
) -> None:
    share = largest_share(stable, extra)
    unit = Fraction(1, 100) if share >= Fraction(1, 100) else Fraction(1, 1_000_000)

    assert 0 < share <= 1
    assert pods_for(stable, share) <= extra
    assert share == 1 or pods_for(stable, share + unit) > extra


ASKED = tuple(map(Fraction, ("0.05", "0.25", "0.5")))


@pytest.mark.parametrize(
    ("stable", "extra", "expected"),
    [
        (10, None, ["5 of 5", "25 of 25", "50 of 50"]),
        (10, 6, ["5 of 5", "25 of 25", "50 of 50"]),
        (10, 5, ["5 of 5", "25 of 25", "41 of 50"]),
        (10, 1, ["5 of 5", "8 of 25, 50"]),
        (24, 1, ["3 of 5, 25, 50"]),
        (1, 1, ["5 of 5", "25 of 25", "50 of 50"]),
    ],
)
def test_steps_become_smaller_and_those_that_become_the_same_are_one(
    stable: int, extra: int | None, expected: list[str]
) -> None:
    *found, last = allowed_steps(ASKED, stable, extra)

    assert last == Step(Fraction(1), (Fraction(1),))
    assert [
        f"{100 * step.weight} of {', '.join(str(100 * share) for share in step.asked)}"
        for step in found
    ] == expected


def test_a_step_is_reduced_when_one_of_those_that_became_it_was_larger() -> None:
    few = allowed_steps((Fraction("0.08"), Fraction("0.5")), 10, 1)

    assert [step.is_reduced for step in few] == [True, False]
    assert [step.is_reduced for step in allowed_steps(ASKED, 10, 1)] == [False, True, False]
    assert not any(step.is_reduced for step in allowed_steps(ASKED, 10, None))


@given(st.lists(st.fractions("0.0001", "0.9999"), min_size=1, unique=True).map(sorted), PODS, PODS)
@settings(deadline=None)
def test_a_step_is_never_larger_than_what_is_proven_for_it(
    asked: list[Fraction], stable: int, extra: int
) -> None:
    found = allowed_steps(asked, stable, extra)
    weights = [step.weight for step in found]

    assert weights == sorted(set(weights))
    assert all(step.weight <= step.proof for step in found)
    assert [share for step in found for share in step.asked] == [*asked, 1]


@pytest.mark.parametrize(
    ("stable", "extra", "pods"),
    [(1, None, ["1", "1", "1"]), (10, None, ["3/10", "3/5", "1"]), (10, 1, ["1/10", "1/10"])],
)
def test_the_pods_of_a_step_wait_for_the_share_that_comes_next(
    stable: int, extra: int | None, pods: list[str]
) -> None:
    *found, last = allowed_steps(ASKED, stable, extra)

    assert [step.pods for step in found] == [Fraction(each) for each in pods]
    assert last.is_all


def test_the_next_step_is_the_first_above_a_share() -> None:
    found = allowed_steps(ASKED, 10, 1)

    assert [float(next_step(found, Fraction(share)).weight) for share in ("0", "0.05", "0.08")] == [
        0.05,
        0.08,
        1.0,
    ]


@pytest.mark.parametrize(("allowed", "extra"), [(None, None), (0, 1), (1, 1), (4, 4)])
def test_stable_lends_a_pod_where_none_is_to_spare(allowed: int | None, extra: int | None) -> None:
    assert extra_pods(allowed) == extra


@pytest.mark.parametrize(
    ("candidate", "stable", "pods", "is_enough"),
    [(7, 10, 1, True), (6, 10, 1, False), (7, 20, 0.5, True), (6, 20, 0.5, False), (0, 0, 1, True)],
)
def test_a_load_is_comparable_from_seven_tenths_of_a_pod_of_stable(
    candidate: float, stable: float, pods: float, *, is_enough: bool
) -> None:
    assert COMPARABLE_LOAD == 0.7
    assert is_comparable(candidate, stable, pods) is is_enough
