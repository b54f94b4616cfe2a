"""Pods for a share of users, and the share of users for a number of pods."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollouts.rollout.state.capacity import (
    Step,
    allot,
    carried,
    carrying,
    kept,
    largest_mirror,
    largest_share,
    least,
    mirrored,
    pods,
    rounded,
    steps,
)

PODS = st.integers(1, 10_000)
SHARES = st.fractions(0, 1)
WEIGHTS = SHARES.map(rounded)


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
    assert pods(stable, Fraction(share)) == needed


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


@given(PODS, SHARES)
def test_a_share_never_takes_more_pods_than_serve_everybody(stable: int, share: Fraction) -> None:
    assert 1 <= pods(stable, share) <= stable
    assert pods(stable, share) >= stable * share


@given(PODS, SHARES, PODS)
def test_pods_keep_to_the_bound(stable: int, share: Fraction, extra: int) -> None:
    assert pods(stable, share, extra) == min(pods(stable, share), extra)


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


@given(PODS, PODS)
def test_the_largest_share_is_served_by_its_pods_and_the_next_is_not(
    stable: int, extra: int
) -> None:
    share = largest_share(stable, extra)
    unit = Fraction(1, 100) if share >= Fraction(1, 100) else Fraction(1, 1_000_000)

    assert 0 < share <= 1
    assert pods(stable, share) <= extra
    assert share == 1 or pods(stable, share + unit) > extra


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
    *found, last = steps(ASKED, stable, extra)

    assert last == Step(Fraction(1), (Fraction(1),))
    assert [
        f"{100 * step.weight} of {', '.join(str(100 * share) for share in step.asked)}"
        for step in found
    ] == expected


def test_a_step_is_reduced_when_one_of_those_that_became_it_was_larger() -> None:
    few = steps((Fraction("0.08"), Fraction("0.5")), 10, 1)

    assert [step.is_reduced for step in few] == [True, False]
    assert [step.is_reduced for step in steps(ASKED, 10, 1)] == [False, True, False]
    assert not any(step.is_reduced for step in steps(ASKED, 10, None))


@given(st.lists(st.fractions("0.0001", "0.9999"), min_size=1, unique=True).map(sorted), PODS, PODS)
@settings(deadline=None)
def test_a_step_is_never_larger_than_what_is_proven_for_it(
    asked: list[Fraction], stable: int, extra: int
) -> None:
    found = steps(asked, stable, extra)
    weights = [step.weight for step in found]

    assert weights == sorted(set(weights))
    assert all(step.weight <= step.proof for step in found)
    assert [share for step in found for share in step.asked] == [*asked, 1]


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
