"""The steps of a canary: shares of users, the pods that each takes, and what fewer pods allow.

Pure numbers. A version that is judged gets pods for its share, with a margin: few pods get their
share less evenly than many. Those for the next share are started ahead of its users.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from model_rollouts.decision.counts import COMPARABLE_LOAD

MARGIN = Fraction(12, 10)
"""A candidate with few pods gets its share less evenly than stable with many."""

ROUNDING = Fraction(1, 1_000_000)
"""The finest weight of a route: a third is never quite a third, and takes no pod more for that."""

_ALL = Fraction(1)
_COMPARABLE = Fraction(str(COMPARABLE_LOAD))
_PERCENT = Fraction(1, 100)


class Step(NamedTuple):
    """A share of users that a version gets, and the steps of the spec that became it.

    `proof` is the smallest of those: what is proven for a step holds for every smaller share.
    `pods` are those that it has on this step for each pod of stable.
    """

    weight: Fraction
    asked: tuple[Fraction, ...]
    pods: Fraction = _ALL

    @property
    def proof(self) -> Fraction:
        """The step of the spec that has to be proven."""
        return self.asked[0]

    @property
    def is_reduced(self) -> bool:
        """Whether pods are too few for what the spec asks."""
        return self.weight < self.asked[-1]

    @property
    def is_all(self) -> bool:
        """Whether it is the promotion."""
        return self.weight == _ALL


def extra_pods(allowed: int | None) -> int | None:
    """Pods that a candidate may have beyond those of stable, None for no bound.

    `allowed` is `strategy.maxExtraReplicas`. With none to spare stable lends one.
    """
    return None if allowed is None else max(1, allowed)


def pods_for(stable: int, share: Fraction, extra: int | None = None) -> int:
    """Pods that a candidate may run for `share`, at least 1: of users, or of copies in a shadow.

    Two where each of them still carries a load comparable to that of a stable pod.
    Never more than `stable`, the pods that serve all users today, nor than `extra`, where that is
    given: see `largest_share` for what so few pods may have.
    """
    wanted = max(1, math.ceil(stable * share * MARGIN))
    if wanted == 1 and stable * share >= 2 * _COMPARABLE * (1 - share):
        # With one alone a node that is drained ends all of it.
        wanted = 2
    wanted = min(max(stable, 1), wanted)
    return wanted if extra is None else min(wanted, extra)


def largest_share(stable: int, extra: int | None) -> Fraction:
    """The largest share that takes no more than `extra` pods; all of it when there is no bound.

    In whole percents, or in millionths where it is less than one.
    """
    if extra is None or extra >= stable:
        return _ALL
    share = extra / (stable * MARGIN)
    unit = _PERCENT if share >= _PERCENT else ROUNDING
    return share // unit * unit


def allowed_steps(asked: Iterable[Fraction], stable: int, extra: int | None) -> tuple[Step, ...]:
    """The steps that `extra` pods allow of those that are `asked`, ascending, and all at the end.

    Steps that become the same share are one.
    """
    most = largest_share(stable, extra)
    found: dict[Fraction, tuple[Fraction, ...]] = {}
    for share in asked:
        weight = min(share, most)
        found[weight] = (*found.get(weight, ()), share)
    weights = itertools.pairwise((*found, _ALL))
    ahead = {
        weight: Fraction(pods_for(stable, later, extra), max(stable, 1))
        for weight, later in weights
    }
    return (
        *(Step(weight, became, ahead[weight]) for weight, became in found.items()),
        Step(_ALL, (_ALL,)),
    )


def next_step(steps: Sequence[Step], share: Fraction) -> Step:
    """The first step above the share that a candidate has."""
    return next(step for step in steps if step.weight > share)
