"""Logarithms of the e-values of one interval: the formulas everything else rests on.

An e-value is a number that a true null hypothesis keeps at or below 1 in expectation, given the
past. Products of e-values of successive intervals exceed 1/alpha with probability at most alpha
*at any time* (Ville 1939), however often one looks. docs/decisions.md holds the proofs.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple


def target_coefficients(
    limit: float, alternative: float, *, events: bool, dispersion: float
) -> tuple[float, float]:
    """(u, v) such that the log e-value of `bad` in `total` is bad * u + total * v.

    The null is "the rate is at most `limit`" when `alternative` is above it and "at least" when
    below. Requests (`events` False, dispersion 1): the Bernoulli likelihood ratio (Wald 1945),
    valid whenever every request's conditional probability obeys the null. Events, or bad requests
    that come in bursts of the given dispersion (variance / mean): the Poisson likelihood ratio
    to the power 1 / dispersion.
    """
    ratio = math.log(alternative / limit)
    if events or dispersion > 1:
        return ratio / dispersion, (limit - alternative) / dispersion
    rest = math.log1p(-alternative) - math.log1p(-limit)
    return ratio - rest, rest


class StableBet(NamedTuple):
    """A bet that candidate / stable is `alternative`, against the null that it is `limit`."""

    limit: float
    alternative: float
    ratio: float
    log_ratio: float

    @classmethod
    def of(cls, limit: float, alternative: float) -> "StableBet":
        """The bet with its table entries; both rates are multiples of stable's."""
        ratio = alternative / limit
        return cls(limit, alternative, ratio, math.log(ratio))


def stable_log_evalues(
    total: float,
    bad: float,
    stable_total: float,
    stable_bad: float,
    bets: Iterable[StableBet],
    slack: float,
    dispersion: float,
) -> list[float]:
    """Log e-values of one interval against concurrent stable, one for each bet.

    With limit R, alternative A, y = (total R + stable_total) / (total A + stable_total) and
    x = y A / R the e-value is x^bad y^stable_bad exp(-total slack (x - 1)), to the power
    1 / dispersion. The null is candidate rate <= R * stable's + slack (>= when A < R); `slack` is
    a rate. It is "who got the next bad one?" conditioned on how requests were split, so stable's
    rate and the split may change from one interval to the next (compare Lindon, Malek,
    NeurIPS 2022). Both totals must be positive.
    """
    drift = total * slack / dispersion
    if not bad and not stable_bad:
        return [
            drift * (1 - (total * limit + stable_total) / (total * other + stable_total) * ratio)
            for limit, other, ratio, _ in bets
        ]
    both = (bad + stable_bad) / dispersion
    bad /= dispersion
    log = math.log
    return [
        drift * (1 - (y := (total * limit + stable_total) / (total * other + stable_total)) * ratio)
        + bad * log_ratio
        + both * log(y)
        for limit, other, ratio, log_ratio in bets
    ]


def stable_bad_logs(
    total: float, stable_total: float, bets: Iterable[StableBet], dispersion: float
) -> list[float]:
    """What one more bad request of stable adds to each log e-value of such an interval: log y."""
    log = math.log
    return [
        log((total * limit + stable_total) / (total * other + stable_total)) / dispersion
        for limit, other, _, _ in bets
    ]
