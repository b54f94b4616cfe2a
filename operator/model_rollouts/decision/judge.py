"""The judge of one rollout: counts in, Pass, Fail or Inconclusive out.

A `Judge` is the rules with their tables; a `State` is the evidence. Judging is pure: the same
intervals in the same order give the same state, from wherever one starts again.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from model_rollouts.decision.alternatives import GRID, RESTART_WEIGHT, unspent
from model_rollouts.decision.counts import Interval, Traffic
from model_rollouts.decision.e_process import EProcess
from model_rollouts.decision.evidence import Evidence
from model_rollouts.decision.objective import Role
from model_rollouts.decision.rules import INDEPENDENT, UNKNOWN, Dispersion, Rules
from model_rollouts.decision.verdict import Decision

_MINUTE = 60.0
_CLOCK_TOLERANCE = 1e-6


class State(NamedTuple):
    """The evidence of a rollout: small, immutable, serialisable (see `codec`).

    `elapsed` is the end in seconds of the last interval counted: the watermark. `minute` is the
    last minute in which a bet on a late regression was placed. `failed_at` is when the evidence
    for Fail reached its threshold first, None while it has not. `evidence` has the order of
    `Rules.objectives`.
    """

    evidence: tuple[Evidence, ...]
    elapsed: float = 0.0
    minute: int = 0
    arm: Traffic = Traffic.SHADOW
    failed_at: float | None = None


class Judge:
    """Judges a rollout by `rules`.

    `dispersions` is measured on stable's history by objective name, and fixed for the rollout.
    An objective without an entry is taken as UNKNOWN; breaker and restarts as independent.
    """

    __slots__ = (
        "_acting",
        "_gates",
        "_peak_needed",
        "dispersions",
        "fail_needed",
        "pass_needed",
        "processes",
        "rules",
    )

    def __init__(
        self, rules: Rules, dispersions: Mapping[str, Dispersion] = MappingProxyType({})
    ) -> None:
        names = [objective.name for objective in rules.objectives]
        if strangers := sorted(set(dispersions) - set(names)):
            raise ValueError(
                f"dispersions: found {strangers}, which are not objectives; write names of {names}"
            )
        self.rules = rules
        self.fail_needed = 1 / rules.false_rollback
        self.pass_needed = 1 / rules.false_promotion
        self.dispersions = tuple(
            dispersions.get(
                objective.name,
                INDEPENDENT if objective.kind.traits.is_independent else UNKNOWN,
            )
            for objective in rules.objectives
        )
        self.processes = tuple(
            EProcess(
                objective,
                dispersion,
                (*rules.multiples, objective.accept / objective.bad),
                baseline=rules.baseline,
            )
            for objective, dispersion in zip(rules.objectives, self.dispersions, strict=True)
        )
        roles = [objective.role for objective in rules.objectives]
        self._acting = [i for i, role in enumerate(roles) if role is not Role.REPORT]
        self._gates = [i for i, role in enumerate(roles) if role is Role.GATE]
        # An e-value is the unspent wealth and at most GRID bets: below this none reaches the
        # threshold, and neither does their mean.
        self._peak_needed = math.log((self.fail_needed - RESTART_WEIGHT) / GRID)

    def start(self) -> State:
        """The state before the first interval."""
        return State(tuple(process.start() for process in self.processes))

    def update(self, state: State, interval: Interval) -> State:
        """The state after one interval.

        Raises ValueError when the interval begins before the last one ended (requests would count
        twice, which voids the guarantees), goes back from live to shadow, or has a sample for no
        objective (a misspelt name would be evidence that nobody sees).
        """
        if interval.start < state.elapsed - _CLOCK_TOLERANCE:
            raise ValueError(
                f"interval, start: found {interval.start:g} s, but everything up to "
                f"{state.elapsed:g} s is counted; give every interval once and in order"
            )
        if interval.arm is not state.arm:
            if interval.arm is Traffic.SHADOW:
                raise ValueError("interval, arm: found Shadow after Live; start a new rollout")
            state = self.enter_live(state)
        evidence: list[Evidence] = list(state.evidence)
        minute = max(state.minute, int(interval.start // _MINUTE))
        if minute > state.minute:
            kept = unspent(state.minute)
            weight = kept - unspent(minute)
            for index, process in enumerate(self.processes):
                failing, one = process.failing, evidence[index]
                if minute // failing.seal_minutes > state.minute // failing.seal_minutes:
                    one = failing.seal(one, minute * _MINUTE, kept)
                evidence[index] = failing.restart(one, weight)
        self._count(evidence, interval)
        after = State(tuple(evidence), interval.end, minute, interval.arm, state.failed_at)
        if after.failed_at is None and self._fails(after):
            return after._replace(failed_at=interval.end)
        return after

    def enter_live(self, state: State) -> State:
        """The state once users are judged: mirrored requests promote nothing.

        Evidence for Fail is kept; that for Pass begins anew.
        """
        if state.arm is Traffic.LIVE:
            return state
        evidence = zip(self.processes, state.evidence, strict=True)
        return state._replace(
            evidence=tuple(process.enter_live(each) for process, each in evidence), arm=Traffic.LIVE
        )

    def _count(self, evidence: list[Evidence], interval: Interval) -> None:
        samples, load = interval.samples, interval.comparable_load
        counted = 0
        for index, process in enumerate(self.processes):
            sample = samples.get(process.objective.name)
            if sample is not None:
                counted += 1
                evidence[index] = process.update(
                    evidence[index], interval.start, interval.end, sample, comparable_load=load
                )
        if counted < len(samples):
            names = [objective.name for objective in self.rules.objectives]
            raise ValueError(
                f"interval, samples: found {sorted(set(samples) - set(names))}, "
                f"which are not objectives; write names of {names}"
            )

    def _fails(self, state: State) -> bool:
        peaks = (self.processes[i].failing.peak(state.evidence[i]) for i in self._acting)
        return max(peaks) >= self._peak_needed and self.fail_evidence(state) >= self.fail_needed

    def fail_evidence(self, state: State) -> float:
        """The mean e-value for Fail over the objectives that may act: Gates and Guards."""
        kept = unspent(state.minute)
        values = [
            self.processes[i].failing.value(state.evidence[i], kept).decides for i in self._acting
        ]
        return math.fsum(values) / len(values)

    def decide(self, state: State, toward: float = 1.0) -> Decision:
        """The decision about going `toward` a weight: one of the steps, or 1 for promotion.

        Fail comes first and stays. Pass needs every Gate at the same time, now.
        """
        if state.failed_at is not None:
            return Decision.FAIL
        level = self.level(toward)
        for i in self._gates:
            if not self.passes(i, state.evidence[i], level):
                return Decision.INCONCLUSIVE
        return Decision.PASS

    def passes(self, index: int, evidence: Evidence, level: int) -> bool:
        """Whether one objective is proven at `level`; promotion asks the dual boundary too."""
        process = self.processes[index]
        if process.passing(evidence, process.levels[level]) < self.pass_needed:
            return False
        if level or process.far is None:
            return True
        return process.passing(evidence, process.far) >= self.pass_needed

    def level(self, toward: float) -> int:
        """The index of a weight among the levels of evidence. Raises ValueError for others."""
        if toward == 1:
            return 0
        steps = self.rules.steps
        if toward not in steps:
            raise ValueError(f"toward: found weight {toward:g}, write one of {[*steps, 1.0]}")
        return len(steps) - steps.index(toward)
