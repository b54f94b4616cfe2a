"""Alternatives the evidence bets on: how much worse, how much better, and since when.

Nobody knows the true rate of a bad candidate or the minute in which it turns bad, so wealth is
spread over a doubling grid of rates and over starting times. A mixture of e-processes is an
e-process whatever the weights; the weights only decide how fast which truth is found.
"""

import math
from typing import Final

GRID: Final = 9
DEFLATED_CAP: Final = 4.0
"""Largest alternative, in multiples of the good limit, when errors come in bursts."""

PASS_SHARES: Final = (1.0, 0.5, 0.25, 0.05)
PASS_WEIGHTS: Final = (0.55, 0.25, 0.12, 0.08)
"""Alternatives on the good side in multiples of the good limit, and their weights."""

FAR_SHARES: Final = (0.7, 0.4, 0.15, 0.03)
"""The same for the dual boundary, where the limit itself is the good limit."""

BLOCK_MINUTES: Final = 10
BLOCK_BAD: Final = 2.0
"""Least length of the blocks of time in which Auto assumes that one clause of "good" holds, and how
many bad requests a candidate at its good limit has in one at least: with fewer, which of the two
comparisons grows less in a block is chance."""

START_WEIGHT: Final = 0.7
RESTART_WEIGHT: Final = 0.3
RESTART_SCALE: Final = 30.0


def worse_rates(ratio: float, largest: float) -> tuple[float, ...]:
    """Alternatives ratio * 2^k, k = 0..8, in multiples of the good limit, none above `largest`."""
    return tuple(sorted({min(ratio * 2**k, largest) for k in range(GRID)}))


def worse_weights(rates: tuple[float, ...]) -> tuple[float, ...]:
    """Weights proportional to the bad requests that one nat of evidence costs at each rate.

    At true rate r * good, one bad request brings ln r - 1 + 1/r nats (Kullback-Leibler divergence
    of Poisson rates, per bad request).
    """
    cost = [1 / (math.log(rate) - 1 + 1 / rate) for rate in rates]
    return tuple(c / sum(cost) for c in cost)


def unspent(minute: int) -> float:
    """Wealth kept for starts after `minute`: 0.3 at the beginning, half of it after 30 minutes.

    Minute j >= 1 receives 0.3 * 30 / ((j + 29)(j + 30)), which telescopes. Adding a fresh start
    every minute finds a regression that begins late as fast as one that was there from the start,
    at the price of a logarithm of the elapsed time (compare Shin, Ramdas, Rinaldo, "E-detectors").
    """
    return RESTART_WEIGHT * RESTART_SCALE / (minute + RESTART_SCALE)
