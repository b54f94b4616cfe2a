"""The judge of one rollout: counts in, Pass, Fail or Inconclusive out.

A `Judge` is the rules with their tables; a `State` is the evidence. Judging is pure: the same
intervals in the same order give the same state, from wherever one starts again.
"""

import math
import operator
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from model_rollouts.decision.alternatives import GRID, RESTART_WEIGHT, unspent
from model_rollouts.decision.counts import Interval, Traffic
from model_rollouts.decision.e_process import CLOCK_TOLERANCE, EProcess
from model_rollouts.decision.evidence import Evidence
from model_rollouts.decision.look_limit import largest_win
from model_rollouts.decision.objective import Role
from model_rollouts.decision.rules import INDEPENDENT, UNKNOWN, Dispersion, Rules
from model_rollouts.decision.verdict import Decision

_MINUTE = 60.0
UNSEEN = 60.0
"""Seconds without sight of stable after which the target decides by itself."""


class State(NamedTuple):
    """The evidence of a rollout: small, immutable, serialisable (see `codec`).

    `elapsed` is the end in seconds of the last interval counted: the watermark. `minute` is the
    last minute in which a bet on a late regression was placed. `failed_at` is when the evidence
    for Fail reached its threshold first, None while it has not. `unseen_since` is when stable was
    seen last, None while it is seen. `last_since` is when the last step began, None before it.
    `evidence` has the order of `Rules.objectives`.
    """

    evidence: tuple[Evidence, ...]
    elapsed: float = 0.0
    minute: int = 0
    arm: Traffic = Traffic.SHADOW
    failed_at: float | None = None
    unseen_since: float | None = None
    last_since: float | None = None

    @property
    def is_alone(self) -> bool:
        """Whether the target decides by itself, because stable was not seen for long."""
        return self.unseen_since is not None and self.elapsed - self.unseen_since >= UNSEEN


class Judge:
    """Judges a rollout by `rules`.

    `dispersions` is measured on stable's history by objective name, and fixed for the rollout.
    An objective without an entry is taken as UNKNOWN; breaker and restarts as independent.
    """

    __slots__ = (
        "_acting",
        "_gates",
        "_gates_of_users",
        "_parts",
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
        roles = [objective.role for objective in rules.objectives]
        self._acting = [i for i, role in enumerate(roles) if role is not Role.REPORT]
        self._parts = [objective.kind.traits.part for objective in rules.objectives]
        parts = math.fsum(self._parts[i] for i in self._acting)
        self.processes = tuple(
            EProcess(
                objective,
                dispersion,
                (*rules.multiples, objective.accept / objective.bad),
                baseline=rules.baseline,
                look=largest_win(
                    self.fail_needed,
                    self.fail_needed * parts / objective.kind.traits.part,
                    known=dispersion.known,
                ),
            )
            for objective, dispersion in zip(rules.objectives, self.dispersions, strict=True)
        )
        self._gates = [i for i, role in enumerate(roles) if role is Role.GATE]
        self._gates_of_users = [
            i for i in self._gates if not rules.objectives[i].kind.traits.is_of_copies
        ]
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
        if interval.start < state.elapsed - CLOCK_TOLERANCE:
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
        unseen_since = self._look_at_stable(evidence, state, interval, unspent(minute))
        self._count(evidence, interval, state.last_since)
        after = state._replace(
            evidence=tuple(evidence),
            elapsed=interval.end,
            minute=minute,
            unseen_since=unseen_since,
        )
        if after.is_alone:
            kept = unspent(minute)
            each = zip(self.processes, after.evidence, strict=True)
            after = after._replace(
                evidence=tuple(process.failing.go_alone(one, kept) for process, one in each)
            )
        if after.failed_at is None and self._fails(after):
            return after._replace(failed_at=interval.end)
        return after

    def _look_at_stable(
        self, evidence: list[Evidence], state: State, interval: Interval, kept: float
    ) -> float | None:
        """Since when stable is not seen, after what follows from its coming or going."""
        if interval.stable_seen:
            if state.unseen_since is not None:
                for index, process in enumerate(self.processes):
                    evidence[index] = process.failing.see_again(
                        evidence[index], interval.start, kept
                    )
            return None
        if state.unseen_since is None:
            for index, process in enumerate(self.processes):
                evidence[index] = process.failing.lose_sight(evidence[index], kept)
            return interval.start
        return state.unseen_since

    def enter_live(self, state: State) -> State:
        """The state once users are judged: mirrored requests promote nothing.

        Evidence for Fail is kept; that for Pass begins anew.
        """
        if state.arm is Traffic.LIVE:
            return state
        evidence = zip(self.processes, state.evidence, strict=True)
        return state._replace(
            evidence=tuple(process.enter_live(each) for process, each in evidence),
            arm=Traffic.LIVE,
            last_since=None,
        )

    def enter_last_step(self, state: State) -> State:
        """The state once all users come next: promotion needs the evidence of this step too.

        The same one when that was so before, and in shadow.
        """
        if state.last_since is not None or state.arm is Traffic.SHADOW:
            return state
        evidence = zip(self.processes, state.evidence, strict=True)
        return state._replace(
            evidence=tuple(process.enter_last_step(each) for process, each in evidence),
            last_since=state.elapsed,
        )

    def _count(
        self, evidence: list[Evidence], interval: Interval, last_since: float | None
    ) -> None:
        samples, load = interval.samples, interval.comparable_load
        counted = 0
        for index, process in enumerate(self.processes):
            sample = samples.get(process.objective.name)
            if sample is not None:
                counted += 1
                evidence[index] = process.update(
                    evidence[index],
                    interval.start,
                    interval.end,
                    sample,
                    comparable_load=load,
                    last_since=last_since,
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
        """The mean e-value for Fail over the objectives that may act: Gates and Guards.

        Each weighs by its part, which its kind fixes.
        """
        kept = unspent(state.minute)
        return self.mean(
            {
                i: self.processes[i].failing.value(state.evidence[i], kept).decides
                for i in self._acting
            }
        )

    def mean(self, values: Mapping[int, float]) -> float:
        """The mean of e-values of the objectives that may act, by their index."""
        parts = [self._parts[i] for i in values]
        return math.fsum(map(operator.mul, parts, values.values())) / math.fsum(parts)

    def worst(self, values: Mapping[int, float]) -> int:
        """The index of the one that adds most to their mean."""
        return max(values, key=lambda i: self._parts[i] * values[i])

    def decide(self, state: State, toward: float = 1.0) -> Decision:
        """The decision about going `toward` a weight: one of the steps, or 1 for promotion.

        Fail comes first and stays. Pass needs every Gate at the same time, now.
        """
        if state.failed_at is not None:
            return Decision.FAIL
        level = self.level(toward)
        for i in self.asked(state):
            if not self.passes(i, state.evidence[i], level):
                return Decision.INCONCLUSIVE
        return Decision.PASS

    def asked(self, state: State) -> list[int]:
        """The Gates that have to pass now, by their index.

        One that mirrored requests alone can show is asked before the first user, and for all users:
        where users are judged, nothing more is to be learned of it.
        """
        if state.arm is Traffic.SHADOW:
            return self._gates
        return self._gates_of_users

    def passes(self, index: int, evidence: Evidence, level: int) -> bool:
        """Whether one objective is proven at `level`."""
        level = self.level_of(index, level)
        return self.processes[index].proven(evidence, level) >= self.pass_needed

    def level_of(self, index: int, level: int) -> int:
        """The level at which one objective is proven where the others are at `level`."""
        return 0 if self.rules.objectives[index].kind.traits.is_of_copies else level

    def level(self, toward: float) -> int:
        """The index of a weight among the levels of evidence. Raises ValueError for others."""
        if toward == 1:
            return 0
        steps = self.rules.steps
        if toward not in steps:
            raise ValueError(f"toward: found weight {toward:g}, write one of {[*steps, 1.0]}")
        return len(steps) - steps.index(toward)
