"""The conditions of a situation: one row for each way in which a rollout goes on, waits or ends."""

from datetime import UTC, datetime
from typing import NamedTuple

from model_rollouts.api.conditions import (
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    find,
    put,
)
from model_rollouts.api.status import Phase, Status
from model_rollouts.decision import Reason as Shown
from model_rollouts.rollout.status import progress as proof
from model_rollouts.rollout.status.message import cut, pods, reason
from model_rollouts.rollout.status.progress import Proof
from model_rollouts.rollout.status.summary import Hold, Situation
from model_rollouts.rollout.trial import error_budget as budget

OWN = frozenset(ConditionType)
"""The types of condition that are ours; all others have other writers."""

_MOST_CONDITIONS = 16
_LONGEST_MESSAGE = 1024

_UNJUDGED = frozenset(
    {
        Reason.NO_TRAFFIC,
        Reason.METRICS_UNAVAILABLE,
        Reason.SCRAPE_MISSING,
        Reason.DUPLICATE_TARGETS,
        Reason.SPLIT_NOT_OBSERVED,
        Reason.MIRROR_NOT_OBSERVED,
    }
)
"""Reasons that keep a candidate where it is, and mean nothing to a version that all users get."""

_ENDED = {
    Phase.ROLLED_BACK: Reason.ROLLED_BACK,
    Phase.UNDECIDED: Reason.UNDECIDED,
}
_GOES_ON = {
    Phase.ADMISSION: Reason.CHECKING,
    Phase.STARTING: Reason.STARTING,
    Phase.SHADOW: Reason.JUDGING,
    Phase.CANARY: Reason.JUDGING,
    Phase.PAUSED: Reason.PAUSED,
}


class _Cause(NamedTuple):
    """Why the applied version is not what all users get."""

    type: ConditionType
    reason: Reason
    message: str


def of(
    situation: Situation, shown: Proof | None, message: str, before: Status, now: float
) -> tuple[Condition, ...]:
    """The conditions after those of `before`; `message` is the sentence, `now` in Unix seconds."""
    conditions = before.conditions
    at = datetime.fromtimestamp(now, UTC)

    def set_(type: ConditionType, holds: bool, reason: Reason, words: str) -> None:
        nonlocal conditions
        conditions = put(
            conditions,
            type,
            ConditionStatus.TRUE if holds else ConditionStatus.FALSE,
            reason,
            cut(words, _LONGEST_MESSAGE),
            generation=situation.deployment.metadata.generation,
            now=at,
        )

    cause = _cause(situation, message)
    for type in (ConditionType.RECONCILING, ConditionType.STALLED):
        if cause is None or cause.type is not type:
            set_(type, False, Reason.SERVING, "")
    if cause is None:
        set_(ConditionType.READY, True, Reason.SERVING, message)
    else:
        set_(cause.type, True, cause.reason, cause.message)
        set_(ConditionType.READY, False, cause.reason, cause.message)
    set_(ConditionType.AVAILABLE, *_available(situation, cause, before))
    set_(ConditionType.WATCHING, situation.watching, *_watching(situation))
    slow = _underpowered(situation, shown, before)
    set_(ConditionType.UNDERPOWERED, slow is not None, Reason.TOO_LITTLE_TRAFFIC, slow or "")
    between = _between(shown)
    set_(
        ConditionType.NO_BUCKET_BOUNDARY, between is not None, Reason.BETWEEN_BUCKETS, between or ""
    )
    missed = _degraded(situation, shown)
    set_(ConditionType.SERVICE_DEGRADED, missed is not None, Reason.TARGET_MISSED, missed or "")
    return _bounded(conditions)


def _bounded(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    own = sum(condition.type in OWN for condition in conditions)
    room = _MOST_CONDITIONS - own
    kept = []
    for condition in conditions:
        foreign = condition.type not in OWN
        room -= foreign
        if not foreign or room >= 0:
            kept.append(condition)
    return tuple(kept)


def _cause(situation: Situation, message: str) -> _Cause | None:
    """Why the applied version does not serve all users; None when it does."""
    phase, stable = situation.phase, situation.stable
    if phase in _ENDED and situation.leaving is None:
        return _Cause(ConditionType.STALLED, _ENDED[phase], message)
    hold = _hold(situation)
    if hold is not None and hold.stalls:
        return _Cause(ConditionType.STALLED, hold.reason, hold.message)
    waits = ConditionType.RECONCILING
    if stable is not None and not stable.is_ready:
        return _Cause(waits, Reason.STABLE_UNAVAILABLE, pods(stable))
    if phase is Phase.PAUSED:
        return _Cause(waits, Reason.PAUSED, message)
    if hold is not None:
        return _Cause(waits, hold.reason, hold.message)
    if phase in (Phase.SHADOW, Phase.CANARY, Phase.FULL) and not situation.accepted:
        return _Cause(waits, Reason.GATEWAY_NOT_ACCEPTED, message)
    if phase is Phase.FULL:
        return _Cause(waits, Reason.STARTING, message) if stable is None else None
    return _Cause(waits, _GOES_ON.get(phase, Reason.EXCHANGING), message)


def _hold(situation: Situation) -> Hold | None:
    """The most important hold that is about more than the evidence on a version that is full."""
    full = situation.phase is Phase.FULL
    return next((h for h in situation.holds if not (full and h.reason in _UNJUDGED)), None)


def _available(
    situation: Situation, cause: _Cause | None, before: Status
) -> tuple[bool, Reason, str]:
    stable = situation.stable
    if stable is None:
        reason = Reason.STARTING if cause is None else cause.reason
        return False, reason, "no version serves yet"
    if not stable.is_ready:
        return False, Reason.STABLE_UNAVAILABLE, pods(stable)
    found = find(before.conditions, ConditionType.AVAILABLE)
    answered = found is not None and found.status is ConditionStatus.TRUE
    # A gateway that has not accepted a change goes on with what it accepted before.
    if not situation.accepted and not answered:
        return False, Reason.GATEWAY_NOT_ACCEPTED, "the Gateway has not accepted the route yet"
    return True, Reason.STABLE_READY, f"version {stable.version} has the pods it needs"


def _watching(situation: Situation) -> tuple[Reason, str]:
    """Why the watch sees nothing, or that it does."""
    for hold in situation.holds:
        if situation.phase is Phase.FULL and hold.reason in _UNJUDGED:
            return hold.reason, hold.message
    return Reason.WATCHING, "the promoted version is under observation"


def _underpowered(situation: Situation, shown: Proof | None, before: Status) -> str | None:
    if situation.phase is Phase.STARTING or (shown is not None and shown.rate is None):
        expected = situation.expected
        return None if expected is None or not expected.underpowered else expected.words
    if shown is None or situation.phase not in (Phase.CANARY, Phase.PAUSED):
        return None
    was = find(before.conditions, ConditionType.UNDERPOWERED) is not None
    return proof.underpowered(situation, shown, before=was)


def _between(shown: Proof | None) -> str | None:
    """Which latency objectives are judged less sharply, and what could be written instead."""
    conditions = () if shown is None else shown.explained.conditions
    told = [
        f"Objective '{each.objective}', latency.within: {each.message}"
        for each in conditions
        if each.reason is Shown.NO_BUCKET_BOUNDARY
    ]
    if not told:
        return None
    return " ".join([*told, "The next version counts it exactly."])


def _degraded(situation: Situation, shown: Proof | None) -> str | None:
    """How the service misses its objectives with every version that could serve."""
    trial = situation.trial
    if shown is None or trial is None:
        return None
    if situation.phase is Phase.FULL and situation.roles.previous is None:
        return reason(shown.explained.words) if shown.failed else budget.burns(trial)
    if trial.judge.rules.baseline and (words := budget.degraded(trial)) is not None:
        return words
    found = (each for each in shown.explained.conditions if each.reason is Shown.SERVICE_DEGRADED)
    return next((each.message for each in found), None)
