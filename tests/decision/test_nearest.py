"""The nearest distributions within a tolerance: what makes e-values of them fair is an inequality.

Of one distribution: no distribution within the tolerance gives weight / nearest a mean above the
sum of the weights. Of two: the same for the sum over both. Both are linear, so that the worst case
is known exactly, and the inequality is also the condition of the optimum.
"""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollouts.decision.nearest import nearest, nearest_pair, shares, total_variation

TOLERANCES = st.sampled_from([0.001, 0.05, 0.2, 0.6])


def weights(bins: int, least: float = 0.0) -> st.SearchStrategy[list[float]]:
    each = st.floats(0, 1, allow_subnormal=False).map(lambda x: max(x**3, least))
    return st.lists(each, min_size=bins, max_size=bins).filter(lambda found: sum(found) > 1e-3)


def worst_mean(scores: Sequence[float], reference: Sequence[float], tolerance: float) -> float:
    """The largest mean of the scores: as much as allowed moves from the lowest to the highest."""
    moved, left = list(reference), tolerance
    top = max(range(len(scores)), key=scores.__getitem__)
    for index in sorted(range(len(scores)), key=scores.__getitem__):
        if index != top:
            part = min(left, moved[index])
            moved[index], moved[top], left = moved[index] - part, moved[top] + part, left - part
    return math.fsum(score * share for score, share in zip(scores, moved, strict=True))


@given(st.integers(2, 22).flatmap(lambda n: st.tuples(weights(n), weights(n))), TOLERANCES)
def test_no_distribution_within_the_tolerance_wins_against_the_nearest(
    both: tuple[list[float], list[float]], tolerance: float
) -> None:
    seen, reference = shares(both[0]), shares(both[1])

    found = nearest(seen, reference, tolerance)

    assert math.fsum(found) == pytest.approx(1)
    assert total_variation(found, reference) <= tolerance + 1e-9
    scores = [a / b for a, b in zip(seen, found, strict=True)]
    assert worst_mean(scores, reference, tolerance) <= 1 + 1e-9


@given(
    st.integers(2, 22).flatmap(lambda n: st.tuples(weights(n), weights(n))),
    st.sampled_from([1.0, 10.0, 1e6]),
    st.sampled_from([1.0, 1e3, 1e6]),
    TOLERANCES,
)
def test_no_pair_within_the_tolerance_wins_against_the_nearest_pair(
    both: tuple[list[float], list[float]], n: float, m: float, tolerance: float
) -> None:
    first, second = ([n * x for x in shares(both[0])], [m * x for x in shares(both[1])])

    p, r = nearest_pair(first, second, tolerance)

    assert math.fsum(p) == pytest.approx(1)
    assert math.fsum(r) == pytest.approx(1)
    assert total_variation(p, r) <= tolerance + 1e-9
    one = [a / b for a, b in zip(first, p, strict=True)]
    other = [a / b for a, b in zip(second, r, strict=True)]
    # The worst pair has the tolerance in the best bin of each, and the rest in the best for both.
    together = max(a + b for a, b in zip(one, other, strict=True))
    worst = (1 - tolerance) * together + tolerance * (max(one) + max(other))
    assert worst <= (n + m) * (1 + 1e-9)


def test_what_is_within_the_tolerance_is_its_own_nearest() -> None:
    assert nearest((3, 7), (0.32, 0.68), 0.05) == pytest.approx((0.3, 0.7))
    p, r = nearest_pair((30, 70), (320, 680), 0.05)
    assert p == pytest.approx((0.3, 0.7))
    assert r == pytest.approx((0.32, 0.68))


def test_of_two_bins_the_nearest_is_the_edge() -> None:
    assert nearest((9, 1), (0.5, 0.5), 0.1) == pytest.approx((0.6, 0.4))


def test_a_pair_is_bound_by_the_version_with_more_requests() -> None:
    p, r = nearest_pair((9, 1), (50_000, 50_000), 0.1)

    assert r == pytest.approx((0.5, 0.5), abs=1e-4)
    assert p == pytest.approx((0.6, 0.4), abs=1e-4)
