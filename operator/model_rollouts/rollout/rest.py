"""When counts change nothing that is done: a plan with nothing to do, and until when it holds.

Each tick brings counts of everything that is judged. Nearly all of them change evidence and numbers
of the status, and what follows would be a plan without actions. `Rest` holds what a plan takes from
counts; while that stays as it was, the next plan is the same. All else that it depends on has
somebody who asks for a plan: a watch, an answer, or a clock (`wakeups`).
"""

from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

from model_rollouts.api.phase import Phase
from model_rollouts.decision import COMPARABLE_LOAD, Judge, Role
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.rollout.memory import Memory, ObserverSight, ShadowImpact, Split, Trial
from model_rollouts.rollout.policies.metrics_holds import has_just_begun
from model_rollouts.rollout.standing import Hold
from model_rollouts.rollout.state import shadow_stages
from model_rollouts.rollout.state.state import Pace, RolloutState, fresh_until_ms
from model_rollouts.rollout.trial import error_budget, observer_sight
from model_rollouts.rollout.trial.traffic_split import doublings, is_unreached, left_out
from model_rollouts.rollout.trial.trial import counted_copies
from model_rollouts.rollout.trial.worst_cases import looked

LONGEST_S = 120.0
"""After so long a plan is made all the same: so old are numbers in a status that are due."""

_STEADY = frozenset({Reason.NO_TRAFFIC, Reason.PODS_NOT_COUNTED})
"""Findings of which nothing follows by the mere passing of time."""


class _Looks(NamedTuple):
    """What of the counts matters to one rollout: all that is not in them is fixed meanwhile.

    `level` is that of the next step's proof, `weight` the candidate's share of users. `load` is how
    many requests the candidate has for each of stable once its latency counts for promotion, None
    where that holds nothing. `copies` are those that a shadow needs, None outside of one, and
    `compared` the share of them that gives pairs of answers. `burns` tells
    whether an error budget that burns takes the version back.
    """

    level: int
    weight: float
    load: float | None
    copies: int | None
    compared: float
    burns: bool
    step_ms: int
    pace: Pace


class _Counted(NamedTuple):
    """All that a plan takes from counts."""

    judge: Judge
    entered: float
    failed: bool
    passed: bool
    latency_passed: tuple[bool, ...]
    split: tuple[object, ...] | None
    shadow: tuple[object, ...]
    observer: tuple[object, ...] | None
    disagreements: int
    service: tuple[bool, ...]
    findings: tuple[Finding, ...]
    unknown_pods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rest:
    """A plan of `since` (Unix seconds) that had nothing to do; it holds until `until` at most."""

    since: float
    until: float
    looks: _Looks
    counted: _Counted

    def holds(self, memory: Memory, now: float) -> bool:
        """Whether a plan with that memory would have nothing to do either, at `now` (Unix seconds).

        Counts that are old are not what was planned with.
        """
        trial = memory.trial
        return (
            self.since <= now < self.until
            and trial is not None
            and _is_fresh(trial, memory, now, self.looks)
            and _counted(trial, memory, self.looks) == self.counted
        )


def rest_of(state: RolloutState, held: tuple[Hold, ...], wake_at: float | None) -> Rest | None:
    """How long nothing is to be done, None where the next counts are always planned with.

    It is for a plan without actions, whose clocks run out at `wake_at` (Unix seconds).
    """
    trial = state.memory.trial
    if trial is None or not _is_steady(state, trial, held):
        return None
    looks = _looks(state, trial)
    if not _is_fresh(trial, state.memory, state.now, looks):
        return None
    # Those that began together are not planned together for ever.
    spread = crc32(state.key.encode()) / 2**32
    until = state.now + LONGEST_S * (1 - spread / 3)
    if wake_at is not None:
        until = min(until, wake_at)
    return Rest(state.now, until, looks, _counted(trial, state.memory, looks))


def _is_steady(state: RolloutState, trial: Trial, held: tuple[Hold, ...]) -> bool:
    """Whether something is judged, and nothing is under way that time alone may change."""
    seen, roles, split = state.observed, state.roles, state.memory.split
    # A step lasts from when the split is observed: until then each pass stops its clock.
    splits = split is not None and split.observed
    judges = roles.phase.is_judged and state.phase is roles.phase and splits
    watches = state.watching and state.phase is Phase.FULL
    moves = state.exchanging or state.is_suspended or state.past_deadline
    waits = seen.failures or seen.metrics_error is not None or seen.asked_since is not None
    return (
        (judges or watches)
        and not (moves or waits or has_just_begun(state))
        and state.spec_fault is None
        and trial.revision == state.judged
        and all(hold.told for hold in held)
        and all(each.reason in _STEADY for each in state.memory.findings)
        # Pod-minutes are counted by the looks of passes.
        and not any(
            each.is_rate and each.role is Role.GATE for each in trial.judge.rules.objectives
        )
    )


def _looks(state: RolloutState, trial: Trial) -> _Looks:
    candidate, stable = state.candidate, state.stable
    load = None
    if state.phase.shares_traffic and candidate is not None and stable is not None:
        load = COMPARABLE_LOAD * candidate.ready / max(1, stable.ready)
    shadow = state.spec.strategy.shadow
    steps = trial.judge.rules.steps
    proof = 1.0
    if state.phase.mirrors and steps:
        proof = steps[0]
    elif state.phase.shares_traffic:
        proof = float(state.next_step.proof)
    return _Looks(
        trial.judge.level(proof),
        float(state.roles.weight),
        load,
        shadow.min_requests if shadow is not None and state.phase.mirrors else None,
        state.compared_share,
        state.phase is Phase.FULL and state.roles.previous is not None,
        state.step_ms,
        state.pace,
    )


def _is_fresh(trial: Trial, memory: Memory, now: float, looks: _Looks) -> bool:
    return round(now * 1000) <= fresh_until_ms(trial, memory, looks.step_ms, looks.pace)


def _counted(trial: Trial, memory: Memory, looks: _Looks) -> _Counted:
    judge, state, service = trial.judge, trial.state, memory.service
    objectives = judge.rules.objectives
    evidence = state.evidence
    burns = looks.burns and service is not None and service.revision == trial.revision
    return _Counted(
        judge,
        trial.entered,
        state.failed_at is not None,
        all(judge.passes(index, evidence[index], looks.level) for index in judge.asked(state)),
        tuple(
            judge.passes(index, evidence[index], level=0)
            for index, each in enumerate(objectives)
            if each.role is Role.GATE and each.latency is not None
        ),
        None if memory.split is None else _split(memory.split, looks),
        _shadow(trial, memory.shadow_impact, looks),
        None if memory.observer is None else _observer(memory.observer, looks.compared),
        # The observer is then asked which differ most.
        looked(trial),
        ()
        if service is None
        else (
            service.failing,
            service.degraded,
            burns and error_budget.burns(service, judge.rules) is not None,
        ),
        memory.findings,
        memory.unknown_pods,
    )


def _split(split: Split, looks: _Looks) -> tuple[object, ...]:
    """What follows from how requests arrive; numbers alone are nothing."""
    load = looks.load
    return (
        split.since_ms,
        split.mirror,
        split.observed,
        split.mismatch,
        split.differs,
        split.candidate >= shadow_stages.FEW,
        is_unreached(split, looks.weight),
        load is not None and split.candidate >= load * max(split.stable, 1),
        # Then it is asked how large they were.
        None if left_out(split) is None else doublings(split),
    )


def _shadow(trial: Trial, impact: ShadowImpact | None, looks: _Looks) -> tuple[object, ...]:
    """What follows from mirrored requests, and from how stable bears them."""
    return (
        looks.copies is not None and counted_copies(trial) >= looks.copies,
        impact is not None and impact.suffers,
        None if impact is None else impact.words,
    )


def _observer(sight: ObserverSight, share: float) -> tuple[object, ...]:
    """What the observer lacks, if anything."""
    return (
        sight.unseen > 0,
        observer_sight.is_away(sight),
        observer_sight.is_back_lately(sight),
        observer_sight.is_behind(sight, share),
        observer_sight.loses(sight, share),
        observer_sight.lacks_pairs(sight, share),
    )
