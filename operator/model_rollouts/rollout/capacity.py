"""How many pods a share of users takes."""

import math
from fractions import Fraction

MARGIN = Fraction(12, 10)
"""A candidate with few pods gets its share less evenly than stable with many."""


def pods(stable: int, share: Fraction) -> int:
    """Pods for `share` of the users that `stable` pods serve now, at least 1.

    Never more than `stable`: those serve all users today.
    """
    return min(max(stable, 1), max(1, math.ceil(stable * share * MARGIN)))


def mirrored(stable: int, percent: int, peak: Fraction | None) -> int:
    """Pods for copies of `percent` of the requests that `stable` pods serve now, at least 1.

    With `peak`, so many times fewer than that share of `stable`: each pod then carries the load
    that it would carry if there were `peak` times as many requests.
    """
    share = Fraction(percent, 100)
    if peak is None:
        return pods(stable, share)
    return max(1, math.ceil(stable * share / peak))


def least(replicas: int) -> int:
    """Pods of stable that must be ready for users to be served as promised: three quarters.

    Kubernetes takes the same share of a Deployment for available by default.
    """
    return max(1, replicas - replicas // 4)
