"""What the reader of a status has to do: nothing, wait, look, or act now."""

from collections.abc import Iterable, Sequence

from model_rollouts.api.action import ActionNeeded
from model_rollouts.api.conditions import Condition, ConditionStatus, ConditionType, Reason
from model_rollouts.api.phase import Phase
from model_rollouts.rollout.status.summary import StatusInput

_LOOK_AT = frozenset(
    {
        ConditionType.STALLED,
        ConditionType.UNDERPOWERED,
        ConditionType.NO_BUCKET_BOUNDARY,
        ConditionType.SCRAPE_INTERVAL_DIFFERS,
        ConditionType.PODS_NOT_COUNTED,
        ConditionType.SERVICE_DEGRADED,
        ConditionType.OVERRIDE_IGNORED,
        ConditionType.PARENT_REJECTED,
        ConditionType.FALLBACK_ACTIVE,
    }
)
"""Conditions that stay as long as you do nothing."""

_PASSES = frozenset(
    {
        Reason.NO_TRAFFIC,
        Reason.CAPACITY_PENDING,
        Reason.SCALING_UP,
        Reason.EXCHANGING,
        Reason.CATCHING_UP,
        Reason.CANDIDATE_UNAVAILABLE,
        Reason.SCALED_TO_ZERO,
    }
)
"""Holds that end without you, as traffic comes, pods become ready and an autoscaler wakes them."""


def action_needed(given: StatusInput, conditions: Sequence[Condition]) -> ActionNeeded:
    """The action that follows from the conditions of what is given."""
    true = {each.type for each in conditions if each.status is ConditionStatus.TRUE}
    held = {hold.reason for hold in given.holds if hold.told}
    asleep = given.stable is not None and given.is_asleep
    out = given.stable is not None and ConditionType.AVAILABLE not in true and not asleep
    alone = given.phase is Phase.FULL or given.phase.has_ended
    helpless = alone and ConditionType.SERVICE_DEGRADED in true
    stuck = given.leaving is not None and not given.gateway_accepted
    if out or helpless or stuck or Reason.WRITE_REFUSED in held:
        return ActionNeeded.NOW
    if _is_stuck(conditions) or true & _LOOK_AT or given.phase is Phase.PAUSED or held - _PASSES:
        return ActionNeeded.LOOK
    return ActionNeeded.WAIT if ConditionType.RECONCILING in true else ActionNeeded.NONE


_STUCK = frozenset(
    {
        Reason.PODS_NOT_STARTING,
        Reason.BUDGETS_OVERLAP,
        Reason.RESTART_STOPPED,
        Reason.STANDBY_NOT_READY,
        Reason.TIMEOUT_FIRST,
    }
)


def _is_stuck(conditions: Iterable[Condition]) -> bool:
    """Whether pods of a version do not start, or can never be evicted."""
    return any(each.reason in _STUCK for each in conditions)
