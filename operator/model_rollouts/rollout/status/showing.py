"""What a pass has to tell: its situation, the status that follows, and the history."""

from model_rollouts.api.status import ObjectiveStatus, Outcome, Past, Phase, Status
from model_rollouts.rollout.objects import workloads
from model_rollouts.rollout.state import forecast as stages
from model_rollouts.rollout.state.state import Found
from model_rollouts.rollout.status import history as histories
from model_rollouts.rollout.status import progress as proof
from model_rollouts.rollout.status import status as telling
from model_rollouts.rollout.status.summary import Hold, Situation


def verdicts(found: Found, held: tuple[Hold, ...]) -> tuple[ObjectiveStatus, ...]:
    """How what is judged stands in each objective; empty when nothing is judged."""
    shown = proof.of(situation(found, held))
    return () if shown is None else shown.objectives


def status(found: Found, held: tuple[Hold, ...]) -> Status:
    """The status as it should be."""
    before = found.deployment.status
    return telling.tell(situation(found, held), found.memory, before, found.now)


def situation(found: Found, held: tuple[Hold, ...]) -> Situation:
    """Where the rollout is."""
    expected = stages.canary(found)
    return Situation(
        deployment=found.deployment,
        phase=Phase.PAUSED if found.spec.paused else found.phase,
        roles=found.roles,
        weight=float(found.roles.weight),
        step=found.step,
        stable=found.stable(),
        candidate=found.candidate(),
        previous=found.previous(),
        holds=held,
        clocks=found.clocks,
        trial=found.memory.trial,
        history=history(found),
        watching=found.watching,
        accepted=workloads.may_shrink(found),
        plan=stages.plan(found, expected),
        expected=expected,
        steps=found.steps,
        leaving=found.beside() if found.is_unwanted else None,
        decided=found.decided is not None,
    )


def history(found: Found) -> tuple[Past, ...]:
    """The rollouts that ended, by the route and by what the status does not tell yet."""
    past, memory, now = found.deployment.status.history, found.memory, found.now
    dropped = memory.superseded
    if dropped is not None and dropped in found.revisions:
        attempt, outcome = found.roles.attempt, Outcome.SUPERSEDED
        past = histories.ended(past, dropped, found.revisions, attempt, outcome, memory.note, now)
    return histories.told(past, found.roles, found.revisions, memory.note, now)
