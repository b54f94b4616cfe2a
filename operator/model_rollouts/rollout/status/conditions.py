"""The conditions of a situation: one row for each way in which a rollout goes on, waits or ends."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from model_rollouts.api.conditions import (
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    find_condition,
    put,
)
from model_rollouts.api.phase import Phase
from model_rollouts.api.status import LONGEST_MESSAGE, MOST_CONDITIONS, Status
from model_rollouts.decision import Histogram
from model_rollouts.decision import Reason as Shown
from model_rollouts.resources.controller_revision import GRPC_BUILDER
from model_rollouts.rollout.standing import Hold, Standing
from model_rollouts.rollout.status.message import how_it_ended, pods
from model_rollouts.rollout.status.notices import TYPES as NOTICES
from model_rollouts.rollout.status.progress import Progress, underpowered
from model_rollouts.rollout.status.service_words import ADVICE_FAILING
from model_rollouts.rollout.status.summary import StatusInput
from model_rollouts.rollout.trial import error_budget
from model_rollouts.rollout.trial.service import ADVICE_DEGRADED
from model_rollouts.text import capitalized, cut, ended

OWN = frozenset(ConditionType)
"""The types of condition that are ours; all others have other writers."""

_UNJUDGED = frozenset(
    {
        Reason.NO_TRAFFIC,
        Reason.METRICS_UNAVAILABLE,
        Reason.SCRAPE_MISSING,
        Reason.DUPLICATE_TARGETS,
        Reason.CATCHING_UP,
        Reason.SPLIT_NOT_OBSERVED,
        Reason.ARMS_DIFFER,
        Reason.MIRROR_NOT_OBSERVED,
    }
)
"""Reasons that keep a candidate where it is, and mean nothing to a version that all users get."""


class _Cause(NamedTuple):
    """Why the applied version is not what all users get."""

    type: ConditionType
    reason: Reason
    message: str


def conditions_of(
    given: StatusInput, progress: Progress | None, message: str, before: Status, now: float
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
            cut(ended(words) if words else words, LONGEST_MESSAGE),
            generation=given.deployment.metadata.generation,
            now=at,
        )

    cause = _cause(given, message)
    for type in (ConditionType.RECONCILING, ConditionType.STALLED):
        if cause is None or cause.type is not type:
            set_(type, False, Reason.SERVING, "")
    if cause is None:
        set_(ConditionType.READY, True, Reason.SERVING, message)
    else:
        set_(cause.type, True, cause.reason, cause.message)
        set_(ConditionType.READY, False, cause.reason, cause.message)
    set_(ConditionType.AVAILABLE, *_available(given, cause, before))
    set_(ConditionType.WATCHING, given.watching, *_watching(given))
    slow = _underpowered(given, progress, before)
    set_(ConditionType.UNDERPOWERED, slow is not None, Reason.TOO_LITTLE_TRAFFIC, slow or "")
    between = _between(given, progress)
    set_(
        ConditionType.NO_BUCKET_BOUNDARY, between is not None, Reason.BETWEEN_BUCKETS, between or ""
    )
    older = _outdated(given)
    set_(ConditionType.PROXY_OUTDATED, older is not None, Reason.OLDER_BUILDER, older or "")
    missed = _degraded(given, progress)
    refused = next((h for h in given.holds if h.reason is Reason.WRITE_REFUSED), None)
    words = "" if refused is None else refused.message
    set_(ConditionType.WRITE_REFUSED, refused is not None, Reason.WRITE_REFUSED, words)
    kept, replaced = given.scale_down, given.in_place
    set_(
        ConditionType.SCALE_DOWN_HELD,
        kept is not None,
        Reason.GRADUAL if kept is None else kept.reason,
        "" if kept is None else kept.message,
    )
    set_(
        ConditionType.CAPACITY_REDUCED,
        replaced is not None,
        Reason.REPLACING_IN_PLACE,
        "" if replaced is None else replaced.message,
    )
    scrapes = given.scrapes
    differs = ConditionType.SCRAPE_INTERVAL_DIFFERS
    set_(differs, scrapes is not None, Reason.SCRAPE_INTERVAL_DIFFERS, scrapes or "")
    foreign = given.not_counted
    set_(ConditionType.PODS_NOT_COUNTED, foreign is not None, Reason.UNKNOWN_PODS, foreign or "")
    dropped = given.dropped
    set_(ConditionType.EVIDENCE_DROPPED, dropped is not None, Reason.OTHER_RULES, dropped or "")
    omitted = given.budget_omitted
    set_(
        ConditionType.BUDGET_OMITTED,
        omitted is not None,
        Reason.OTHER_BUDGET if omitted is None else omitted.reason,
        "" if omitted is None else omitted.message,
    )
    for type in NOTICES:
        notice = next((each for each in given.notices if each.type is type), None)
        if notice is None:
            set_(type, False, Reason.SERVING, "")
        else:
            set_(type, True, notice.reason, notice.message)
    unseen = given.unseen
    set_(ConditionType.CHANGES_UNSEEN, unseen is not None, Reason.CHANGES_UNSEEN, unseen or "")
    set_(ConditionType.SERVICE_DEGRADED, missed is not None, Reason.TARGET_MISSED, missed or "")
    return _bounded(conditions)


def _bounded(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    own = sum(condition.type in OWN for condition in conditions)
    room = MOST_CONDITIONS - own
    kept = []
    for condition in conditions:
        foreign = condition.type not in OWN
        room -= foreign
        if not foreign or room >= 0:
            kept.append(condition)
    return tuple(kept)


def _cause(given: StatusInput, message: str) -> _Cause | None:
    """Why the applied version does not serve all users; None when it does."""
    phase, stable = given.phase, given.stable
    if phase.has_ended and given.leaving is None:
        return _Cause(ConditionType.STALLED, phase.reason, how_it_ended(given))
    hold = _hold(given)
    if hold is not None and hold.stalls:
        return _Cause(ConditionType.STALLED, hold.reason, hold.message)
    waits = ConditionType.RECONCILING
    if stable is not None and not stable.is_ready:
        return _Cause(waits, _lacking(stable), f"{capitalized(pods(stable))}.")
    if phase is Phase.PAUSED:
        return _Cause(waits, Reason.PAUSED, message)
    if hold is not None:
        return _Cause(waits, hold.reason, hold.message)
    if (phase.is_judged or phase is Phase.FULL) and not given.gateway_accepted:
        return _Cause(waits, Reason.GATEWAY_NOT_ACCEPTED, message)
    if phase is Phase.FULL:
        return _Cause(waits, Reason.STARTING, message) if stable is None else None
    candidate = given.candidate
    if phase is Phase.STARTING and candidate is not None and candidate.stuck:
        return _Cause(waits, Reason.PODS_NOT_STARTING, f"{capitalized(pods(candidate))}.")
    return _Cause(waits, Reason.EXCHANGING if phase.has_ended else phase.reason, message)


def _lacking(stable: Standing) -> Reason:
    """Why stable has fewer pods than are asked for."""
    if not stable.grows:
        return Reason.STABLE_UNAVAILABLE
    return Reason.PODS_NOT_STARTING if stable.stuck else Reason.SCALING_UP


def _hold(given: StatusInput) -> Hold | None:
    """The most important hold that is about more than the evidence on a version that is full."""
    full = given.phase is Phase.FULL
    beside = _UNJUDGED | {Reason.ROUTE_CHANGED}
    return next((h for h in given.holds if not (full and h.reason in beside)), None)


def _available(
    given: StatusInput, cause: _Cause | None, before: Status
) -> tuple[bool, Reason, str]:
    stable = given.stable
    if stable is None:
        reason = Reason.STARTING if cause is None else cause.reason
        return False, reason, "No version serves yet."
    if given.is_asleep:
        return False, Reason.SCALED_TO_ZERO, "spec.replicas is 0: no pod runs."
    if given.is_out and given.in_place is not None:
        return False, Reason.REPLACING_IN_PLACE, given.in_place.message
    if not stable.serves:
        return False, Reason.STABLE_UNAVAILABLE, f"{capitalized(pods(stable))}."
    found = find_condition(before.conditions, ConditionType.AVAILABLE)
    answered = found is not None and (
        found.status is ConditionStatus.TRUE or found.reason == Reason.NOT_ANSWERING
    )
    # A gateway that has not accepted a change goes on with what it accepted before.
    if not given.gateway_accepted and not answered:
        return False, Reason.GATEWAY_NOT_ACCEPTED, "The Gateway has not accepted the route yet."
    if given.failing is not None:
        return False, Reason.NOT_ANSWERING, f"{given.failing} {ADVICE_FAILING}"
    return True, Reason.STABLE_READY, f"Version {stable.version} has enough ready pods."


def _watching(given: StatusInput) -> tuple[Reason, str]:
    """Why the watch sees nothing, or that it does."""
    for hold in given.holds:
        if given.phase is Phase.FULL and hold.reason in _UNJUDGED:
            return hold.reason, hold.message
    return (
        Reason.WATCHING,
        "The promoted version is watched.",
    )


def _underpowered(given: StatusInput, progress: Progress | None, before: Status) -> str | None:
    if given.phase is Phase.STARTING or (progress is not None and progress.rate is None):
        expected = given.expected
        return None if expected is None or not expected.underpowered else expected.words
    if progress is None or not (given.phase.shares_traffic or given.phase is Phase.PAUSED):
        return None
    was = find_condition(before.conditions, ConditionType.UNDERPOWERED) is not None
    return underpowered(given, progress, before=was)


def _between(given: StatusInput, progress: Progress | None) -> str | None:
    """Which latency objectives are judged less sharply, and what could be written instead."""
    judged = () if given.trial is None else given.trial.judge.rules.objectives
    # The edges of a model server's own histogram are not the operator's to write.
    own = {each.name: each.latency.histogram for each in judged if each.latency is not None}
    found = [
        each
        for each in (() if progress is None else progress.explained.conditions)
        if each.reason is Shown.NO_BUCKET_BOUNDARY
        and not _is_unanswered(own.get(each.objective or ""), given.unanswered)
    ]
    told = [f"Objective '{each.objective}', latency.within: {each.message}" for each in found]
    if any(own.get(each.objective or "") is None for each in found):
        told.append("The next version counts it exactly.")
    return " ".join([*told, *_unanswered(own.values(), given.unanswered)]) or None


def _unanswered(
    judged: Collection[Histogram | None], unanswered: Mapping[str, str]
) -> Iterator[str]:
    """Of which histograms it is not known which buckets there are, and why, in sentences."""
    alike: dict[str, list[str]] = {}
    for histogram, why in unanswered.items():
        # Of an objective that was removed since, nothing is told.
        if any(_is_unanswered(own, {histogram: why}) for own in judged):
            alike.setdefault(why, []).append(histogram)
    for why, histograms in alike.items():
        yield (
            f"Prometheus did not say which buckets there are of {', '.join(histograms)}, and is "
            f"asked again: {ended(why)}"
        )


def _is_unanswered(own: Histogram | None, unanswered: Mapping[str, str]) -> bool:
    """Whether it is not known which buckets there are, because Prometheus did not answer."""
    if own is None:
        return False
    return own.text in unanswered or bool(unanswered and not own.metric)


def _outdated(given: StatusInput) -> str | None:
    """What the proxy of the version on trial does not count, None when it counts everything."""
    trial = given.trial
    for each in (given.candidate, given.stable):
        if each is None or trial is None or each.revision != trial.revision:
            continue
        if 0 < each.builder < GRPC_BUILDER:
            return (
                f"Pods of version {each.version} have the proxy of an earlier release (builder "
                f"{each.builder}), which does not tell gRPC answers from others: a failed one "
                "counts as good. The next version has the new proxy."
            )
    return None


def _degraded(given: StatusInput, progress: Progress | None) -> str | None:
    """How the service misses its objectives with every version that could serve."""
    trial = given.trial
    if trial is not None and trial.judge.rules.baseline:
        if (words := error_budget.degraded(trial)) is not None:
            return words
        explained = () if progress is None else progress.explained.conditions
        found = (each.message for each in explained if each.reason is Shown.SERVICE_DEGRADED)
        if (words := next(found, None)) is not None:
            return words
    return None if given.degraded is None else f"{given.degraded} {ADVICE_DEGRADED}"
