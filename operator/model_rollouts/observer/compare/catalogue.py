"""The table of comparisons: how far two values are apart, and whether that is a disagreement."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from model_rollouts.observer.protocols import Value

LARGEST = sys.float_info.max
"""A distance that no double holds is told as the largest one, so that JSON can carry it."""

_ROUNDING = 1e-9
"""0.31 - 0.3 is a little more than 0.01: a difference that is only that of rounding is none."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What of two answers is compared, and how.

    `output` is the name of a tensor, None for the only one. Scores may be `amount` apart, times
    stable's score with `is_relative`. `digest` names the comparison in counts. `against_itself`:
    only requests count to which stable answered twice.
    """

    digest: str
    of: str
    output: str | None = None
    amount: float = 0.0
    is_relative: bool = False
    against_itself: bool = False


Distance = Callable[[Comparison, Value, Value], float]
"""Stable's and the candidate's value to how far they are apart; 0 when they agree."""


def label(comparison: Comparison, stable: Value, candidate: Value) -> float:
    """0 when they are equal, 1 when not. A text never equals a number."""
    return 0.0 if stable == candidate else 1.0


def score(comparison: Comparison, stable: Value, candidate: Value) -> float:
    """How far two numbers are apart, 0 within the tolerance; texts agree only when equal."""
    if isinstance(stable, str) or isinstance(candidate, str):
        return label(comparison, stable, candidate)
    try:
        distance = abs(float(stable) - float(candidate))
        allowed = comparison.amount * (abs(float(stable)) if comparison.is_relative else 1.0)
    except OverflowError:
        # Whole numbers of JSON have no bounds.
        return 0.0 if stable == candidate else LARGEST
    rounding = _ROUNDING * (allowed + abs(float(stable)) * sys.float_info.epsilon / _ROUNDING)
    return 0.0 if distance <= allowed + rounding else min(distance, LARGEST)


COMPARISONS: dict[str, Distance] = {"Label": label, "Score": score}
