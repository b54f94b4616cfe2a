"""What one look may win: the counts of one interval may have one cause.

A client that repeats a failed request makes many of them, all at one version. So wealth that a
look won beyond a limit is thrown away, which keeps every fair bet fair.
"""

import math
from collections.abc import Sequence
from typing import Final

BURST: Final = 50.0
"""Bad requests of one look that count as a single one: what one client repeats."""

_IN_TWO_LOOKS: Final = 0.8
"""The most that each objective wins in two looks, of the mean with which a rollout ends."""

_ROUNDED: Final = 1e-9
_LARGEST_LOG: Final = 600.0


def largest_win(mean_needed: float, needed: float, *, known: bool) -> float:
    """By how much two looks may multiply the evidence of one objective for Fail.

    What a client repeats within seconds lies in two looks at most. `mean_needed` is the mean
    evidence of all objectives with which a rollout ends: if all of them win as much, it is not
    reached. `needed` is the evidence of this one with which it alone ends a rollout: the third look
    reaches it. Where it is not `known` how bad requests come in bursts, two of them must not be
    enough either: it is the root of that, and the breaker finds a total outage in the third look.
    """
    most = _IN_TWO_LOOKS * mean_needed
    return max(most, math.sqrt(needed) * (1 + _ROUNDED)) if known else math.sqrt(most)


def limited(logs: Sequence[float], floors: Sequence[float], total: float) -> tuple[float, ...]:
    """The log wealth of bets, of which together no more than the log `total` is kept.

    Each keeps up to the same multiple of its floor: those that won least lose nothing, so that
    what is found next is found by the bets that fit it.
    """
    if log_sum(logs) <= total:
        return tuple(logs)
    pairs = sorted(zip(logs, floors, strict=True), key=lambda pair: pair[0] - pair[1])
    kept, open_floors = 0.0, -math.inf
    for index, (log, floor) in enumerate(pairs):
        open_floors = log_sum([each for _, each in pairs[index:]])
        if kept + bounded_exp(open_floors + log - floor - total) >= 1 or index == len(pairs) - 1:
            break
        kept += math.exp(log - total)
    most = math.log(max(1 - kept, _ROUNDED)) + total - open_floors
    return tuple([min(log, floor + most) for log, floor in zip(logs, floors, strict=True)])


def log_sum(logs: Sequence[float]) -> float:
    """The logarithm of the sum of what `logs` are of; minus infinity for none."""
    if not logs:
        return -math.inf
    largest = max(logs)
    return largest + math.log(sum([math.exp(log - largest) for log in logs]))


def bounded_exp(log: float) -> float:
    """The exponential, without overflow."""
    return math.exp(log if log < _LARGEST_LOG else _LARGEST_LOG)
