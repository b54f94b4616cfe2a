"""Pods for a share of users."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollouts.rollout.capacity import least, mirrored, pods


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


@given(st.integers(1, 10_000), st.fractions(0, 1))
def test_a_share_never_takes_more_pods_than_serve_everybody(stable: int, share: Fraction) -> None:
    assert 1 <= pods(stable, share) <= stable
    assert pods(stable, share) >= stable * share


@pytest.mark.parametrize(("replicas", "needed"), [(1, 1), (2, 2), (3, 3), (4, 3), (10, 8)])
def test_stable_needs_three_quarters_of_its_pods(replicas: int, needed: int) -> None:
    assert least(replicas) == needed
