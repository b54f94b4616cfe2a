"""The status of a ModelDeployment of which so little can be read that nothing can be planned.

Nothing else is written: who serves goes on to serve, and what status says of that stays.
"""

from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from model_rollouts.api.conditions import (
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    find_condition,
    put,
)
from model_rollouts.api.status import LONGEST_MESSAGE, Status
from model_rollouts.resources.shapes import Object
from model_rollouts.rollout.state.readable_spec import refused


def invalid_status(obj: Object, error: Exception, now: float) -> dict[str, Any]:
    """The status of `obj`, about which `error` was raised, at `now` (Unix seconds)."""
    before = _before(obj)
    message = refused(obj, error)[:LONGEST_MESSAGE]
    conditions: tuple[Condition, ...] = before.conditions
    generation = int(obj["metadata"].get("generation", 0))
    at = datetime.fromtimestamp(int(now), UTC)
    for kind, truth in (
        (ConditionType.READY, ConditionStatus.FALSE),
        (ConditionType.STALLED, ConditionStatus.TRUE),
    ):
        conditions = put(
            conditions, kind, truth, Reason.INVALID_SPEC, message, generation=generation, now=at
        )
    if find_condition(conditions, ConditionType.AVAILABLE) is None:
        conditions = put(
            conditions,
            ConditionType.AVAILABLE,
            ConditionStatus.FALSE,
            Reason.INVALID_SPEC,
            "No version has been started.",
            generation=generation,
            now=at,
        )
    told = before.model_copy(
        update={
            "conditions": conditions,
            "message": message,
            "observed_generation": generation,
        }
    )
    return told.model_dump(mode="json", by_alias=True, exclude_none=True)


def _before(obj: Object) -> Status:
    try:
        return Status.model_validate(obj.get("status") or {})
    except ValidationError:
        return Status()
