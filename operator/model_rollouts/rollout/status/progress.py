"""How a trial stands: each objective, what is still needed, and whether the deadline allows it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from model_rollouts.api.status import LONGEST_MESSAGE, ObjectiveStatus, Verdict
from model_rollouts.decision import (
    Decision,
    Judge,
    ObjectiveVerdict,
    Role,
    State,
    Step,
    Traffic,
    explain,
)
from model_rollouts.decision import Verdict as Explained
from model_rollouts.rollout.state.forecast import canary_forecast, times
from model_rollouts.rollout.status.summary import StatusInput
from model_rollouts.rollout.trial.trial import request_rate, slice_shares
from model_rollouts.text import cut

_SOON = 0.8
"""A rollout that was too slow is fast enough again when it needs this share of its deadline:
otherwise a rate at the edge would put the condition on and off."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a trial has shown so far, toward `explained.toward` (1 is promotion).

    `rate` is requests per second to candidate and stable together, None while it is not known.
    `parts` says which part of them an objective on a slice is about, once that is known too.
    """

    objectives: tuple[ObjectiveStatus, ...]
    explained: Explained
    rate: float | None
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether the version on trial is proven worse than allowed."""
        return self.explained.decision is Decision.FAIL

    @property
    def slowest(self) -> ObjectiveVerdict | None:
        """The Gate that needs the most requests yet; None when every Gate is proven."""
        waiting = [o for o in self.explained.objectives if o.is_asked and not o.passed]
        return max(waiting, key=_needs, default=None)


def _needs(verdict: ObjectiveVerdict) -> float:
    return math.inf if verdict.more_requests is None else verdict.more_requests


def progress_of(given: StatusInput) -> Progress | None:
    """How the trial of the situation stands; None without a trial. Costs a few milliseconds."""
    trial = given.trial
    if trial is None:
        return None
    judge, state = trial.judge, trial.state
    step = step_ahead(given)
    who = _called(given, trial.revision)
    explained = (
        explain(judge, state, candidate=who)
        if step is None
        else explain(judge, state, float(step.proof), weight=float(step.weight), candidate=who)
    )
    shares = slice_shares(trial)
    parts = {
        each.name: shares[each.slice.name]
        for each in judge.rules.objectives
        if each.slice is not None and each.slice.name in shares
    }
    objectives = _objectives(judge, state, explained, is_judged=given.phase.is_judged)
    return Progress(objectives, explained, request_rate(trial), parts)


def _called(given: StatusInput, revision: str) -> str:
    running = (given.candidate, given.stable, given.leaving)
    return next(
        (f"version {each.version}" for each in running if each and each.revision == revision),
        "the candidate",
    )


def step_ahead(given: StatusInput) -> Step | None:
    """The step that comes next, None where the next move gives all users or none."""
    trial = given.trial
    copied = trial is not None and trial.traffic is Traffic.SHADOW
    share = given.weight or given.share
    if not (share or copied) or given.is_promoting or given.leaving is not None:
        return None
    above = (step for step in given.steps if float(step.weight) > share)
    return next((step for step in above if step.weight < 1), None)


def _objectives(
    judge: Judge, state: State, explained: Explained, *, is_judged: bool
) -> tuple[ObjectiveStatus, ...]:
    worst = judge.worst(
        {
            index: objective.fail_evidence
            for index, objective in enumerate(explained.objectives)
            if objective.role is not Role.REPORT
        }
    )

    def verdict(index: int, objective: ObjectiveVerdict) -> Verdict:
        proven = objective.fail_evidence >= judge.fail_needed
        if objective.role is not Role.REPORT:
            # Together they fail, and the proof of one can have weakened since.
            proven = state.failed_at is not None and (proven or index == worst)
        if proven:
            return Verdict.FAIL
        if judge.passes(index, state.evidence[index], level=0):
            return Verdict.PASS
        return Verdict.INCONCLUSIVE

    def is_awaited(objective: ObjectiveVerdict) -> bool:
        return is_judged and objective.is_asked and not objective.failed

    return tuple(
        ObjectiveStatus(
            name=objective.name[:63],
            slice=of.name if (of := judge.rules.objectives[index].slice) else None,
            verdict=verdict(index, objective),
            bad=round(objective.candidate.bad),
            total=round(objective.candidate.total),
            limit=cut(objective.limit, 64) if is_awaited(objective) else None,
            needed=_requests_in_all(objective) if is_awaited(objective) else None,
            message=objective.words[:LONGEST_MESSAGE],
        )
        for index, objective in enumerate(explained.objectives)
    )


def _requests_in_all(verdict: ObjectiveVerdict) -> int | None:
    """Until it passes, as exact as a forecast is; None where none would do."""
    more, seen = verdict.more_requests, verdict.candidate.total
    if more is None:
        return None
    return max(round(seen), int(float(f"{seen + more:.2g}"))) if more else round(seen)


def underpowered(given: StatusInput, progress: Progress, *, before: bool) -> str | None:
    """Why the deadline comes before a decision at the present traffic, in words; None when not.

    `before` is whether it was so before: then it stays until there is time to spare.
    """
    trial = given.trial
    if trial is None or progress.rate is None or not trial.judge.rules.baseline:
        return None
    if given.is_promoting:
        return None
    spec = given.deployment.spec
    found = canary_forecast(trial.judge, progress.rate, spec, given.steps, slice_shares(trial))
    needs = found.seconds / times(spec)[0]
    return found.words if found.underpowered or (before and needs > _SOON) else None
