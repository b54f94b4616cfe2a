"""What of a status is worth an event: a condition that began, or that has another reason now.

The moves of the route have events of their own; what only follows from one is not told twice.
"""

from collections.abc import Iterator

from model_rollouts.api.conditions import Condition, ConditionStatus, ConditionType, Reason
from model_rollouts.api.status import Status
from model_rollouts.rollout.actions import Emit, Severity

_BAD = frozenset(
    {
        ConditionType.STALLED,
        ConditionType.UNDERPOWERED,
        ConditionType.NO_BUCKET_BOUNDARY,
        ConditionType.SCRAPE_INTERVAL_DIFFERS,
        ConditionType.PODS_NOT_COUNTED,
        ConditionType.EVIDENCE_DROPPED,
        ConditionType.SERVICE_DEGRADED,
        ConditionType.WRITE_REFUSED,
        ConditionType.CAPACITY_REDUCED,
        ConditionType.CHANGES_UNSEEN,
        ConditionType.OVERRIDE_IGNORED,
        ConditionType.PARENT_REJECTED,
    }
)
_TOLD = _BAD | {
    ConditionType.RECONCILING,
    ConditionType.SCALE_DOWN_HELD,
    ConditionType.BUDGET_OMITTED,
    ConditionType.RESTARTING,
    ConditionType.STABLE_NOT_CAPTURED,
    ConditionType.INPUTS_DRIFTED,
}
_FOLLOWS = frozenset(
    {
        Reason.SHADOW_HURTS_STABLE,
        Reason.ROLLED_BACK,
        Reason.UNDECIDED,
        Reason.JUDGING,
        Reason.STARTING,
        Reason.CHECKING,
    }
)


def events_of(before: Status, after: Status) -> Iterator[Emit]:
    """An event for each condition that began or changed its reason, and when Available is lost."""
    known = {each.type: each for each in before.conditions}
    for condition in after.conditions:
        last = known.get(condition.type)
        if condition.type == ConditionType.AVAILABLE:
            if _is_lost(condition, last):
                yield _told(condition, Severity.WARNING)
        elif _began(condition, last):
            bad = condition.type in _BAD
            yield _told(condition, Severity.WARNING if bad else Severity.NORMAL)


def _is_lost(available: Condition, last: Condition | None) -> bool:
    """Whether users got answers before, or something else was why they did not."""
    if last is None or available.status is not ConditionStatus.FALSE:
        return False
    if available.reason in (Reason.SCALED_TO_ZERO, Reason.REPLACING_IN_PLACE):
        # That is what was asked for; that it comes is told before.
        return False
    fails = available.reason == Reason.NOT_ANSWERING != last.reason
    return last.status is ConditionStatus.TRUE or fails


def _began(condition: Condition, last: Condition | None) -> bool:
    if condition.type not in _TOLD or condition.reason in _FOLLOWS:
        return False
    refused = condition.reason == Reason.WRITE_REFUSED
    if refused and condition.type != ConditionType.WRITE_REFUSED:
        return False
    same = last is not None and (last.status, last.reason) == (condition.status, condition.reason)
    if refused and last is not None and last.message != condition.message:
        # Another object, or another answer.
        same = False
    return condition.status is ConditionStatus.TRUE and not same


def _told(condition: Condition, severity: Severity) -> Emit:
    return Emit(severity, condition.reason, condition.type, condition.message)
