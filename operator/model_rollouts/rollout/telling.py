"""What status tells of a situation: conditions, the sentence, and when it is worth a write."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, NamedTuple

from pydantic import ValidationError

from model_rollouts.api.conditions import (
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    find,
    put,
)
from model_rollouts.api.ratio import ratio
from model_rollouts.api.status import LONGEST_HISTORY, Arm, Phase, Status
from model_rollouts.decision import Reason as Shown
from model_rollouts.resources.names import selector
from model_rollouts.rollout import evidence, proof
from model_rollouts.rollout.memory import Memory, Written
from model_rollouts.rollout.proof import Proof
from model_rollouts.rollout.situation import Hold, Situation, Standing
from model_rollouts.rollout.wording import cut, pods, reason, sentence

_OWN = frozenset(ConditionType)
_MOST_CONDITIONS = 16
_LONGEST_MESSAGE = 1024

_UNJUDGED = frozenset(
    {
        Reason.NO_TRAFFIC,
        Reason.METRICS_UNAVAILABLE,
        Reason.SCRAPE_MISSING,
        Reason.DUPLICATE_TARGETS,
        Reason.SPLIT_NOT_OBSERVED,
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
    Phase.CANARY: Reason.JUDGING,
    Phase.PAUSED: Reason.PAUSED,
}

FIRST_REFRESH = 30.0
LAST_REFRESH = 1800.0
_SLOWER = 1.5


class _Cause(NamedTuple):
    """Why the applied version is not what all users get."""

    type: ConditionType
    reason: Reason
    message: str


def tell(situation: Situation, memory: Memory, before: Status, now: float) -> Status:
    """The status of `situation`; `before` is the one that the object has.

    `now` (Unix seconds) dates what changes. Every string is cut to its bound: a status that could
    not be written would hide a rollback.
    """
    shown = proof.of(situation)
    message = sentence(situation, shown)
    stable, candidate = situation.stable, situation.candidate
    return Status(
        observed_generation=situation.deployment.metadata.generation,
        phase=situation.phase,
        message=message,
        conditions=_conditions(situation, shown, message, before, now),
        stable=None if stable is None else _arm(stable, 1 - situation.weight),
        candidate=None if candidate is None else _arm(candidate, situation.weight),
        step=situation.step,
        objectives=() if shown is None else shown.objectives,
        history=tuple(
            past.model_copy(update={"message": cut(past.message, _LONGEST_MESSAGE)})
            for past in situation.history[:LONGEST_HISTORY]
        ),
        evidence=_kept(situation, memory),
        replicas=None if stable is None else stable.replicas,
        selector=None if stable is None else _selector(stable.revision),
    )


def body(status: Status) -> dict[str, Any]:
    """The status as the JSON that is written."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


def _arm(standing: Standing, weight: float) -> Arm:
    millionths = min(max(round(weight * 1_000_000), 0), 1_000_000)
    return Arm(
        revision=cut(standing.revision, 63),
        version=cut(standing.version, 63),
        weight=ratio(Fraction(millionths, 1_000_000)),
        rendered_by=f"builder {standing.builder}",
    )


def _selector(revision: str) -> str:
    pairs = (f"{label}={value}" for label, value in selector(revision).items())
    return cut(",".join(pairs), 1024)


def _kept(situation: Situation, memory: Memory) -> str | None:
    """Evidence, while something is judged or a clock runs."""
    running = situation.phase in (Phase.STARTING, Phase.CANARY, Phase.PAUSED)
    return evidence.encode(memory) if running or situation.watching else None


def _conditions(
    situation: Situation, shown: Proof | None, message: str, before: Status, now: float
) -> tuple[Condition, ...]:
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
    missed = _degraded(situation, shown)
    set_(ConditionType.SERVICE_DEGRADED, missed is not None, Reason.TARGET_MISSED, missed or "")
    return _bounded(conditions)


def _bounded(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    own = sum(condition.type in _OWN for condition in conditions)
    room = _MOST_CONDITIONS - own
    kept = []
    for condition in conditions:
        foreign = condition.type not in _OWN
        room -= foreign
        if not foreign or room >= 0:
            kept.append(condition)
    return tuple(kept)


def _cause(situation: Situation, message: str) -> _Cause | None:
    """Why the applied version does not serve all users; None when it does."""
    phase, stable = situation.phase, situation.stable
    if phase in _ENDED:
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
    if phase in (Phase.CANARY, Phase.FULL) and not situation.accepted:
        return _Cause(waits, Reason.GATEWAY_NOT_ACCEPTED, message)
    if phase is Phase.FULL:
        return _Cause(waits, Reason.STARTING, message) if stable is None else None
    return _Cause(waits, _GOES_ON[phase], message)


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
    return True, Reason.STABLE_READY, f"{stable.version} has the ready pods that its users need"


def _watching(situation: Situation) -> tuple[Reason, str]:
    """Why the watch sees nothing, or that it does."""
    for hold in situation.holds:
        if situation.phase is Phase.FULL and hold.reason in _UNJUDGED:
            return hold.reason, hold.message
    return Reason.WATCHING, "the promoted version is under observation"


def _underpowered(situation: Situation, shown: Proof | None, before: Status) -> str | None:
    if shown is None or situation.phase not in (Phase.CANARY, Phase.PAUSED):
        return None
    was = find(before.conditions, ConditionType.UNDERPOWERED) is not None
    return proof.underpowered(situation, shown, before=was)


def _degraded(situation: Situation, shown: Proof | None) -> str | None:
    """How the service misses its objectives with every version that could serve."""
    if shown is None:
        return None
    if situation.phase is Phase.FULL and shown.failed and situation.roles.previous is None:
        return reason(shown.explained.words)
    found = (each for each in shown.explained.conditions if each.reason is Shown.SERVICE_DEGRADED)
    return next((each.message for each in found), None)


def due(status: Status, memory: Memory, now: float) -> float | None:
    """When (Unix seconds, `now` or later) to write `status`; None when it says nothing new.

    A transition is due at once. Counts and words that only moved on wait: 30 s at first, half as
    long again each time, 30 minutes at most. Clocks of a rollout that waits for a person are no
    news.
    """
    known = _last(memory)
    if memory.written is None or known is None or _transitions(status) != _transitions(known):
        return now
    if _news(status) == _news(known):
        return None
    # The bound before the power: 1.5 to the power of many refreshes is no float.
    slower = _SLOWER ** min(memory.written.refreshes, 100)
    return max(now, memory.written.at + min(FIRST_REFRESH * slower, LAST_REFRESH))


def written(memory: Memory, status: Status, now: float) -> Memory:
    """The memory after `status` was written at `now`; what only waited to be told is forgotten."""
    refreshes, last = 0, _last(memory)
    if memory.written and last and _transitions(status) == _transitions(last):
        refreshes = memory.written.refreshes + 1
    told = Written(body(status), now, refreshes)
    return replace(memory, written=told, note=None, superseded=None)


def _last(memory: Memory) -> Status | None:
    """The status as it was written last; None when there was none, or it cannot be read."""
    if memory.written is None:
        return None
    try:
        return Status.model_validate(memory.written.status)
    except ValidationError:
        return None


def _transitions(status: Status) -> tuple[object, ...]:
    """Everything of a status that people and tools wait for."""
    return (
        status.phase,
        status.observed_generation,
        tuple((c.type, c.status, c.reason) for c in status.conditions if c.type in _OWN),
        status.stable,
        status.candidate,
        status.step,
        status.history,
        status.replicas,
        status.selector,
    )


def _news(status: Status) -> Status:
    """The status without what is not worth a write."""
    own = tuple(condition for condition in status.conditions if condition.type in _OWN)
    waits = status.phase is Phase.PAUSED or find(own, ConditionType.STALLED) is not None
    kept = None if waits else status.evidence
    return status.model_copy(update={"conditions": own, "evidence": kept})
