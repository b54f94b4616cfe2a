"""How much errors come in bursts, measured on the history of the service before the rollout.

Retries, outages and bad hosts make errors arrive together; ten errors of one burst are no more
evidence than one. Dispersion is variance / mean of the error count; evidence is divided by it.
It is measured once and fixed, because a value tuned to the rollout would void the guarantee.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from model_rollouts.decision.rules import UNKNOWN, Dispersion

DISPERSION_BLOCK = 15.0
"""Resolution of the history in seconds."""
_LEAST_HISTORY = 6 * 3600.0
_LEAST_BLOCKS = 60
_LEAST_BAD = 5
"""With fewer bad answers, not even errors that all come in pairs would be seen: a dispersion of 2
is within three standard errors of 1. A history that shows no burst then shows nothing."""
_STILL_GROWS = 1.25
_SURE = 3.0
"""Standard errors above 1 that count as bursts. A day is looked at in seven lengths: by the union
bound over them, independent errors are taken for bursts in about one day of a hundred."""

Block = tuple[float, float]
"""(total, bad) of one block of history."""


def measure(
    history: Sequence[Block],
    halves: tuple[Sequence[Block], Sequence[Block]] | None = None,
    *,
    block: float = DISPERSION_BLOCK,
) -> Dispersion:
    """The dispersions from stable's history, best a day of it, in blocks of `block` seconds.

    `halves` are the same blocks for two halves of stable's pods: between them shared outages
    cancel, as they do between candidate and stable. With one pod there are no halves, and the
    comparison with stable gets the dispersion of the whole. `plateau` is the longer of the two
    times in which errors come together. Less than six hours, or fewer than five bad answers:
    UNKNOWN.
    Raises ValueError when the halves have different lengths.
    """
    if halves and len(halves[0]) != len(halves[1]):
        raise ValueError(
            f"halves: found {len(halves[0])} and {len(halves[1])} blocks, "
            "give the same number for both"
        )
    if len(history) * block < _LEAST_HISTORY or sum([bad for _, bad in history]) < _LEAST_BAD:
        return UNKNOWN
    target = against_target(history)
    stable = target
    if halves is not None and len(halves[0]) * block >= _LEAST_HISTORY:
        stable = between_halves(*halves)
    lengths = [curve.plateau * block for curve in (target, stable) if curve.dispersion > 1]
    return Dispersion(
        target.dispersion, stable.dispersion, plateau=max(lengths) if lengths else None
    )


class Curve(NamedTuple):
    """Dispersion, at least 1, and the length at which it stops growing, in blocks of history."""

    dispersion: float
    plateau: int


def against_target(history: Sequence[Block]) -> Curve:
    """Variance / mean of the errors, from differences of successive blocks.

    sum (x_b - x_b+1)^2 / (1/n_b + 1/n_b+1) / ((B - 1) p), x the error share of a block (von
    Neumann's successive differences, which ignore slow drift such as day and night). Blocks are
    doubled while 60 remain; the largest value counts that is above 1 beyond its sampling error.
    """
    estimates = []
    blocks = [(n, d) for n, d in history if n > 0]
    while len(blocks) >= _LEAST_BLOCKS:
        bad = sum([d for _, d in blocks])
        if not bad:
            break
        share = bad / sum([n for n, _ in blocks])
        scaled = [(d / n, 1 / n) for n, d in blocks]
        squares = sum([(x - y) ** 2 / (v + w) for (x, v), (y, w) in itertools.pairwise(scaled)])
        estimates.append(_Estimate(squares / ((len(blocks) - 1) * share), bad, len(blocks)))
        blocks = _doubled(blocks)
    return _curve(estimates)


def between_halves(first: Sequence[Block], second: Sequence[Block]) -> Curve:
    """The same between two halves of the pods, given what both had together.

    sum (d_A - D n_A / n)^2 / sum D n_A n_B / n^2: the variance of one half's share of the errors
    over its binomial variance. Both have the same blocks.
    """
    estimates = []
    one, two = list(first), list(second)
    while len(one) >= _LEAST_BLOCKS:
        used = [
            (d, d + e, n, n + m) for (n, d), (m, e) in zip(one, two, strict=True) if n > 0 and m > 0
        ]
        expected = sum([errors * n * (total - n) / total**2 for _, errors, n, total in used])
        if not expected:
            break
        squares = sum([(d - errors * n / total) ** 2 for d, errors, n, total in used])
        bad = sum([errors for _, errors, _, _ in used])
        estimates.append(_Estimate(squares / expected, bad, len(used)))
        one, two = _doubled(one), _doubled(two)
    return _curve(estimates)


class _Estimate(NamedTuple):
    value: float
    bad: float
    blocks: int

    @property
    def is_sure(self) -> bool:
        """Whether it exceeds 1 by more than chance explains.

        With m independent errors a block, the variance of the estimate is (3 + 1/m) / B where their
        rate is known and 3 / B where it is estimated from the same errors; half of 1/m is left for
        the skewness of few errors and for uneven traffic.
        """
        error = math.sqrt((3 + 0.5 * self.blocks / self.bad) / self.blocks)
        return self.value - _SURE * error > 1


def _curve(estimates: Sequence[_Estimate]) -> Curve:
    """From estimates at lengths 1, 2, 4, ...: errors of one burst are all in one longer block.

    The plateau is the first length after which doubling adds less than a quarter, and the longest
    there is when none does.
    """
    largest = max((e.value for e in estimates if e.is_sure), default=1.0)
    plateau = 1
    for shorter, longer in itertools.pairwise(estimates):
        if longer.value < _STILL_GROWS * shorter.value:
            break
        plateau *= 2
    return Curve(max(largest, 1.0), plateau)


def _doubled(blocks: Sequence[Block]) -> list[Block]:
    return [(n + m, d + e) for (n, d), (m, e) in zip(blocks[::2], blocks[1::2], strict=False)]
