"""Dispersion measured on made-up histories whose truth is known.

The tolerances are at least four standard errors of the estimate: sqrt((3 + 1/m) / blocks) in
relative terms, m being the bad requests of a block.
"""

import math
import random

import pytest

from model_rollouts.decision import INDEPENDENT, UNKNOWN, Dispersion, measure
from model_rollouts.decision.dispersion import Block
from model_rollouts.simulation.traffic import poisson

BLOCKS = 2400  # ten hours


def bursts(rng: random.Random, rate: float, mean: float) -> int:
    """Errors of one block: about Poisson(`rate`) bursts of geometric size."""
    number = sum(rng.random() < rate / 40 for _ in range(40))
    if mean == 1:
        return number
    return sum(1 + int(math.log(1 - rng.random()) / math.log(1 - 1 / mean)) for _ in range(number))


def history(seed: int, rate: float, mean: float, wave: float = 0.0) -> list[Block]:
    rng = random.Random(seed)
    return [
        (1500.0, float(bursts(rng, rate * (1 + wave * math.sin(b / 300)), mean)))
        for b in range(BLOCKS)
    ]


def test_independent_errors_have_dispersion_one() -> None:
    # Looked at in six lengths at three standard errors each; the estimates are skewed, so that
    # 1.5 in 100 days are taken for bursty and not the 0.8 of the normal law. More than 10 of 200
    # then have a probability of 3e-4; with two standard errors, 25 would be expected.
    rng = random.Random(11)
    days = ([(1500.0, float(poisson(rng, 1.5))) for _ in range(BLOCKS)] for _ in range(200))
    measured = [measure(day) for day in days]

    assert sum(day.target > 1 for day in measured) <= 10
    assert max(day.target for day in measured) < 2
    assert sum(day == INDEPENDENT for day in measured) >= 190


def test_small_bursts_are_seen() -> None:
    # Geometric of mean 1.25: dispersion 1.5, and chance explains up to 1.11.
    measured = [measure(history(seed, 1.2, 1.25)).target for seed in range(40)]

    assert min(measured) > 1.2


def test_bursts_of_five_have_dispersion_nine() -> None:
    measured = [measure(history(seed, 0.5, 5)).target for seed in range(6)]

    assert all(6.5 < value < 16 for value in measured)
    assert sorted(measured)[2] == pytest.approx(9.5, abs=2)


def test_slow_drift_is_no_burst() -> None:
    assert measure(history(3, 1.5, 1, wave=0.8)).target < 1.6


def test_outages_that_both_halves_share_cancel() -> None:
    rng = random.Random(5)
    one, two = [], []
    for block in range(BLOCKS):
        share = 0.05 if block % 100 < 2 else 0.0
        one.append((300.0, float(sum(rng.random() < share for _ in range(300)))))
        two.append((300.0, float(sum(rng.random() < share for _ in range(300)))))
    whole = [(n + m, d + e) for (n, d), (m, e) in zip(one, two, strict=True)]

    measured = measure(whole, (one, two))

    assert measured.target > 10
    assert measured.stable < 1.5


def test_bursts_of_each_half_do_not_cancel() -> None:
    one, two = history(6, 0.5, 5), history(7, 0.5, 5)
    whole = [(n + m, d + e) for (n, d), (m, e) in zip(one, two, strict=True)]

    assert measure(whole, (one, two)).stable > 5


def test_one_pod_has_no_halves() -> None:
    measured = measure(history(8, 0.5, 5))

    assert measured.stable == measured.target > 1


def test_too_short_a_history_says_so() -> None:
    assert measure(history(9, 0.5, 5)[:1439]) is UNKNOWN
    assert measure([]) is UNKNOWN


def test_six_hours_are_fewer_blocks_when_blocks_are_longer() -> None:
    past = history(9, 0.5, 5)[:360]

    assert measure(past, block=60) != UNKNOWN
    assert measure(past[1:], block=60) is UNKNOWN
    assert measure(past, (past[1:], past[1:]), block=60).stable == measure(past, block=60).target


def test_a_history_with_next_to_no_errors_shows_nothing_of_bursts() -> None:
    quiet = [(1500.0, 0.0)] * BLOCKS
    some = [(1500.0, float(index % 600 == 0)) for index in range(BLOCKS)]

    assert measure(quiet, (quiet, quiet)) is UNKNOWN
    assert measure([(0.0, 0.0)] * BLOCKS) is UNKNOWN
    assert sum(bad for _, bad in some) == 4
    assert measure(some) is UNKNOWN
    assert measure([*some[1:], (1500.0, 2.0)]) == Dispersion(1, 1)


def test_halves_of_different_length_are_refused() -> None:
    quiet = [(1500.0, 1.0)] * BLOCKS

    with pytest.raises(ValueError, match="found 2400 and 2399 blocks"):
        measure(quiet, (quiet, quiet[:-1]))
