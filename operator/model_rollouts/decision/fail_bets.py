"""Bets against "good", whose winnings are the evidence for Fail.

Wealth is spread over the grid of worse rates, with fresh starts every minute, against the target
and against stable. Where errors come in bursts, half of it is bet on the mean of blocks instead.
"""

import math
from collections.abc import Sequence

from model_rollouts.decision.alternatives import (
    BLOCK_MINUTES,
    DEFLATED_CAP,
    START_WEIGHT,
    worse_rates,
    worse_weights,
)
from model_rollouts.decision.block_bets import Betting
from model_rollouts.decision.counts import Sample
from model_rollouts.decision.evalue import StableBet, stable_log_evalues, target_coefficients
from model_rollouts.decision.evidence import Evidence, FailEvidence
from model_rollouts.decision.objective import LARGEST_BAD_SHARE, Compare, Objective
from model_rollouts.decision.rules import Dispersion

_LARGEST_LOG = 600.0


class Failing:
    """One objective's tables for Fail. Stateless: every method takes the evidence."""

    __slots__ = (
        "_betting",
        "_compare",
        "_dispersion",
        "_slack",
        "_stable_bets",
        "_stable_log_weights",
        "_stable_share",
        "_target_coefficients",
        "_target_log_weights",
        "_target_share",
        "seal_minutes",
    )

    def __init__(self, objective: Objective, compare: Compare, dispersion: Dispersion) -> None:
        self._compare = compare
        self._dispersion = dispersion.stable
        self._slack = objective.slack * objective.good
        uses_target = compare is not Compare.STABLE
        uses_stable = compare is not Compare.TARGET
        good, times = objective.good, objective.good_times_stable
        bursts = dispersion.plateau is not None
        on_target = bursts and uses_target and dispersion.target > 1
        on_stable = bursts and uses_stable and dispersion.stable > 1
        self._betting: Betting | None = None
        if dispersion.plateau is not None and (on_target or on_stable):
            self._betting = Betting(
                plateau=dispersion.plateau,
                target=on_target,
                stable_dispersion=dispersion.stable if on_stable else None,
                good=good,
                times=times,
                slack=self._slack,
            )
        # Half of the wealth is in the other bets, where there are any.
        self._target_share = 0.5 if on_target else 1.0
        self._stable_share = 0.5 if on_stable else 1.0
        target_rates = _worse_rates(objective, dispersion.target) if uses_target else ()
        stable_rates = _worse_rates(objective, dispersion.stable) if uses_stable else ()
        self._target_log_weights = _log_weights(target_rates, self._target_share)
        self._stable_log_weights = _log_weights(stable_rates, self._stable_share)
        self._target_coefficients = tuple(
            target_coefficients(
                good, rate * good, events=objective.is_rate, dispersion=dispersion.target
            )
            for rate in target_rates
        )
        self._stable_bets = tuple(StableBet.of(times, rate * times) for rate in stable_rates)
        self.seal_minutes = _seal_minutes(self._betting)
        """Length of the blocks of time in which Auto assumes that one clause of "good" holds."""

    def start(self) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
        """No evidence: `fail_target`, `fail_stable` and `betting` of an `Evidence`."""
        start = math.log(START_WEIGHT)
        return (
            tuple(weight + start for weight in self._target_log_weights),
            tuple(weight + start for weight in self._stable_log_weights),
            self._betting.start() if self._betting else (),
        )

    def restart(self, evidence: Evidence, weight: float) -> Evidence:
        """Bets `weight` of the unspent wealth on "it turns bad now"."""
        fresh = math.log(weight)
        return evidence._replace(
            fail_target=_restarted(evidence.fail_target, self._target_log_weights, fresh),
            fail_stable=_restarted(evidence.fail_stable, self._stable_log_weights, fresh),
        )

    def seal(self, evidence: Evidence, now: float, unspent: float) -> Evidence:
        """A block is over: Auto keeps what it won, and the other part may count in the next."""
        if self._compare is not Compare.AUTO:
            return evidence
        if self._betting:
            evidence = evidence._replace(betting=self._betting.advance(evidence.betting, now))
        fail = self.value(evidence, unspent)
        target, stable = math.log(fail.target), math.log(fail.stable)
        won = min(target - evidence.block_target, stable - evidence.block_stable)
        return evidence._replace(
            sealed=evidence.sealed + won, block_target=target, block_stable=stable
        )

    def update(
        self, evidence: Evidence, start: float, end: float, sample: Sample
    ) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
        """`fail_target`, `fail_stable` and `betting` after one interval."""
        fail_target, fail_stable, *_ = evidence
        candidate, stable = sample.candidate, sample.stable
        total = candidate.total
        if total > 0:
            # Between two bucket edges each count takes the value that hurts the claim.
            bad = candidate.bad_at_least
            fail_target = tuple(
                [
                    log + bad * u + total * v
                    for log, (u, v) in zip(fail_target, self._target_coefficients, strict=True)
                ]
            )
            if stable.total > 0 and self._stable_bets:
                factors = stable_log_evalues(
                    total,
                    bad,
                    stable.total,
                    stable.bad_at_most,
                    self._stable_bets,
                    self._slack,
                    self._dispersion,
                )
                fail_stable = tuple(
                    [log + factor for log, factor in zip(fail_stable, factors, strict=True)]
                )
        betting = evidence.betting
        if self._betting:
            betting = self._betting.update(betting, start, end, sample)
        return fail_target, fail_stable, betting

    def value(self, evidence: Evidence, unspent: float) -> FailEvidence:
        """E-values against "good", with the wealth not yet bet on late regressions.

        Auto takes the smaller growth in each block of time: whichever clause of "good" holds
        there, it is below the growth that this clause keeps fair.
        """
        target = self._target_share * unspent + math.fsum(map(bounded_exp, evidence.fail_target))
        stable = self._stable_share * unspent + math.fsum(map(bounded_exp, evidence.fail_stable))
        if self._betting:
            on_target, on_stable = self._betting.values(evidence.betting)
            target += (1 - self._target_share) * on_target
            stable += (1 - self._stable_share) * on_stable
        if self._compare is Compare.TARGET:
            return FailEvidence(target, 1.0, target)
        if self._compare is Compare.STABLE:
            return FailEvidence(1.0, stable, stable)
        decides = min(
            target * math.exp(evidence.sealed - evidence.block_target),
            stable * math.exp(evidence.sealed - evidence.block_stable),
        )
        return FailEvidence(target, stable, decides)

    def peak(self, evidence: Evidence) -> float:
        """The largest log wealth that could decide: `value` is at most GRID times as much.

        Cheap, because it is asked after every interval. Auto holds no more than either part.
        """
        target = max(evidence.fail_target, default=-math.inf)
        stable = max(evidence.fail_stable, default=-math.inf)
        if self._betting:
            bets = math.log(self._betting.bound(evidence.betting))
            if self._target_share < 1:
                target = max(target, bets)
            if self._stable_share < 1:
                stable = max(stable, bets)
        if self._compare is Compare.TARGET:
            return target
        if self._compare is Compare.STABLE:
            return stable
        return min(target, stable)


def _worse_rates(objective: Objective, dispersion: float) -> tuple[float, ...]:
    largest = math.inf if objective.is_rate else LARGEST_BAD_SHARE / objective.good
    if dispersion > 1:
        largest = min(largest, DEFLATED_CAP)
    return worse_rates(objective.bad / objective.good, largest)


def _log_weights(rates: tuple[float, ...], share: float) -> tuple[float, ...]:
    return tuple(math.log(share * weight) for weight in worse_weights(rates))


def _seal_minutes(betting: Betting | None) -> int:
    """Ten minutes, or more to be whole blocks of bets: a bet that is open is not to be divided."""
    minutes = round(betting.later / 60) if betting else 1
    return minutes * -(-BLOCK_MINUTES // minutes)


def bounded_exp(log: float) -> float:
    """The exponential, without overflow."""
    return math.exp(log if log < _LARGEST_LOG else _LARGEST_LOG)


def _restarted(
    logs: Sequence[float], log_weights: tuple[float, ...], fresh: float
) -> tuple[float, ...]:
    return tuple(
        [_log_add(log, weight + fresh) for log, weight in zip(logs, log_weights, strict=True)]
    )


def _log_add(first: float, second: float) -> float:
    high, low = (first, second) if first > second else (second, first)
    return high + math.log1p(math.exp(low - high))
