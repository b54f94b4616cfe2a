"""Conditions of the status: their types and reasons, and how one is put among the others.

They follow kstatus, so that GitOps tools know without a plugin whether a rollout is in progress
(Reconciling), needs you (Stalled) or is done (Ready).
"""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from model_rollouts.api.base import INT64, Part, Word


class ConditionType(Word):
    """What a condition is about."""

    READY = "Ready", "All users get the version in the spec. Always present."
    AVAILABLE = (
        "Available",
        "Users get answers, whichever version gives them. Page on this one. Always present.",
    )
    RECONCILING = (
        "Reconciling",
        "The operator is working, or waits for something. Present only while true.",
    )
    STALLED = (
        "Stalled",
        "The rollout does not continue until you change something. Present only while true.",
    )
    WATCHING = (
        "Watching",
        "The promoted version is watched: it is rolled back if it fails, and the previous revision "
        "stays warm. Present only while true.",
    )
    UNDERPOWERED = (
        "Underpowered",
        "At current traffic the objectives will not be decided before the deadline. "
        "Present only while true.",
    )
    NO_BUCKET_BOUNDARY = (
        "NoBucketBoundary",
        "A running revision does not count the time of a latency objective exactly, because it "
        "started before the objective was added. Present only while true.",
    )
    SERVICE_DEGRADED = (
        "ServiceDegraded",
        "The service misses its objectives, and no other version can be given its users. "
        "Present only while true.",
    )
    WRITE_REFUSED = (
        "WriteRefused",
        "The API server does not do what the rollout needs. Present only while true.",
    )


class Reason(Word):
    """Why a condition is as it is."""

    SERVING = "Serving", "All users get the applied version."
    STABLE_READY = "StableReady", "Stable has enough ready pods for its users."
    CHECKING = "Checking", "The version is checked before its pods start."
    STARTING = "Starting", "Pods are starting and not ready yet."
    JUDGING = "Judging", "The candidate is judged on the requests it gets."
    NO_TRAFFIC = "NoTraffic", "No requests arrive to judge the candidate on; its weight is held."
    METRICS_UNAVAILABLE = (
        "MetricsUnavailable",
        "Prometheus does not answer; the candidate's weight is held.",
    )
    SCRAPE_MISSING = "ScrapeMissing", "Pods run, but Prometheus does not scrape them."
    DUPLICATE_TARGETS = "DuplicateTargets", "Prometheus scrapes the same pods more than once."
    SPLIT_NOT_OBSERVED = (
        "SplitNotObserved",
        "Candidate and stable do not get requests in the proportion of their weights.",
    )
    MIRROR_NOT_OBSERVED = (
        "MirrorNotObserved",
        "The candidate does not get the share of mirrored requests that the route says.",
    )
    SHADOW_HURTS_STABLE = (
        "ShadowHurtsStable",
        "Mirroring made stable worse, so fewer requests are mirrored now.",
    )
    LOW_LOAD = (
        "LowLoad",
        "Each candidate pod gets too few requests for its latency to count towards promotion.",
    )
    CAPACITY_PENDING = "CapacityPending", "Pods for the next step are starting."
    EXCHANGING = "Exchanging", "Pods of one version are being replaced by pods of the other."
    NAME_TAKEN = "NameTaken", "An object that the rollout needs exists and has another owner."
    GATEWAY_NOT_ACCEPTED = "GatewayNotAccepted", "The Gateway has not accepted the route."
    ROUTE_CONFLICT = "RouteConflict", "Another route matches the same requests."
    GATEWAY_INCAPABLE = "GatewayIncapable", "The Gateway does not support what the spec needs."
    PROVENANCE_MISSING = (
        "ProvenanceMissing",
        "A required item is not declared, or a version has another artifact than before.",
    )
    INVALID_SPEC = "InvalidSpec", "This release of the operator refuses the spec."
    INVALID_TEMPLATE = "InvalidTemplate", "The API server refuses the pod template."
    PROGRESS_DEADLINE_EXCEEDED = (
        "ProgressDeadlineExceeded",
        "Pods were not ready before the progress deadline.",
    )
    STABLE_UNAVAILABLE = "StableUnavailable", "Stable has fewer ready pods than its users need."
    NOT_ANSWERING = "NotAnswering", "Most requests of users fail."
    WATCHING = (
        "Watching",
        "The promoted version is watched: it is rolled back if it fails.",
    )
    TOO_LITTLE_TRAFFIC = (
        "TooLittleTraffic",
        "Too few requests arrive to decide the objectives before the deadline.",
    )
    TARGET_MISSED = "TargetMissed", "The version that serves misses its objectives."
    BETWEEN_BUCKETS = (
        "BetweenBuckets",
        "The time of a latency objective lies between two that the proxy counts.",
    )
    WRITE_REFUSED = "WriteRefused", "The API server refuses an object that the rollout needs."
    ROUTE_CHANGED = (
        "RouteChanged",
        "Something changes the HTTPRoute whenever it is written; it is used as it is.",
    )
    PAUSED = "Paused", "`spec.paused` is true."
    OVERRIDDEN = "Overridden", "`spec.strategy.override` decides instead of the objectives."
    ROLLED_BACK = "RolledBack", "The candidate was rolled back."
    UNDECIDED = "Undecided", "The deadline came before the objectives were decided."


class ConditionStatus(Word):
    """Whether a condition holds."""

    TRUE = "True", "It holds."
    FALSE = "False", "It does not hold."
    UNKNOWN = "Unknown", "The operator cannot tell."


class Condition(Part):
    """One aspect of the state, in the form of a standard Kubernetes condition."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """Type of the condition, e.g. `Ready`."""
    status: ConditionStatus
    """Whether the condition holds."""
    observed_generation: Annotated[int, Field(ge=0, json_schema_extra=INT64)] | None = None
    """Generation of the resource that the condition was set for."""
    last_transition_time: datetime
    """When `status` last changed, in UTC."""
    reason: Annotated[
        str,
        Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
    ]
    """Why, as one word for programs, e.g. `Judging`."""
    message: Annotated[str, Field(max_length=32768)]
    """Why, as a sentence for people. Its wording can change between releases."""


ALWAYS_PRESENT = frozenset({ConditionType.READY, ConditionType.AVAILABLE})
_EXCLUSIVE = {
    ConditionType.RECONCILING: ConditionType.STALLED,
    ConditionType.STALLED: ConditionType.RECONCILING,
}


def put(
    conditions: tuple[Condition, ...],
    type: ConditionType,
    status: ConditionStatus,
    reason: Reason,
    message: str,
    *,
    generation: int,
    now: datetime,
) -> tuple[Condition, ...]:
    """The conditions with one of them set, sorted by type.

    The time of the last transition changes only when the status does. Reconciling replaces Stalled
    and the other way round. A condition that exists only while it is true goes when it is not.
    Conditions of other writers stay as they are. `now` is aware of its time zone.
    """
    if now.tzinfo is None:
        raise ValueError(f"now: found {now} without a time zone, write a time in UTC")
    gone = {type, _EXCLUSIVE.get(type)} if status is ConditionStatus.TRUE else {type}
    kept = [condition for condition in conditions if condition.type not in gone]
    if status is ConditionStatus.TRUE or type in ALWAYS_PRESENT:
        before = find_condition(conditions, type)
        same = before is not None and before.status == status
        kept.append(
            Condition(
                type=type.value,
                status=status,
                observed_generation=generation,
                # The API server keeps whole seconds.
                last_transition_time=before.last_transition_time
                if before is not None and same
                else now.replace(microsecond=0),
                reason=reason.value,
                message=message,
            )
        )
    return tuple(sorted(kept, key=lambda condition: condition.type))


def find_condition(conditions: tuple[Condition, ...], type: ConditionType) -> Condition | None:
    """The condition of that type; None when there is none."""
    return next((condition for condition in conditions if condition.type == type), None)
