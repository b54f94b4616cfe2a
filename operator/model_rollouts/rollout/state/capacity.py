"""How many pods mirrored requests take, and who serves whom while pods take each other's place.

Pure numbers. A version that is judged has pods for its share with a margin (`decision.pods_for`).
Pods that take each other's place are `carrying` their share without one, as those of stable do
today: with a margin on both sides none would be free.
"""

import math
from collections.abc import Iterable
from fractions import Fraction

from model_rollouts.decision import ROUNDING, largest_share, pods_for

_ALL = Fraction(1)


def mirrored(stable: int, percent: int, peak: Fraction | None, extra: int | None = None) -> int:
    """Pods for copies of `percent` of the requests that `stable` pods serve now, at least 1.

    With `peak`, so many times fewer than that share of `stable`: each pod then carries the load
    that it would carry if there were `peak` times as many requests. Never more than `extra`, where
    that is given: see `largest_mirror`.
    """
    share = Fraction(percent, 100)
    if peak is None:
        return pods_for(stable, share, extra)
    wanted = max(1, math.ceil(stable * share / peak))
    return wanted if extra is None else min(wanted, extra)


def largest_mirror(stable: int, extra: int | None, peak: Fraction | None) -> int:
    """The largest share of requests whose copies take no more than `extra` pods.

    In whole percents, the finest that a gateway copies, and at least one.
    """
    if extra is None:
        return 100
    share = largest_share(stable, extra) if peak is None else peak * extra / max(stable, 1)
    return min(100, max(1, math.floor(share * 100)))


def least(replicas: int) -> int:
    """Pods of stable that must be ready for users to be served as promised: three quarters.

    Kubernetes takes the same share of a Deployment for available by default.
    """
    return replicas - replicas // 4


def carrying(users: int, share: Fraction) -> int:
    """Pods that serve `share` of the users as well as `users` pods serve all of them."""
    return math.ceil(users * max(share - ROUNDING, Fraction(0)))


def carried(users: int, ready: int) -> Fraction:
    """The share that `ready` pods serve as well as `users` pods serve everybody, in millionths."""
    return rounded(min(_ALL, Fraction(ready, max(users, 1))))


def kept(users: int, taking: int, leaving: int, weight: Fraction) -> Fraction:
    """The share that a version keeps for now, which has `weight` and is rolled back.

    `taking` and `leaving` are the ready pods of the version that takes its users over, and its own.
    Nothing is kept once the one that takes over has as many as promised of the `users` pods that
    serve everybody, or of those that serve now where they are fewer. Before that each of its pods
    gets what one of those has. A version without a ready pod keeps nobody.
    """
    serving = min(users, taking + leaving)
    if leaving == 0 or taking >= least(serving):
        return Fraction(0)
    return min(weight, rounded(1 - Fraction(taking, serving)))


def allot(most: int | None, claims: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Pods by revision, `most` together where that is given.

    Each claim raises a revision to so many pods, as far as there are any left: the first comes
    first.
    """
    given: dict[str, int] = {}
    for revision, wanted in claims:
        has = given.get(revision, 0)
        left = wanted if most is None else most - sum(given.values())
        given[revision] = has + max(0, min(wanted - has, left))
    return given


def rounded(weight: Fraction) -> Fraction:
    """The weight in whole millionths, the finest that a route can carry."""
    return round(weight / ROUNDING) * ROUNDING
