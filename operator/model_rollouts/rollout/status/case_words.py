"""Which answers of a candidate differ most: ids to look up, beside the objective that compares."""

from model_rollouts.api.status import LONGEST_MESSAGE, ObjectiveStatus, Status
from model_rollouts.rollout.status.summary import StatusInput
from model_rollouts.text import cut


def with_cases(
    given: StatusInput, objectives: tuple[ObjectiveStatus, ...], before: Status
) -> tuple[ObjectiveStatus, ...]:
    """The objectives, with the ids of the answers that differ most.

    `before` is the status that the object has. What it names of the same candidate stays while the
    observer tells nothing: that one forgets with its process, and a rollback is looked into later.
    """
    candidate = given.candidate
    if candidate is None:
        return objectives
    told = given.cases
    fresh = told.ids if told is not None and told.asked.revision == candidate.revision else {}
    known = {}
    if is_same_candidate(given, before):
        known = {each.name: each.worst_predictions for each in before.objectives}
    return tuple(
        _with(each, fresh.get(each.name) or known.get(each.name) or ()) for each in objectives
    )


def is_same_candidate(given: StatusInput, before: Status) -> bool:
    """Whether the status is about the candidate of the situation."""
    known, candidate = before.candidate, given.candidate
    return known is not None and candidate is not None and known.revision == candidate.revision


def _with(objective: ObjectiveStatus, ids: tuple[str, ...]) -> ObjectiveStatus:
    if not ids or not objective.bad:
        return objective
    sentence = objective.message.partition(_WORST)[0]
    message = cut(f"{sentence}{_WORST}{', '.join(ids)}.", LONGEST_MESSAGE)
    return objective.model_copy(update={"worst_predictions": ids, "message": message})


_WORST = " Furthest apart: "
