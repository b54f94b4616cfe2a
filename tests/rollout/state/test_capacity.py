"""Pods for a share of users, and the share of users for a number of pods."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollouts.rollout.state.capacity import (
    allot,
    carried,
    carrying,
    kept,
    largest_mirror,
    least,
    mirrored,
    rounded,
)

PODS = st.integers(1, 10_000)
SHARES = st.fractions(0, 1)
WEIGHTS = SHARES.map(rounded)


@pytest.mark.parametrize(
    ("stable", "percent", "peak", "needed"),
    [
        (10, 100, None, 10),
        (10, 10, None, 2),
        (10, 1, None, 1),
        (10, 0, None, 1),
        (6, 100, "2", 3),
        (10, 100, "1.5", 7),
        (10, 10, "2", 1),
        (1, 100, "10", 1),
    ],
)
def test_pods_for_copies_follow_their_share_and_a_peak_has_fewer(
    stable: int, percent: int, peak: str | None, needed: int
) -> None:
    assert mirrored(stable, percent, None if peak is None else Fraction(peak)) == needed


@pytest.mark.parametrize(
    ("stable", "extra", "peak", "percent"),
    [
        (4, 1, None, 20),
        (4, None, None, 100),
        (4, 4, None, 100),
        (4, 1, "2", 50),
        (4, 2, "2", 100),
        (3, 1, "2", 66),
        (4, None, "2", 100),
        (1_000, 1, None, 1),
    ],
)
def test_the_largest_mirror_for_few_pods(
    stable: int, extra: int | None, peak: str | None, percent: int
) -> None:
    factor = None if peak is None else Fraction(peak)

    assert largest_mirror(stable, extra, factor) == percent


@given(st.integers(1, 80), st.integers(1, 80), st.none() | st.fractions(1, 10))
def test_the_largest_mirror_takes_the_pods_that_there_are(
    stable: int, extra: int, peak: Fraction | None
) -> None:
    percent = largest_mirror(stable, extra, peak)

    assert mirrored(stable, percent, peak) <= extra
    assert percent == 100 or mirrored(stable, percent + 1, peak) > extra
    assert mirrored(stable, 100, peak, extra) <= extra


@pytest.mark.parametrize(("replicas", "needed"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3), (10, 8)])
def test_stable_needs_three_quarters_of_its_pods(replicas: int, needed: int) -> None:
    assert least(replicas) == needed


@given(PODS, WEIGHTS)
def test_two_shares_take_at_most_one_pod_more_than_all_users(users: int, weight: Fraction) -> None:
    """Which is why one pod to spare is enough for an exchange."""
    together = carrying(users, weight) + carrying(users, 1 - weight)

    assert users <= together <= users + 1


@given(PODS.flatmap(lambda users: st.tuples(st.just(users), st.integers(0, users))))
def test_whole_pods_are_exchanged_without_a_rest(numbers: tuple[int, int]) -> None:
    users, ready = numbers
    weight = carried(users, ready)

    assert carrying(users, weight) == ready
    assert carrying(users, 1 - weight) == users - ready


@pytest.mark.parametrize(
    ("taking", "leaving", "weight", "stays"),
    [
        (10, 10, "1", "0"),
        (8, 10, "1", "0"),  # ready as promised
        (4, 7, "1", "0.6"),  # ten serve: four of them take their part
        (4, 7, "0.5", "0.5"),  # it never gets any back
        (0, 10, "1", "1"),
        (2, 2, "0.8", "0.5"),  # too few: all have the same
        (4, 1, "0.8", "0"),  # as many as promised of the five that serve
        (2, 0, "0.8", "0"),  # nobody is left with nothing
        (0, 0, "0.8", "0"),
    ],
)
def test_what_is_rolled_back_keeps_what_the_other_cannot_carry(
    taking: int, leaving: int, weight: str, stays: str
) -> None:
    assert kept(10, taking, leaving, Fraction(weight)) == Fraction(stays)


@given(PODS, st.integers(0, 10_000), st.integers(0, 10_000), WEIGHTS)
def test_what_is_rolled_back_never_gains(
    users: int, taking: int, leaving: int, weight: Fraction
) -> None:
    assert 0 <= kept(users, taking, leaving, weight) <= weight


CLAIMS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20)))


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (None, {"a": 4, "b": 3, "c": 2}),
        (9, {"a": 4, "b": 3, "c": 2}),
        (8, {"a": 4, "b": 3, "c": 1}),
        (6, {"a": 4, "b": 2, "c": 0}),
        (4, {"a": 3, "b": 1, "c": 0}),
        (2, {"a": 2, "b": 0, "c": 0}),
    ],
)
def test_the_first_claim_comes_first(most: int | None, expected: dict[str, int]) -> None:
    assert allot(most, [("a", 3), ("b", 1), ("a", 4), ("b", 3), ("c", 2)]) == expected


@given(st.integers(0, 60), CLAIMS)
def test_no_more_is_allotted_than_there_is_and_nothing_is_left_over(
    most: int, claims: list[tuple[str, int]]
) -> None:
    given_ = allot(most, claims)
    wanted = allot(None, claims)

    assert sum(given_.values()) == min(most, sum(wanted.values()))
    assert all(given_[name] <= wanted[name] for name in wanted)
