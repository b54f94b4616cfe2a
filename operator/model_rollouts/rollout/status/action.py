"""What the reader of a status has to do: nothing, wait, look, or act now."""

from collections.abc import Iterable

from model_rollouts.api.action import ActionNeeded
from model_rollouts.api.conditions import Condition, ConditionStatus, ConditionType, Reason
from model_rollouts.api.phase import Phase
from model_rollouts.rollout.status.summary import StatusInput

_LOOK_AT = frozenset(
    {
        ConditionType.STALLED,
        ConditionType.UNDERPOWERED,
        ConditionType.NO_BUCKET_BOUNDARY,
        ConditionType.SERVICE_DEGRADED,
    }
)
"""Conditions that stay as long as you do nothing."""

_PASSES = frozenset({Reason.NO_TRAFFIC, Reason.CAPACITY_PENDING, Reason.EXCHANGING})
"""Holds that end without you, as traffic comes and pods become ready."""


def action_needed(given: StatusInput, conditions: Iterable[Condition]) -> ActionNeeded:
    """The action that follows from the conditions of what is given."""
    true = {each.type for each in conditions if each.status is ConditionStatus.TRUE}
    held = {hold.reason for hold in given.holds if hold.told}
    out = given.stable is not None and ConditionType.AVAILABLE not in true
    alone = given.phase is Phase.FULL or given.phase.has_ended
    helpless = alone and ConditionType.SERVICE_DEGRADED in true
    stuck = given.leaving is not None and not given.gateway_accepted
    if out or helpless or stuck or Reason.WRITE_REFUSED in held:
        return ActionNeeded.NOW
    if true & _LOOK_AT or given.phase is Phase.PAUSED or held - _PASSES:
        return ActionNeeded.LOOK
    return ActionNeeded.WAIT if ConditionType.RECONCILING in true else ActionNeeded.NONE
