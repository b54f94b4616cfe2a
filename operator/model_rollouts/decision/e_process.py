"""The evidence about one objective: e-processes for Fail and for Pass, updated per interval.

`failing` holds the bets for Fail. Pass, against the target: a function of the totals, because it
is a product of likelihood ratios; against stable: summed interval by interval, because the split
of traffic enters. Tables are computed once, logarithms are kept, tuples are replaced: an update
costs microseconds.
"""

from collections.abc import Sequence

from model_rollouts.decision.alternatives import FAR_SHARES, PASS_SHARES, PASS_WEIGHTS
from model_rollouts.decision.counts import Sample
from model_rollouts.decision.evalue import (
    StableBet,
    stable_log_evalues,
    target_coefficients,
)
from model_rollouts.decision.evidence import Evidence, Proof
from model_rollouts.decision.fail_bets import Failing, bounded_exp
from model_rollouts.decision.objective import LARGEST_BAD_SHARE, Compare, Objective, Role
from model_rollouts.decision.rules import Dispersion

_BETS = len(PASS_SHARES)
_ALL = slice(None)


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
    ) -> None:
        """Tables for `multiples` of the bad limits; `multiples[0]` is 1, the bad limits."""
        self.objective = objective
        self.compare = objective.compare if baseline else Compare.TARGET
        self._dispersion = dispersion
        self._events = objective.is_rate
        self._slack = objective.slack * objective.good
        self._waits_for_load = objective.kind.traits.needs_load
        uses_stable = self.compare is not Compare.TARGET
        good, good_ratio = objective.good, objective.good_times_stable
        self.failing = Failing(objective, self.compare, dispersion)
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
        """Shadow is over: Fail evidence is kept, Pass evidence begins anew."""
        return self.start()._replace(
            fail_target=evidence.fail_target,
            fail_stable=evidence.fail_stable,
            betting=evidence.betting,
            sealed=evidence.sealed,
            block_target=evidence.block_target,
            block_stable=evidence.block_stable,
        )

    def update(
        self,
        evidence: Evidence,
        start: float,
        end: float,
        sample: Sample,
        *,
        comparable_load: bool,
    ) -> Evidence:
        """The evidence after one interval from `start` to `end`."""
        candidate, stable = sample.candidate, sample.stable
        total, stable_total = candidate.total, stable.total
        pass_stable, far_stable = evidence.pass_stable, evidence.far_stable
        seen_total, seen_bad, seen_stable_total, seen_stable_bad = evidence[5:9]
        passed_total, passed_bad, passed_far = evidence[9:12]
        fail_target, fail_stable, betting = self.failing.update(evidence, start, end, sample)
        counts = comparable_load or not self._waits_for_load
        if counts:
            passed_total += total
            passed_bad += candidate.bad_at_most
            passed_far += candidate.far
        if total > 0 and stable_total > 0 and self._pass_bets:
            # Between two bucket edges each count takes the value that hurts the claim.
            pass_stable = self._against_stable(
                pass_stable,
                sample,
                candidate.bad_at_most,
                stable.bad_at_least,
                self._pass_bets,
                _ALL if counts else self._steps,
            )
            if self.far and counts:
                far_stable = self._against_stable(
                    far_stable, sample, candidate.far, stable.far, self.far.stable_bets, _ALL
                )
        return Evidence(
            fail_target,
            fail_stable,
            pass_stable,
            far_stable,
            betting,
            seen_total + total,
            seen_bad + candidate.bad_at_most,
            seen_stable_total + stable_total,
            seen_stable_bad + stable.bad_at_most,
            passed_total,
            passed_bad,
            passed_far,
            *evidence[12:],
        )

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

    def passing(self, evidence: Evidence, proof: Proof) -> float:
        """The e-value against "bad" as `proof` states it."""
        return self.combine(*self.logs(evidence, proof))

    def logs(self, evidence: Evidence, proof: Proof) -> tuple[Sequence[float], Sequence[float]]:
        """Log e-values of the single bets, against the target and against stable."""
        target: list[float] = []
        if self.compare is not Compare.STABLE:
            total, bad = counted(evidence, proof)
            target = [bad * u + total * v for u, v in proof.target_bets]
        if proof.first is None or self.compare is Compare.TARGET:
            return target, ()
        stable = evidence.far_stable if proof.is_far else evidence.pass_stable
        return target, stable[proof.first : proof.first + _BETS]

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


def counted(evidence: Evidence, proof: Proof) -> tuple[float, float]:
    """The requests that count for `proof`, and the bad ones among them."""
    if proof.any_load:
        return evidence.seen_total, evidence.seen_bad
    return evidence.passed_total, evidence.passed_far if proof.is_far else evidence.passed_bad


def _mixture(logs: Sequence[float]) -> float:
    (a, b, c, d), (wa, wb, wc, wd) = logs, PASS_WEIGHTS
    return wa * bounded_exp(a) + wb * bounded_exp(b) + wc * bounded_exp(c) + wd * bounded_exp(d)
