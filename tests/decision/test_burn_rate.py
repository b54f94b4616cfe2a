"""Error budgets: what burns them too fast, and what is only chance."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollouts.decision.burn_rate import (
    BLOCK,
    CHANCE,
    PAIRS,
    RECENT_BLOCKS,
    BurnBlock,
    burn_is_over,
    count_burn,
    fast_burn,
    is_rate_above,
    lasting_burn,
    may_burn,
)

BUDGET = 0.001


def course(*stretches: tuple[float, float, float], step: float = 60.0) -> tuple[BurnBlock, ...]:
    """Counts of stretches of (seconds, requests a second, share of bad ones), one after another."""
    blocks: tuple[BurnBlock, ...] = ()
    end = 0.0
    for seconds, rate, share in stretches:
        for _ in range(int(seconds // step)):
            end += step
            blocks = count_burn(blocks, end, rate * step, rate * step * share)
    return blocks


@pytest.mark.parametrize(
    ("stretches", "multiple"),
    [
        (((3_600, 50, 0.001),), None),
        (((3_600, 50, 0.005),), None),
        (((3_600, 50, 0.02),), 14.4),
        (((21_600, 50, 0.008),), 6.0),
        # A page needs both windows: what is over does not burn any more.
        (((1_800, 50, 0.05), (1_200, 50, 0.0)), 6.0),
        (((1_800, 50, 0.05), (3_600, 50, 0.0)), None),
        # Half an hour at six times after hours of peace is too little of the budget.
        (((21_600, 50, 0.0), (1_800, 50, 0.008)), None),
        (((7_200, 50, 0.0), (1_200, 50, 0.1)), 14.4),
    ],
)
def test_a_pair_of_windows_fires_when_both_are_exceeded(
    stretches: tuple[tuple[float, float, float], ...], multiple: float | None
) -> None:
    burn = fast_burn(course(*stretches), BUDGET)

    assert (None if burn is None else burn.pair.multiple) == multiple


@pytest.mark.parametrize(("total", "bad", "fires"), [(1, 1, False), (20, 1, False), (20, 6, True)])
def test_a_young_version_is_not_rolled_back_for_one_error(
    total: float, bad: float, fires: bool
) -> None:
    """One of twenty is fifty times the budget, and nothing unusual."""
    assert (fast_burn(count_burn((), 5, total, bad), BUDGET) is not None) is fires


def test_the_smaller_of_two_pairs_is_not_reached_by_a_wide_budget() -> None:
    assert fast_burn(course((3_600, 50, 0.9)), 0.2) is None
    burn = fast_burn(course((3_600, 50, 0.9)), 0.1)
    assert burn is not None
    assert burn.pair.multiple == 6.0


@pytest.mark.parametrize(
    ("stretches", "lasts"),
    [
        (((21_600, 50, 0.0015),), False),
        (((21_600, 50, 0.0025),), True),
        (((18_000, 50, 0.0), (3_600, 50, 0.0025)), False),
        (((19_800, 50, 0.0025), (1_800, 50, 0.0)), False),
        (((5, 0.2, 1.0),), False),
    ],
)
def test_a_share_above_a_limit_lasts(
    stretches: tuple[tuple[float, float, float], ...], lasts: bool
) -> None:
    """Far less than a fast burn: seen over hours, and in the last half hour."""
    blocks = course(*stretches, step=5.0)

    assert (lasting_burn(blocks, 2 * BUDGET) is not None) is lasts
    assert fast_burn(blocks, BUDGET) is None


@pytest.mark.parametrize(
    ("stretches", "over"),
    [
        (((3_600, 50, 0.02),), False),
        (((3_600, 50, 0.02), (1_200, 50, 0.0)), False),
        (((3_600, 50, 0.02), (2_100, 50, 0.0)), True),
        (((3_600, 50, 0.02), (2_100, 50, 0.0015)), False),
        (((3_600, 50, 0.02), (2_100, 0, 0.0)), True),
    ],
)
def test_a_burn_is_over_after_half_an_hour_within_the_budget(
    stretches: tuple[tuple[float, float, float], ...], over: bool
) -> None:
    assert burn_is_over(course(*stretches), BUDGET) is over


def test_what_is_older_than_the_longest_window_is_forgotten() -> None:
    blocks = course((100_000, 1, 0.0))

    assert len(blocks) <= max(pair.long for pair in PAIRS) / BLOCK + 1


def test_a_version_inside_its_budget_is_hardly_ever_rolled_back() -> None:
    """Looked at every five seconds for six hours, at little traffic, where windows are noisy."""
    fired = 0
    for seed in range(60):
        dice = random.Random(seed)
        blocks: tuple[BurnBlock, ...] = ()
        for tick in range(1, 6 * 720):
            bad = sum(dice.random() < BUDGET for _ in range(5))
            blocks = count_burn(blocks, tick * 5.0, 5, bad)
            if bad and fast_burn(blocks, BUDGET):
                fired += 1
                break
    assert fired == 0


@given(st.integers(1, 400), st.integers(0, 400), st.floats(0.001, 0.5))
def test_the_bound_is_never_below_the_chance_itself(total: int, bad: int, share: float) -> None:
    bad = min(bad, total)
    if not is_rate_above(total, bad, share):
        return
    tail = math.fsum(
        math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(bad, total + 1)
    )
    assert tail <= CHANCE * (1 + 1e-9)


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 900), st.floats(0, 1)), min_size=1, max_size=74
    ),
    st.sampled_from([0.0001, 0.001, 0.01, 0.05]),
)
def test_the_latest_blocks_tell_that_nothing_burns(
    drawn: list[tuple[int, int, float]], budget: float
) -> None:
    number, blocks = 0, []
    for gap, total, share in drawn:
        number += gap
        blocks.append(BurnBlock(number, total, round(total * share**4)))
    whole, recent, limit = tuple(blocks), tuple(blocks[-RECENT_BLOCKS:]), 1.5 * budget

    burns = fast_burn(whole, budget) is not None or lasting_burn(whole, limit) is not None
    assert may_burn(recent, budget, limit) or not burns
    assert burn_is_over(recent, budget) == burn_is_over(whole, budget)
