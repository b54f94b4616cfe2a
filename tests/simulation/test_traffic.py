"""The samplers of the simulation have the right mean and variance.

Tolerance: five standard errors of each estimate, wrong by chance once in 1.7 million (normal
approximation); the seeds are fixed.
"""

import math
import random
from collections.abc import Callable

import pytest

from model_rollouts.decision import errors, latency, restarts
from model_rollouts.simulation.traffic import binomial, draw_from, poisson

DRAWS = 4000


def check(sample: Callable[[random.Random], int], mean: float, variance: float) -> None:
    rng = random.Random(17)
    values = [sample(rng) for _ in range(DRAWS)]
    measured = sum(values) / DRAWS
    spread = sum((value - mean) ** 2 for value in values) / DRAWS
    # Fourth central moment of a Poisson or binomial count: at most 3 variance^2 + variance.
    spread_error = math.sqrt((2 * variance**2 + variance) / DRAWS)
    assert abs(measured - mean) < 5 * math.sqrt(variance / DRAWS) + 1e-12
    assert abs(spread - variance) < 5 * spread_error + 1e-12


@pytest.mark.parametrize("mean", [0.01, 0.7, 12.0, 29.0, 60.0, 2500.0])
def test_poisson(mean: float) -> None:
    check(lambda rng: poisson(rng, mean), mean, mean)


@pytest.mark.parametrize(
    ("total", "share"),
    [(1, 0.3), (20, 0.05), (20, 0.5), (20, 0.97), (3000, 0.001), (50, 0), (50, 1)],
)
def test_binomial(total: int, share: float) -> None:
    check(lambda rng: binomial(rng, total, share), total * share, total * share * (1 - share))


def test_arms_get_their_part_of_the_traffic_and_their_rates() -> None:
    objectives = (errors("e", 0.9), latency("l", 0.3, 0.9, (0.3, 0.4)), restarts())
    draw = draw_from(
        random.Random(3), objectives, 100, 5, {"e": 0.1, "l": 0.4}, {"e": 0.05, "l": 0.2}
    )
    samples = [draw(5.0 * i, 0.25) for i in range(200)]

    assert all(set(sample) == {"e", "l"} for sample in samples)
    total = sum(sample["e"].candidate.total for sample in samples)
    assert total == sum(sample["l"].candidate.total for sample in samples)
    assert total == pytest.approx(25_000, abs=5 * 25_000**0.5)
    bad = sum(sample["e"].candidate.bad_at_most for sample in samples)
    assert bad == pytest.approx(2500, abs=5 * 2500**0.5)
    slow = sum(sample["l"].stable.bad_at_least for sample in samples)
    assert slow == pytest.approx(15_000, abs=5 * 15_000**0.5)
    far = sum(sample["l"].stable.far for sample in samples)
    assert far == pytest.approx(7500, abs=5 * 7500**0.5)
