"""How much errors come in bursts, measured on the history of the service before the rollout.

Retries, outages and bad hosts make errors arrive together; ten errors of one burst are no more
evidence than one. Dispersion is variance / mean of the error count; evidence is divided by it.
It is measured once and fixed, because a value tuned to the rollout would void the guarantee.
"""

import itertools
import math
from collections.abc import Sequence

from model_rollouts.decision.rules import UNKNOWN, Dispersion

BLOCK = 15.0
"""Resolution of the history in seconds."""
_LEAST_HISTORY = 6 * 3600.0
_LEAST_BLOCKS = 60

Block = tuple[float, float]
"""(total, bad) of one block of history."""


def measure(
    history: Sequence[Block],
    halves: tuple[Sequence[Block], Sequence[Block]] | None = None,
    *,
    block: float = BLOCK,
) -> Dispersion:
    """The dispersions from stable's history, best a day of it, in blocks of `block` seconds.

    `halves` are the same blocks for two halves of stable's pods: between them shared outages
    cancel, as they do between candidate and stable. With one pod there are no halves, and the
    comparison with stable gets the dispersion of the whole. Less than six hours: UNKNOWN.
    Raises ValueError when the halves have different lengths.
    """
    if halves and len(halves[0]) != len(halves[1]):
        raise ValueError(
            f"halves: found {len(halves[0])} and {len(halves[1])} blocks, give the same for both"
        )
    if len(history) * block < _LEAST_HISTORY:
        return UNKNOWN
    target = against_target(history)
    if halves is None or len(halves[0]) * block < _LEAST_HISTORY:
        return Dispersion(target, target)
    return Dispersion(target, between_halves(*halves))


def against_target(history: Sequence[Block]) -> float:
    """Variance / mean of the errors, at least 1, from differences of successive blocks.

    sum (x_b - x_b+1)^2 / (1/n_b + 1/n_b+1) / ((B - 1) p), x the error share of a block (von
    Neumann's successive differences, which ignore slow drift such as day and night). Blocks are
    doubled while 60 remain; the largest value counts that is above 1 beyond its sampling error.
    """
    largest = 1.0
    blocks = [(n, d) for n, d in history if n > 0]
    while len(blocks) >= _LEAST_BLOCKS:
        bad = math.fsum(d for _, d in blocks)
        if not bad:
            break
        share = bad / math.fsum(n for n, _ in blocks)
        squares = math.fsum(
            (d / n - e / m) ** 2 / (1 / n + 1 / m) for (n, d), (m, e) in itertools.pairwise(blocks)
        )
        largest = _larger(largest, squares / ((len(blocks) - 1) * share), bad, len(blocks))
        blocks = _doubled(blocks)
    return largest


def between_halves(first: Sequence[Block], second: Sequence[Block]) -> float:
    """The same between two halves of the pods, given what both had together.

    sum (d_A - D n_A / n)^2 / sum D n_A n_B / n^2: the variance of one half's share of the errors
    over its binomial variance. Both have the same blocks.
    """
    largest = 1.0
    one, two = list(first), list(second)
    while len(one) >= _LEAST_BLOCKS:
        squares, expected, bad, used = 0.0, 0.0, 0.0, 0
        for (n, d), (m, e) in zip(one, two, strict=True):
            if n > 0 and m > 0:
                squares += (d - (d + e) * n / (n + m)) ** 2
                expected += (d + e) * n * m / (n + m) ** 2
                bad += d + e
                used += 1
        if not expected:
            break
        largest = _larger(largest, squares / expected, bad, used)
        one, two = _doubled(one), _doubled(two)
    return largest


def _larger(largest: float, estimate: float, bad: float, blocks: int) -> float:
    """`estimate` if it exceeds both `largest` and, by two standard errors, 1."""
    error = math.sqrt((3 + blocks / bad) / blocks)
    return max(largest, estimate) if estimate - 2 * error > 1 else largest


def _doubled(blocks: Sequence[Block]) -> list[Block]:
    return [(n + m, d + e) for (n, d), (m, e) in zip(blocks[::2], blocks[1::2], strict=False)]
