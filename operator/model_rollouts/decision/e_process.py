"""The evidence about one objective: e-processes for Fail and for Pass, updated per interval.

`failing` holds the bets for Fail. Pass, against the target: a function of the totals, because it
is a product of likelihood ratios; against stable: summed interval by interval, because the split
of traffic enters. Tables are computed once, logarithms are kept, tuples are replaced: an update
costs microseconds.
"""

import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

from model_rollouts.decision.alternatives import FAR_SHARES, PASS_SHARES, PASS_WEIGHTS
from model_rollouts.decision.counts import NO_COUNTS, Counts, Sample
from model_rollouts.decision.evalue import (
    StableBet,
    stable_bad_logs,
    stable_log_evalues,
    target_coefficients,
)
from model_rollouts.decision.evidence import Ahead, Edge, Evidence, Pair, Proof
from model_rollouts.decision.fail_bets import Failing
from model_rollouts.decision.look_limit import bounded_exp
from model_rollouts.decision.objective import LARGEST_BAD_SHARE, Compare, Objective, Role
from model_rollouts.decision.rules import Dispersion

_BETS = len(PASS_SHARES)
_ALL = slice(None)
_PASSED = 3
"""Numbers of `Evidence.last` before its logs."""
CLOCK_TOLERANCE = 1e-6
"""Seconds by which times that were counted in milliseconds may differ."""
_MOST_AHEAD = 4
"""Intervals that wait apart; the oldest of more are one. There is one, three for late scrapes."""


class EProcess:
    """One objective's tables. Stateless: every method takes the evidence and returns it anew."""

    __slots__ = (
        "_dispersion",
        "_events",
        "_pass_bets",
        "_slack",
        "_steps",
        "_waits_for_load",
        "compare",
        "failing",
        "far",
        "levels",
        "multiples",
        "objective",
    )

    def __init__(
        self,
        objective: Objective,
        dispersion: Dispersion,
        multiples: tuple[float, ...],
        *,
        baseline: bool,
        look: float,
    ) -> None:
        """Tables for `multiples` of the bad limits; `multiples[0]` is 1, the bad limits.

        Two looks multiply the evidence for Fail by no more than `look`.
        """
        self.objective = objective
        self.compare = objective.compare if baseline else Compare.TARGET
        self._dispersion = dispersion
        self._events = objective.is_rate
        self._slack = objective.slack * objective.good
        self._waits_for_load = objective.kind.traits.needs_load
        uses_stable = self.compare is not Compare.TARGET
        good, good_ratio = objective.good, objective.good_times_stable
        self.failing = Failing(objective, self.compare, dispersion, look)
        self._pass_bets = tuple(
            StableBet.of(multiple * objective.bad_ratio, share * good_ratio)
            for multiple in multiples
            for share in PASS_SHARES
            # Only a Gate has to prove anything; its bets are the larger half of the work.
            if uses_stable and objective.role is Role.GATE
        )
        self.multiples = multiples
        # All bets but those of promotion and of what the deadline accepts.
        self._steps = slice(_BETS, _BETS * (len(multiples) - 1))
        self.levels = tuple(self.proof(self.limit(i), i) for i in range(len(multiples)))
        self.far: Proof | None = None
        if objective.latency is not None and objective.latency.edges.far is not None:
            self.far = Proof(
                tuple(self._coefficients(good, share * good) for share in FAR_SHARES),
                self._pass_bets[:_BETS],
                0,
                is_far=True,
            )

    def _coefficients(self, limit: float, alternative: float) -> tuple[float, float]:
        return target_coefficients(
            limit, alternative, events=self._events, dispersion=self._dispersion.target
        )

    def proof(self, rate: float, level: int | None) -> Proof:
        """Bets that the candidate's rate is below `rate`, with stable's part at `level`.

        Promotion, the first level, and what the deadline accepts, the last one, are about all
        users, so that latency counts under the load that these would bring. The steps between are
        about the share that the candidate has, whose pods are started ahead of their load.
        """
        good = self.objective.good
        first = None if level is None else level * _BETS
        return Proof(
            tuple(self._coefficients(rate, share * good) for share in PASS_SHARES),
            () if first is None else self._pass_bets[first : first + _BETS],
            first,
            is_far=False,
            any_load=self._waits_for_load
            and level is not None
            and 0 < level < len(self.multiples) - 1,
        )

    def limit(self, level: int) -> float:
        """The rate that a proof at `level` excludes."""
        rate = self.multiples[level] * self.objective.bad
        return rate if self._events else min(rate, LARGEST_BAD_SHARE)

    def start(self) -> Evidence:
        """No evidence: wealth 1 everywhere."""
        fail_target, fail_stable, betting = self.failing.start()
        return Evidence(
            fail_target,
            fail_stable,
            pass_stable=(0.0,) * len(self._pass_bets),
            far_stable=(0.0,) * (len(self.far.stable_bets) if self.far else 0),
            betting=betting,
        )

    def enter_live(self, evidence: Evidence) -> Evidence:
        """Shadow is over: Fail evidence is kept, Pass evidence begins anew, nothing waits.

        What mirrored requests alone can show stands as it is: users show no more of it.
        """
        if self.objective.kind.traits.is_of_copies:
            return evidence
        return self.start()._replace(
            fail_target=evidence.fail_target,
            fail_stable=evidence.fail_stable,
            betting=evidence.betting,
            sealed=evidence.sealed,
            block_target=evidence.block_target,
            block_stable=evidence.block_stable,
            block_total=evidence.block_total,
            looked_target=evidence.looked_target,
            looked_stable=evidence.looked_stable,
            unseen=evidence.unseen,
            alone=evidence.alone,
        )

    def enter_last_step(self, evidence: Evidence) -> Evidence:
        """All users come next: what was shown until now is not enough for that."""
        objective = self.objective
        if objective.role is not Role.GATE or objective.kind.traits.is_of_copies:
            return evidence
        return evidence._replace(
            last=(
                evidence.passed_total,
                evidence.passed_bad,
                evidence.passed_far,
                *evidence.pass_stable[:_BETS],
                *evidence.far_stable,
            )
        )

    def update(
        self,
        evidence: Evidence,
        start: float,
        end: float,
        sample: Sample,
        *,
        comparable_load: bool,
        last_since: float | None = None,
    ) -> Evidence:
        """The evidence after one interval from `start` to `end`.

        Against the target the candidate's counts count at once; against stable once its counts of
        the same seconds are known. The last step lasts since `last_since`, None before it.
        """
        candidate, stable = sample.candidate, sample.stable
        counts = comparable_load or not self._waits_for_load
        passed = candidate if counts else NO_COUNTS
        fail_target, betting, looked_target = self.failing.count(evidence, start, end, candidate)
        # Evidence has many fields, so it is copied once, at the end.
        news: dict[str, Any] = {
            "fail_target": fail_target,
            "betting": betting,
            "looked_target": looked_target,
            "seen_total": evidence.seen_total + candidate.total,
            "seen_bad": evidence.seen_bad + candidate.bad_at_most,
            "seen_stable_total": evidence.seen_stable_total + stable.total,
            "seen_stable_bad": evidence.seen_stable_bad + stable.bad_at_most,
            "passed_total": evidence.passed_total + passed.total,
            "passed_bad": evidence.passed_bad + passed.bad_at_most,
            "passed_far": evidence.passed_far + passed.far,
            "block_total": evidence.block_total + candidate.total,
        }
        if self.compare is Compare.TARGET:
            return evidence._replace(**news)
        now = Ahead(start, end, float(counts), *_numbers(candidate))
        if sample.shared is None:
            self._compare(evidence, _Both(now, stable, looks=_looks([now])), last_since, news)
            return evidence._replace(**news)
        shared, waiting = sample.shared, (*evidence.ahead, now)
        until = shared.until + CLOCK_TOLERANCE
        ahead = tuple([each for each in waiting if each.end > until])
        if len(ahead) > _MOST_AHEAD:
            ahead = (_sum(ahead[:2]), *ahead[2:])
        news["ahead"] = ahead
        covered = [each for each in waiting if each.end <= until]
        # Without any, what was held or judged otherwise: stable's counts of these seconds go too.
        if covered:
            both = _Both(_sum(covered), shared.counts, shared.early, shared.late, _looks(covered))
            self._compare(evidence, both, last_since, news)
        return evidence._replace(**news)

    def _compare(
        self, evidence: Evidence, both: "_Both", last_since: float | None, news: dict[str, Any]
    ) -> None:
        """Add to `news` what follows from counts of the same seconds, once both have requests.

        When they are taken depends on numbers of requests alone, never on how these ended.
        `evidence` is that before the interval.
        """
        pair = _joined(evidence.pair, both)
        if not pair.total or not pair.stable_total:
            news["pair"] = pair if pair.total or pair.stable_total else None
            return
        candidate = Counts(pair.total, pair.bad_at_least, pair.bad_at_most, pair.far)
        stable = Counts(
            pair.stable_total, pair.stable_bad_at_least, pair.stable_bad_at_most, pair.stable_far
        )
        news["fail_stable"], betting, news["looked_stable"] = self.failing.compare(
            evidence, pair.start, both.candidate.end, candidate, stable, looks=pair.looks
        )
        if betting is not None:
            news["betting"] = betting
        pass_stable, far_stable = evidence.pass_stable, evidence.far_stable
        if self._pass_bets:
            # Between two bucket edges each count takes the value that hurts the claim.
            pass_stable = self._against_stable(
                pass_stable,
                Sample(candidate, stable),
                candidate.bad_at_most,
                stable.bad_at_least,
                self._pass_bets,
                _ALL if pair.comparable else self._steps,
            )
            if self.far and pair.comparable:
                far_stable = self._against_stable(
                    far_stable,
                    Sample(candidate, stable),
                    candidate.far,
                    stable.far,
                    self.far.stable_bets,
                    _ALL,
                )
        last = evidence.last
        if last and last_since is not None and pair.start < last_since - CLOCK_TOLERANCE:
            # Some of these requests came before the last step, so that none counts for it.
            last = (*last[:_PASSED], *pass_stable[:_BETS], *far_stable)
        early, late = both.early, both.late
        edge = None
        if early.bad_at_most or late.bad_at_most:
            edge = Edge(
                pair.total,
                pair.stable_total,
                late.bad_at_most,
                early.bad_at_least,
                early.bad_at_most,
                early.far,
            )
        news |= {
            "pass_stable": pass_stable,
            "far_stable": far_stable,
            "pair": None,
            "edge": edge,
            "last": last,
        }

    def _against_stable(
        self,
        logs: tuple[float, ...],
        sample: Sample,
        bad: float,
        stable_bad: float,
        bets: tuple[StableBet, ...],
        counting: slice,
    ) -> tuple[float, ...]:
        """The logs after a sample, of which those of the bets in `counting` have grown."""
        factors = stable_log_evalues(
            sample.candidate.total,
            bad,
            sample.stable.total,
            stable_bad,
            bets[counting],
            self._slack,
            self._dispersion.stable,
        )
        grown = [log + factor for log, factor in zip(logs[counting], factors, strict=True)]
        if counting == _ALL:
            return tuple(grown)
        return (*logs[: counting.start], *grown, *logs[counting.stop :])

    def needed(self, level: int) -> tuple[Proof, ...]:
        """What has to be proven at a level: for promotion the dual boundary too."""
        return (self.levels[0], self.far) if level == 0 and self.far else (self.levels[level],)

    def proven(self, evidence: Evidence, level: int) -> float:
        """The least e-value of what has to be proven at a level.

        For promotion the last step has to show all of it by itself.
        """
        proofs = self.needed(level)
        least = min([self.passing(evidence, proof) for proof in proofs])
        if level or not evidence.last:
            return least
        alone = [self.passing(evidence, proof, in_last_step=True) for proof in proofs]
        return min(least, *alone)

    def passing(self, evidence: Evidence, proof: Proof, *, in_last_step: bool = False) -> float:
        """The e-value against "bad" as `proof` states it, `in_last_step` of that alone."""
        return self.combine(*self.logs(evidence, proof, in_last_step=in_last_step))

    def logs(
        self, evidence: Evidence, proof: Proof, *, in_last_step: bool = False
    ) -> tuple[Sequence[float], Sequence[float]]:
        """Log e-values of the single bets, against the target and against stable.

        Those that `in_last_step` were won since then; they are about promotion.
        """
        before = evidence.last if in_last_step else ()
        target: list[float] = []
        if self.compare is not Compare.STABLE:
            total, bad = counted(evidence, proof)
            if before:
                total, bad = total - before[0], bad - before[2 if proof.is_far else 1]
            target = [bad * u + total * v for u, v in proof.target_bets]
        if proof.first is None or self.compare is Compare.TARGET:
            return target, ()
        stable = evidence.far_stable if proof.is_far else evidence.pass_stable
        logs: Sequence[float] = stable[proof.first : proof.first + _BETS]
        if before:
            begin = _PASSED + _BETS if proof.is_far else _PASSED
            logs = list(map(operator.sub, logs, before[begin : begin + _BETS]))
        if evidence.edge or evidence.pair or evidence.ahead:
            logs = self._at_worst(evidence, proof, logs)
        return target, logs

    def _at_worst(self, evidence: Evidence, proof: Proof, logs: Sequence[float]) -> Sequence[float]:
        """The logs against stable without what may not be compared yet, or not any more.

        Bad requests of stable that may have come after the last comparison do not count, and those
        of the candidate that wait for one do, as if stable had no end of requests then.
        """
        edge, phi = evidence.edge, self._dispersion.stable
        waiting = [*evidence.ahead, *((evidence.pair,) if evidence.pair else ())]
        bad = sum([each.far if proof.is_far else each.bad_at_most for each in waiting]) / phi
        if bad:
            pairs = zip(logs, proof.stable_bets, strict=True)
            logs = [log + bad * bet.log_ratio for log, bet in pairs]
        early = 0.0
        if edge is not None:
            early = edge.early_far if proof.is_far else edge.early_at_least
        if edge is not None and early:
            each = stable_bad_logs(edge.total, edge.stable_total, proof.stable_bets, phi)
            logs = [log - early * of for log, of in zip(logs, each, strict=True)]
        return logs

    def combine(self, target: Sequence[float], stable: Sequence[float]) -> float:
        """One e-value from the bets. Auto takes the mean: under "bad" both nulls hold."""
        if self.compare is Compare.TARGET:
            return _mixture(target)
        against_stable = _mixture(stable) if stable else 0.0
        if self.compare is Compare.STABLE:
            return against_stable
        return (_mixture(target) + against_stable) / 2

    def growth(
        self, proof: Proof, rate: float, split: float, stable_rate: float
    ) -> tuple[list[float], list[float]]:
        """What one candidate request adds to `logs` on average.

        `split` is stable requests per candidate request, the rates are bad shares of each.
        """
        target: list[float] = []
        if self.compare is not Compare.STABLE:
            target = [rate * u + v for u, v in proof.target_bets]
        if not split:
            return target, [0.0] * len(proof.stable_bets)
        return target, stable_log_evalues(
            1.0,
            rate,
            split,
            split * stable_rate,
            proof.stable_bets,
            self._slack,
            self._dispersion.stable,
        )


class _Both(NamedTuple):
    """Counts of both in the same seconds, and stable's bad ones whose time is not sure."""

    candidate: Ahead
    stable: Counts
    early: Counts = NO_COUNTS
    late: Counts = NO_COUNTS
    looks: float = 0.0


def _looks(each: Sequence[Ahead]) -> float:
    """In how many intervals the candidate had bad requests."""
    return float(sum([one.bad_at_least > 0 for one in each]))


def _numbers(counts: Counts) -> tuple[float, float, float, float]:
    return counts.total, counts.bad_at_least, counts.bad_at_most, counts.far


def _sum(each: Sequence[Ahead]) -> Ahead:
    """Counts of successive intervals as those of one, comparable if each of them is."""
    if len(each) == 1:
        return each[0]
    sums = [math.fsum(column) for column in zip(*(one[3:] for one in each), strict=True)]
    return Ahead(each[0].start, each[-1].end, min(one.comparable for one in each), *sums)


def _joined(before: Pair | None, both: _Both) -> Pair:
    """What waits, with counts that came since."""
    now, stable = both.candidate, _numbers(both.stable)
    if before is None:
        return Pair(now.start, now.comparable, both.looks, *now[3:], *stable)
    comparable = before.comparable
    if now.total:
        comparable = min(comparable, now.comparable) if before.total else now.comparable
    added = map(operator.add, before[2:], (both.looks, *now[3:], *stable))
    return Pair(before.start, comparable, *added)


def counted(evidence: Evidence, proof: Proof) -> tuple[float, float]:
    """The requests that count for `proof`, and the bad ones among them."""
    if proof.any_load:
        return evidence.seen_total, evidence.seen_bad
    return evidence.passed_total, evidence.passed_far if proof.is_far else evidence.passed_bad


def _mixture(logs: Sequence[float]) -> float:
    (a, b, c, d), (wa, wb, wc, wd) = logs, PASS_WEIGHTS
    return wa * bounded_exp(a) + wb * bounded_exp(b) + wc * bounded_exp(c) + wd * bounded_exp(d)
