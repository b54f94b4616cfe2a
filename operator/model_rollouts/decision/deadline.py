"""What happens when the deadline comes and the verdict is still Inconclusive."""

from dataclasses import dataclass
from enum import StrEnum

from model_rollouts.decision.bound import upper_bound
from model_rollouts.decision.evidence import Evidence
from model_rollouts.decision.judge import Judge, State
from model_rollouts.decision.objective import bound_words, limit_words
from model_rollouts.decision.verdict import Decision
from model_rollouts.text import listed


class DeadlinePolicy(StrEnum):
    """The user's choice."""

    PROMOTE_WITH_BOUND = "PromoteWithBound"
    """Promote when every Gate's upper bound is acceptable, else end undecided."""
    HOLD = "Hold"
    ROLLBACK = "Rollback"


class DeadlineAction(StrEnum):
    """What to do now."""

    PROMOTE = "Promote"
    """Every Gate passed after all."""
    PROMOTE_WITH_BOUND = "PromoteWithBound"
    """Mark it `PromotedWithBound`."""
    HOLD = "Hold"
    END_UNDECIDED = "EndUndecided"
    """Weight to 0; not a failure of the model, may be tried again."""
    ROLL_BACK = "RollBack"


@dataclass(frozen=True, slots=True)
class Bound:
    """One Gate at the deadline: the smallest rate that is excluded, and the largest acceptable.

    `accepted` is a test of its own at `acceptable`, against the target, stable or both as the
    objective compares, so that the promise "at most `false_promotion`" holds for it too.
    """

    objective: str
    upper: float | None
    acceptable: float
    accepted: bool
    words: str


@dataclass(frozen=True, slots=True)
class DeadlineOutcome:
    """The action with each Gate's bound, in words."""

    action: DeadlineAction
    bounds: tuple[Bound, ...]
    words: str


def at_deadline(judge: Judge, state: State, policy: DeadlinePolicy) -> DeadlineOutcome:
    """The action at the deadline. Fail and Pass win over every policy."""
    decision = judge.decide(state)
    bounds = tuple(_bound(judge, index, state.evidence[index]) for index in judge.asked(state))
    if decision is Decision.FAIL:
        return DeadlineOutcome(
            DeadlineAction.ROLL_BACK, bounds, "The candidate failed before the deadline."
        )
    if decision is Decision.PASS:
        return DeadlineOutcome(DeadlineAction.PROMOTE, bounds, "Every gate passed.")
    if policy is DeadlinePolicy.HOLD:
        return DeadlineOutcome(
            DeadlineAction.HOLD,
            bounds,
            "Undecided at the deadline; the candidate keeps its share of users.",
        )
    if policy is DeadlinePolicy.ROLLBACK:
        return DeadlineOutcome(
            DeadlineAction.ROLL_BACK,
            bounds,
            "Undecided at the deadline, where `onDeadline: Rollback` asks for a rollback.",
        )
    said = listed([bound.words for bound in bounds])
    if all(bound.accepted for bound in bounds):
        return DeadlineOutcome(
            DeadlineAction.PROMOTE_WITH_BOUND,
            bounds,
            f"Undecided at the deadline, but good enough: {said}.",
        )
    return DeadlineOutcome(
        DeadlineAction.END_UNDECIDED, bounds, f"Undecided at the deadline: {said}."
    )


def _bound(judge: Judge, index: int, evidence: Evidence) -> Bound:
    process = judge.processes[index]
    objective = process.objective
    upper = upper_bound(process, evidence, judge.pass_needed)
    shown = "has too few requests for a bound"
    if upper is not None:
        bound = bound_words(objective, process.compare, upper)
        shown = f"has {objective.kind.traits.rate_words} of at most {bound}"
    acceptable = limit_words(objective, process.compare, objective.accept)
    return Bound(
        objective.name,
        upper,
        objective.accept,
        accepted=process.passing(evidence, process.levels[-1]) >= judge.pass_needed,
        words=f"{objective.name} {shown} (acceptable: {acceptable})",
    )
