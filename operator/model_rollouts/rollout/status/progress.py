"""How a trial stands: each objective, what is still needed, and whether the deadline allows it."""

import math
from dataclasses import dataclass

from model_rollouts.api.status import ObjectiveStatus, Verdict
from model_rollouts.decision import Arm as Traffic
from model_rollouts.decision import (
    Decision,
    Judge,
    ObjectiveVerdict,
    Role,
    State,
    explain,
)
from model_rollouts.decision import Verdict as Explained
from model_rollouts.rollout.memory import Trial
from model_rollouts.rollout.state import forecasts
from model_rollouts.rollout.state.capacity import Step
from model_rollouts.rollout.status.summary import Situation

LEAST_SECONDS = 60.0
"""Of counting, before a rate of requests is known."""

_SOON = 0.8
"""A rollout that was too slow is fast enough again when it needs this share of its deadline:
otherwise a rate at the edge would put the condition on and off."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a trial has shown so far, toward `explained.toward` (1 is promotion).

    `rate` is requests per second to candidate and stable together, None while it is not known.
    """

    objectives: tuple[ObjectiveStatus, ...]
    explained: Explained
    rate: float | None

    @property
    def failed(self) -> bool:
        """Whether the version on trial is proven worse than allowed."""
        return self.explained.decision is Decision.FAIL

    @property
    def slowest(self) -> ObjectiveVerdict | None:
        """The Gate that needs the most requests yet; None when every Gate is proven."""
        waiting = [o for o in self.explained.objectives if o.role is Role.GATE and not o.passed]
        return max(waiting, key=_needs, default=None)


def _needs(verdict: ObjectiveVerdict) -> float:
    return math.inf if verdict.more_requests is None else verdict.more_requests


def of(situation: Situation) -> Proof | None:
    """How the trial of the situation stands; None without a trial. Costs a few milliseconds."""
    trial = situation.trial
    if trial is None:
        return None
    judge, state = trial.judge, trial.state
    step = ahead(situation)
    explained = (
        explain(judge, state)
        if step is None
        else explain(judge, state, float(step.proof), weight=float(step.weight))
    )
    return Proof(_objectives(judge, state, explained), explained, rate(trial))


def ahead(situation: Situation) -> Step | None:
    """The step that comes next, None where the next move gives all users or none."""
    trial = situation.trial
    copied = trial is not None and trial.traffic is Traffic.SHADOW
    if not (situation.weight or copied) or situation.decided or situation.leaving is not None:
        return None
    above = (step for step in situation.steps if float(step.weight) > situation.weight)
    return next((step for step in above if step.weight < 1), None)


def _objectives(judge: Judge, state: State, explained: Explained) -> tuple[ObjectiveStatus, ...]:
    acting = [o.fail_evidence for o in explained.objectives if o.role is not Role.REPORT]
    worst = max(acting)

    def verdict(index: int, objective: ObjectiveVerdict) -> Verdict:
        proven = objective.fail_evidence >= judge.fail_needed
        if objective.role is not Role.REPORT:
            # Together they fail, and the proof of one can have weakened since.
            proven = state.failed_at is not None and (proven or objective.fail_evidence == worst)
        if proven:
            return Verdict.FAIL
        if judge.passes(index, state.evidence[index], level=0):
            return Verdict.PASS
        return Verdict.INCONCLUSIVE

    return tuple(
        ObjectiveStatus(
            name=objective.name[:63],
            verdict=verdict(index, objective),
            bad=round(objective.candidate.bad),
            total=round(objective.candidate.total),
            message=objective.words[:1024],
        )
        for index, objective in enumerate(explained.objectives)
    )


def rate(trial: Trial) -> float | None:
    """Requests per second of users to candidate and stable, None while it is not known.

    Copies of them are none.
    """
    state, copied = trial.state, trial.traffic is Traffic.SHADOW
    judged = state.elapsed - trial.entered
    if judged < LEAST_SECONDS:
        return None
    requests = max(
        each.seen_stable_total + (0.0 if copied else each.seen_total) for each in state.evidence
    )
    return requests / judged if requests else None


def underpowered(situation: Situation, proof: Proof, *, before: bool) -> str | None:
    """Why the deadline comes before a decision at the present traffic, in words; None when not.

    `before` is whether it was so before: then it stays until there is time to spare.
    """
    trial = situation.trial
    if trial is None or proof.rate is None or not trial.judge.rules.baseline:
        return None
    if situation.decided:
        return None
    spec = situation.deployment.spec
    found = forecasts.canary(trial.judge, proof.rate, spec, situation.steps)
    needs = found.seconds / forecasts.times(spec)[0]
    return found.words if found.underpowered or (before and needs > _SOON) else None
