"""Latency thresholds on and between bucket edges."""

import math

import pytest

from model_rollouts.decision import Bracket, bracket, no_bucket_boundary

EDGES = (0.1, 0.25, 0.3, 0.35, 0.5, 1.0)


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.3, Bracket(0.3, 0.3, 0.5)),
        (0.1 + 0.2, Bracket(0.3, 0.3, 0.5)),  # the same edge in spite of binary fractions
        (0.2, Bracket(0.1, 0.25, 0.25)),
        (0.4, Bracket(0.35, 0.5, 0.5)),
        (0.05, Bracket(0.0, 0.1, 0.1)),
        (1.0, Bracket(1.0, 1.0, None)),
        (2.0, Bracket(1.0, math.inf, None)),
    ],
)
def test_edges_around_a_threshold(threshold: float, expected: Bracket) -> None:
    found = bracket(threshold, tuple(reversed(EDGES)))

    assert found == expected
    assert found.exact == (expected.lower == expected.upper)


@pytest.mark.parametrize(
    ("far_from", "far"), [(0.0, 0.5), (0.3, 0.5), (0.5, 0.5), (0.7, 1.0), (2.0, None)]
)
def test_the_dual_boundary_of_stable_is_not_below_the_candidates(
    far_from: float, far: float | None
) -> None:
    assert bracket(0.3, EDGES, far_from=far_from) == Bracket(0.3, 0.3, far)


@pytest.mark.parametrize(
    ("threshold", "words"),
    [
        (
            0.4,
            "found 400 ms, which is not a bucket edge of the histogram; write 350 ms or 500 ms. "
            "Until then requests slower than 500 ms fail the objective and those within 350 ms "
            "pass it",
        ),
        (0.05, "write 100 ms. The objective cannot pass: every request may have taken more than"),
        (2.0, "write 1 s. The objective cannot fail: no request certainly took more than 2 s."),
        (1.0, "no bucket edge at or above 1.25 s, so how slow the slow requests are is not"),
    ],
)
def test_a_missing_edge_is_explained_with_usable_ones(threshold: float, words: str) -> None:
    message = no_bucket_boundary(threshold, bracket(threshold, EDGES))

    assert message is not None
    assert words in message


def test_a_histogram_without_edges_is_explained() -> None:
    found = bracket(0.3, ())

    assert found == Bracket(0.0, math.inf, None)
    assert "neither passes nor fails" in (no_bucket_boundary(0.3, found) or "")


def test_nothing_is_said_when_no_edge_is_missing() -> None:
    assert no_bucket_boundary(0.3, bracket(0.3, EDGES)) is None
