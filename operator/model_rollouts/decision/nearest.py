"""The distributions within a tolerance that are nearest to what was seen.

Distributions are shares of bins that sum to 1. Their distance is the total variation: half the sum
of the absolute differences, which is the share of requests that would have to be in other bins.
"Nearest" is in relative entropy: the maximum of sum(weight * log(share)), the reverse information
projection (Csiszar, Matus 2003). It makes weight / nearest a numeraire: no distribution within the
tolerance gives that ratio a mean above 1 (Grunwald, de Heide, Koolen, "Safe testing", JRSS B 2024).
"""

import math
from collections.abc import Sequence

_LEAST_SHARE = 1e-13
"""Of the weights: a bin without any is a bin with next to none, so that logarithms are finite."""
_HALVINGS = 60


def total_variation(first: Sequence[float], second: Sequence[float]) -> float:
    """The distance of two distributions over the same bins, from 0 to 1."""
    return math.fsum([abs(a - b) for a, b in zip(first, second, strict=True)]) / 2


def shares(weights: Sequence[float]) -> list[float]:
    """The weights of bins as a distribution; their sum must be positive."""
    total = math.fsum(weights)
    return [each / total for each in weights]


def nearest(
    weights: Sequence[float], reference: Sequence[float], tolerance: float
) -> tuple[float, ...]:
    """Of the distributions within `tolerance` of `reference`, the one nearest to `weights`.

    Weights are not negative, with a positive sum; tolerance is above 0 and below 1. Water-filling:
    bins whose weight / reference is above a level are raised to weight / level, those below another
    one are lowered to weight / that level, the others keep the reference. Levels follow from what
    bins may gain and lose together, which is `tolerance`.
    """
    seen = _positive(weights)
    if total_variation(seen, reference) <= tolerance:
        return tuple(seen)
    order = sorted(range(len(seen)), key=lambda i: _ratio(seen[i], reference[i]), reverse=True)
    upper, weight, mass = 0.0, 0.0, tolerance
    for index in order:
        weight, mass = weight + seen[index], mass + reference[index]
        upper = max(upper, weight / mass)
    lower, weight, mass = math.inf, 0.0, -tolerance
    for index in reversed(order):
        weight, mass = weight + seen[index], mass + reference[index]
        if mass > 0:
            lower = min(lower, weight / mass)
    found = []
    for one, base in zip(seen, reference, strict=True):
        if one > upper * base:
            found.append(one / upper)
        elif one < lower * base:
            found.append(one / lower)
        else:
            found.append(base)
    return tuple(found)


def nearest_pair(
    first: Sequence[float], second: Sequence[float], tolerance: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of all pairs of distributions within `tolerance` of each other, the nearest to both weights.

    The maximum of sum(first * log(p)) + sum(second * log(r)), with the sums of the weights as they
    are: more of one arm bind its distribution more. By its conditions of Karush, Kuhn and Tucker,
    bins are upper (p > r), lower (p < r) or equal, in the order of first / second. For a common
    multiplier S the levels of upper and lower bins are the roots of quadratic equations, and equal
    bins get (first + second) / S. S is halved down to until the shares sum to 1.
    """
    n, m = math.fsum(first), math.fsum(second)
    one, other = _positive(first), _positive(second)
    if total_variation(one, other) <= tolerance:
        return tuple(one), tuple(other)
    pairs = [(n * a, m * b) for a, b in zip(one, other, strict=True)]
    in_order = sorted(pairs, key=lambda pair: pair[0] / pair[1], reverse=True)
    low, high = (n + m) / 2, n + m
    while math.fsum([p for p, _ in _with_multiplier(pairs, in_order, low, tolerance)]) < 1:
        low, high = low / 2, low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if math.fsum([p for p, _ in _with_multiplier(pairs, in_order, middle, tolerance)]) < 1:
            high = middle
        else:
            low = middle
    found = _with_multiplier(pairs, in_order, (low + high) / 2, tolerance)
    return tuple(p for p, _ in found), tuple(r for _, r in found)


def _with_multiplier(
    pairs: Sequence[tuple[float, float]],
    in_order: Sequence[tuple[float, float]],
    multiplier: float,
    tolerance: float,
) -> list[tuple[float, float]]:
    """The shares of both in each bin when their multipliers sum to `multiplier`."""
    raised, under = _levels(in_order, multiplier, tolerance)
    lifted, lowered = _levels([(b, a) for a, b in reversed(in_order)], multiplier, tolerance)
    found = []
    for a, b in pairs:
        if a * under > b * raised:
            found.append((a / raised, b / under))
        elif b * lowered > a * lifted:
            found.append((a / lowered, b / lifted))
        else:
            found.append(((a + b) / multiplier,) * 2)
    return found


def _levels(
    in_order: Sequence[tuple[float, float]], multiplier: float, tolerance: float
) -> tuple[float, float]:
    """The largest root x of a / x - b / y = tolerance with x + y = multiplier, and its y.

    a and b are sums of a prefix. Written so that neither is a difference of nearly equal numbers,
    because one version may have a million times the requests of the other.
    """
    best, rest = 0.0, multiplier
    a = b = 0.0
    span = tolerance * multiplier
    for one, other in in_order:
        a, b = a + one, b + other
        excess = a + b - span
        root = math.sqrt(excess * excess + 4 * span * b)
        x = 2 * a * multiplier / (a + b + span + root)
        if excess > 0:
            y = 2 * b * multiplier / (excess + root)
        else:
            y = (root - excess) / (2 * tolerance)
        if x > best if x < y else y < rest:
            best, rest = x, y
    return best, rest


def _positive(weights: Sequence[float]) -> list[float]:
    total = math.fsum(weights)
    return shares([max(each, _LEAST_SHARE * total) for each in weights])


def _ratio(weight: float, base: float) -> float:
    return weight / base if base else math.inf
