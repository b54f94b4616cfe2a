"""Bets against "good", whose winnings are the evidence for Fail.

Wealth is spread over the grid of worse rates, with fresh starts every minute, against the target
and against stable. Where errors come in bursts, half of it is bet on the mean of blocks instead.
"""

import math
from collections.abc import Sequence

from model_rollouts.decision.alternatives import (
    BLOCK_BAD,
    BLOCK_MINUTES,
    DEFLATED_CAP,
    START_WEIGHT,
    worse_rates,
    worse_weights,
)
from model_rollouts.decision.block_bets import Betting
from model_rollouts.decision.counts import Counts, Sample
from model_rollouts.decision.evalue import (
    StableBet,
    stable_bad_logs,
    stable_log_evalues,
    target_coefficients,
)
from model_rollouts.decision.evidence import Edge, Evidence, FailEvidence
from model_rollouts.decision.look_limit import BURST, bounded_exp, limited, log_sum
from model_rollouts.decision.objective import LARGEST_BAD_SHARE, Compare, Objective
from model_rollouts.decision.rules import Dispersion


class Failing:
    """One objective's tables for Fail. Stateless: every method takes the evidence."""

    __slots__ = (
        "_betting",
        "_block_total",
        "_compare",
        "_dispersion",
        "_is_rate",
        "_log_look",
        "_slack",
        "_stable_bets",
        "_stable_log_weights",
        "_stable_share",
        "_target_coefficients",
        "_target_log_weights",
        "_target_share",
        "seal_minutes",
    )

    def __init__(
        self, objective: Objective, compare: Compare, dispersion: Dispersion, look: float
    ) -> None:
        """Tables; two looks multiply the evidence by no more than `look`."""
        self._compare = compare
        self._is_rate = objective.is_rate
        self._block_total = BLOCK_BAD / objective.good
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
        self._log_look = math.log(look)
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
        """Minutes that the blocks have in which Auto assumes that one clause of "good" holds, or
        a multiple of them."""

    def start(self) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
        """No evidence: `fail_target`, `fail_stable` and `betting` of an `Evidence`."""
        start = math.log(START_WEIGHT)
        return (
            tuple(weight + start for weight in self._target_log_weights),
            tuple(weight + start for weight in self._stable_log_weights),
            self._betting.start() if self._betting else (),
        )

    def restart(self, evidence: Evidence, weight: float) -> Evidence:
        """Bets `weight` of the unspent wealth on "it turns bad now".

        Bad requests of stable that may belong to what comes now count for these bets too.
        """
        fresh = math.log(weight)
        weights, edge = self._stable_log_weights, evidence.edge
        if edge is not None and edge.early_at_most:
            weights = self._with_stable_bad(weights, edge, edge.early_at_most)
        return evidence._replace(
            fail_target=_restarted(evidence.fail_target, self._target_log_weights, fresh),
            fail_stable=_restarted(evidence.fail_stable, weights, fresh),
        )

    def seal(self, evidence: Evidence, now: float, unspent: float) -> Evidence:
        """A block may be over: Auto keeps what it won, and the other part may count in the next.

        It is once the candidate had enough requests, however these ended.
        """
        if self._compare is not Compare.AUTO or evidence.block_total < self._block_total:
            return evidence
        if evidence.unseen is not None and not evidence.alone:
            # Which of the two decides since stable was seen last is not known yet.
            return evidence
        return self._next_block(evidence, now, unspent)

    def _next_block(self, evidence: Evidence, now: float, unspent: float) -> Evidence:
        if self._betting:
            evidence = evidence._replace(betting=self._betting.advance(evidence.betting, now))
        target, stable = self._logs(evidence, unspent)
        won = target - evidence.block_target
        if not evidence.alone:
            won = min(won, stable - evidence.block_stable)
        return evidence._replace(
            sealed=evidence.sealed + won,
            block_target=target,
            block_stable=stable,
            block_total=0.0,
        )

    def lose_sight(self, evidence: Evidence, unspent: float) -> Evidence:
        """Stable is not seen from now on: keeps what was won against the target until now."""
        if self._compare is not Compare.AUTO or evidence.unseen is not None:
            return evidence
        return evidence._replace(unseen=self._logs(evidence, unspent)[0])

    def go_alone(self, evidence: Evidence, unspent: float) -> Evidence:
        """Stable was not seen for long: since it was seen last the target decides by itself."""
        if evidence.unseen is None or evidence.alone:
            return evidence
        _, stable = self._logs(evidence, unspent)
        won = min(evidence.unseen - evidence.block_target, stable - evidence.block_stable)
        return evidence._replace(
            sealed=evidence.sealed + won,
            block_target=evidence.unseen,
            block_stable=stable,
            block_total=0.0,
            alone=True,
        )

    def see_again(self, evidence: Evidence, now: float, unspent: float) -> Evidence:
        """Stable is seen: both decide from now on."""
        if evidence.alone:
            evidence = self._next_block(evidence, now, unspent)
        return evidence._replace(unseen=None, alone=False)

    def count(
        self, evidence: Evidence, start: float, end: float, candidate: Counts
    ) -> tuple[tuple[float, ...], tuple[float, ...], float]:
        """After the candidate's counts of one interval: `fail_target`, `betting`, `looked_target`.

        Evidence has many fields, so whoever asks copies it once, with all that is new.
        """
        betting, total = evidence.betting, candidate.total
        # Between two bucket edges each count takes the value that hurts the claim.
        bad = candidate.bad_at_least
        fail_target = evidence.fail_target
        if total > 0:
            grown = self._against_target(fail_target, total, bad)
            if bad:
                spared = self._against_target(fail_target, *self._spared(total, bad))
                base = evidence.block_target - evidence.sealed
                weights, had = self._target_log_weights, evidence.looked_target
                grown = self._limited(fail_target, grown, spared, weights, base, had, looks=1.0)
            fail_target = grown
        if self._betting and not self._betting.compares:
            betting = self._betting.update(betting, start, end, Sample(candidate))
        return fail_target, betting, log_sum(evidence.fail_target)

    def compare(
        self,
        evidence: Evidence,
        start: float,
        end: float,
        candidate: Counts,
        stable: Counts,
        *,
        looks: float,
    ) -> tuple[tuple[float, ...], tuple[float, ...] | None, float]:
        """After counts of both: `fail_stable`, `betting` (None for no news), `looked_stable`.

        Neither of them is without requests; the candidate had its bad ones in `looks` intervals.
        `evidence` may be as it was before `count`: the one looks at nothing that the other changes.
        """
        fail_stable = evidence.fail_stable
        betting: tuple[float, ...] | None = None
        if self._stable_bets:
            total, bad = candidate.total, candidate.bad_at_least
            grown = self._against_stable(fail_stable, total, bad, stable)
            if bad:
                spared = self._against_stable(fail_stable, *self._spared(total, bad), stable)
                base = evidence.block_stable - evidence.sealed
                weights, had = self._stable_log_weights, evidence.looked_stable
                grown = self._limited(fail_stable, grown, spared, weights, base, had, looks)
            fail_stable = grown
        if self._betting and self._betting.compares:
            sample = Sample(candidate, stable)
            betting = self._betting.update(evidence.betting, start, end, sample)
        return fail_stable, betting, log_sum(evidence.fail_stable)

    def _against_target(
        self, logs: tuple[float, ...], total: float, bad: float
    ) -> tuple[float, ...]:
        pairs = zip(logs, self._target_coefficients, strict=True)
        return tuple([log + bad * u + total * v for log, (u, v) in pairs])

    def _against_stable(
        self, logs: tuple[float, ...], total: float, bad: float, stable: Counts
    ) -> tuple[float, ...]:
        factors = stable_log_evalues(
            total,
            bad,
            stable.total,
            stable.bad_at_most,
            self._stable_bets,
            self._slack,
            self._dispersion,
        )
        return tuple([log + factor for log, factor in zip(logs, factors, strict=True)])

    def _limited(
        self,
        before: tuple[float, ...],
        grown: tuple[float, ...],
        spared: tuple[float, ...],
        log_weights: tuple[float, ...],
        base: float,
        had: float,
        looks: float,
    ) -> tuple[float, ...]:
        """The logs of bets that have `grown` with bad requests in so many looks.

        Two looks may win so many times what they `had` before both, or the wealth with which the
        evidence is 1 (`base`) if that is more: a version that turns bad late, when little is left
        of them, is found in as many looks. They may win as much as with `spared` requests.
        """
        start = [weight + base for weight in log_weights]
        won = max((looks + 1) // 2 * self._log_look, log_sum(spared) - log_sum(before))
        total = max(won + max(had, log_sum(start)), log_sum(before))
        return limited(grown, list(map(max, before, start)), total)

    def _spared(self, total: float, bad: float) -> tuple[float, float]:
        """The total and the bad requests if one client had repeated each of them."""
        first = bad / BURST
        return (total if self._is_rate else total - bad + first), first

    def _with_stable_bad(
        self, logs: tuple[float, ...], edge: Edge, bad: float
    ) -> tuple[float, ...]:
        """The logs of the bets against stable as if it had `bad` more in the last comparison."""
        each = stable_bad_logs(edge.total, edge.stable_total, self._stable_bets, self._dispersion)
        return tuple([log + bad * of for log, of in zip(logs, each, strict=True)])

    def _logs(self, evidence: Evidence, unspent: float) -> tuple[float, float]:
        """Log e-values against the target and against stable, each time taken for sure."""
        fail = self.value(evidence._replace(edge=None), unspent)
        return math.log(fail.target), math.log(fail.stable)

    def value(self, evidence: Evidence, unspent: float) -> FailEvidence:
        """E-values against "good", with the wealth not yet bet on late regressions.

        Auto takes the smaller growth in each block of time: whichever clause of "good" holds
        there, it is below the growth that this clause keeps fair. Where stable is not seen that is
        the growth against the target. Bad requests of stable that may have come before the end of
        the last comparison count as if they had.
        """
        fail_stable, edge = evidence.fail_stable, evidence.edge
        if edge is not None and edge.late:
            fail_stable = self._with_stable_bad(fail_stable, edge, edge.late)
        target = self._target_share * unspent + math.fsum(map(bounded_exp, evidence.fail_target))
        stable = self._stable_share * unspent + math.fsum(map(bounded_exp, fail_stable))
        if self._betting:
            on_target, on_stable = self._betting.values(evidence.betting)
            target += (1 - self._target_share) * on_target
            stable += (1 - self._stable_share) * on_stable
        if self._compare is Compare.TARGET:
            return FailEvidence(target, 1.0, target)
        if self._compare is Compare.STABLE:
            return FailEvidence(1.0, stable, stable)
        decides = target * math.exp(evidence.sealed - evidence.block_target)
        if not evidence.alone:
            decides = min(decides, stable * math.exp(evidence.sealed - evidence.block_stable))
        return FailEvidence(target, stable, decides)

    def peak(self, evidence: Evidence) -> float:
        """The largest log wealth that could decide: `value` is at most GRID times as much.

        Cheap, because it is asked after every interval. Auto holds no more than the part against
        the target, and no more than the other part unless the target ever decided by itself.
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
        if evidence.alone or evidence.sealed > evidence.block_stable:
            return target
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


def _restarted(
    logs: Sequence[float], log_weights: tuple[float, ...], fresh: float
) -> tuple[float, ...]:
    return tuple(
        [_log_add(log, weight + fresh) for log, weight in zip(logs, log_weights, strict=True)]
    )


def _log_add(first: float, second: float) -> float:
    high, low = (first, second) if first > second else (second, first)
    return high + math.log1p(math.exp(low - high))
