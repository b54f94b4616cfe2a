"""One counter: what a sample adds, and that nothing older than the lookback is remembered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollouts.metrics.cursor import Cursor

LOOKBACK = 10


def _cursor(samples: list[tuple[int, int]]) -> Cursor:
    (first_at, first), *rest = samples
    cursor = Cursor(0, first_at, first)
    for at, value in rest:
        cursor.rise(at, value, at - LOOKBACK)
    return cursor


@pytest.mark.parametrize(
    ("values", "added"),
    [
        pytest.param([5, 5, 9, 12], [0, 4, 3], id="rises"),
        pytest.param([10, 9, 12], [0, 2], id="dips and goes on: only what is new"),
        pytest.param([10, 7, 9, 8, 11], [0, 0, 0, 1], id="stays below for a while"),
        pytest.param([10, 9, 10, 10], [0, 0, 0], id="comes back to where it was"),
    ],
)
def test_what_each_sample_adds(values: list[int], added: list[int]) -> None:
    cursor = Cursor(0, 0, values[0])

    assert [cursor.rise(at, value, -1) for at, value in enumerate(values[1:], 1)] == added


def test_a_high_that_is_not_reached_again_is_given_up_after_the_lookback() -> None:
    cursor = _cursor([(0, 100), (4, 60), (8, 70)])

    assert cursor.rise(11, 75, horizon=1) == 5  # 100 is forgotten, 70 is the highest left


def test_the_last_value_is_gone_on_from_however_old_it_is() -> None:
    cursor = _cursor([(0, 100), (4, 60)])

    assert cursor.rise(9, 75, horizon=6) == 15


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 20)), min_size=2, max_size=30),
    st.integers(0, 60),
)
def test_the_state_follows_from_the_samples_of_one_lookback(
    steps: list[tuple[int, int]], value: int
) -> None:
    at, samples = 0, []
    for gap, sample in steps:
        at += gap
        samples.append((at, sample))
    horizon = at + 1 - LOOKBACK

    whole = _cursor(samples)
    window = _cursor([sample for sample in samples if sample[0] > horizon])

    assert whole.rise(at + 1, value, horizon) == window.rise(at + 1, value, horizon)
    assert (whole.at, whole.value, whole.held) == (window.at, window.value, window.held)
