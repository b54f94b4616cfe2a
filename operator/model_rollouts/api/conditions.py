"""Conditions of the status: their types and reasons, and how one is put among the others.

They follow kstatus, so that GitOps tools know without a plugin whether a rollout goes on
(Reconciling), needs a person (Stalled) or is done (Ready).
"""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from model_rollouts.api.base import INT64, Part, Word


class ConditionType(Word):
    """What a condition is about."""

    READY = "Ready", "All users get what the spec says. Always present."
    AVAILABLE = "Available", "Users get answers; the one to page on. Always present."
    RECONCILING = "Reconciling", "The operator works or waits for something; only while true."
    STALLED = "Stalled", "Nothing happens until a person acts; only while true."
    WATCHING = "Watching", "The promoted version is under observation; only while true."
    UNDERPOWERED = (
        "Underpowered",
        "At the present traffic the objectives are not decided before the deadline; "
        "only while true.",
    )
    NO_BUCKET_BOUNDARY = (
        "NoBucketBoundary",
        "What runs was started before a latency objective was written, and does not count its "
        "time exactly; only while true.",
    )
    SERVICE_DEGRADED = (
        "ServiceDegraded",
        "The service breaks its objectives whichever version answers; only while true.",
    )


class Reason(Word):
    """Why a condition is as it is."""

    SERVING = "Serving", "All users get the applied version."
    STABLE_READY = "StableReady", "Stable has the ready pods that its users need."
    CHECKING = "Checking", "The version is checked before pods of it start."
    STARTING = "Starting", "Pods become ready."
    JUDGING = "Judging", "The candidate is judged on the requests it gets."
    NO_TRAFFIC = "NoTraffic", "No request came that could be judged."
    METRICS_UNAVAILABLE = "MetricsUnavailable", "Prometheus does not answer; the weight is held."
    SCRAPE_MISSING = "ScrapeMissing", "Pods run, and Prometheus does not scrape them."
    DUPLICATE_TARGETS = "DuplicateTargets", "Prometheus scrapes the same pods more than once."
    SPLIT_NOT_OBSERVED = (
        "SplitNotObserved",
        "Requests do not arrive at candidate and stable as the weights say.",
    )
    MIRROR_NOT_OBSERVED = (
        "MirrorNotObserved",
        "Copies of requests do not arrive at the candidate as the route says.",
    )
    SHADOW_HURTS_STABLE = (
        "ShadowHurtsStable",
        "Stable answered worse while its requests were copied; fewer of them are now.",
    )
    LOW_LOAD = (
        "LowLoad",
        "A pod of the candidate has too few requests for its latency to count for promotion.",
    )
    CAPACITY_PENDING = "CapacityPending", "Pods for the next step start."
    EXCHANGING = "Exchanging", "Pods of one version take the place of those of the other."
    NAME_TAKEN = "NameTaken", "An object that the rollout needs belongs to somebody else."
    GATEWAY_NOT_ACCEPTED = "GatewayNotAccepted", "The Gateway has not accepted the route."
    ROUTE_CONFLICT = "RouteConflict", "Another route has the same match."
    GATEWAY_INCAPABLE = "GatewayIncapable", "The Gateway cannot do what the spec needs."
    PROVENANCE_MISSING = "ProvenanceMissing", "An item that is required is not declared."
    INVALID_SPEC = "InvalidSpec", "A rule of this release refuses the spec."
    INVALID_TEMPLATE = "InvalidTemplate", "The API server refuses the pod template."
    PROGRESS_DEADLINE_EXCEEDED = (
        "ProgressDeadlineExceeded",
        "Pods were not ready before the progress deadline.",
    )
    STABLE_UNAVAILABLE = "StableUnavailable", "Stable has fewer ready pods than it needs."
    WATCHING = "Watching", "The previous revision stays warm, in case the promoted one fails late."
    TOO_LITTLE_TRAFFIC = "TooLittleTraffic", "Fewer requests come than the proof needs."
    TARGET_MISSED = "TargetMissed", "No version that serves keeps the target."
    BETWEEN_BUCKETS = "BetweenBuckets", "A time lies between two that are counted."
    WRITE_REFUSED = "WriteRefused", "The API server refuses what the rollout needs to write."
    PAUSED = "Paused", "The spec says paused."
    OVERRIDDEN = "Overridden", "A person decided in place of the objectives."
    REVERTED = "Reverted", "A version that had served all users before came back."
    ROLLED_BACK = "RolledBack", "The candidate was worse and was taken back."
    UNDECIDED = "Undecided", "The deadline came without proof."


class ConditionStatus(Word):
    """Whether a condition holds."""

    TRUE = "True", "It holds."
    FALSE = "False", "It does not hold."
    UNKNOWN = "Unknown", "It is not known whether it holds."


class Condition(Part):
    """One aspect of the state, in the shape of every Kubernetes condition."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """What the condition is about."""
    status: ConditionStatus
    """Whether the condition holds."""
    observed_generation: Annotated[int, Field(ge=0, json_schema_extra=INT64)] | None = None
    """The generation of the resource that the condition is about."""
    last_transition_time: datetime
    """When `status` last changed."""
    reason: Annotated[
        str,
        Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
    ]
    """Why, in one word."""
    message: Annotated[str, Field(max_length=32768)]
    """Why, in words."""


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
        before = find(conditions, type)
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


def find(conditions: tuple[Condition, ...], type: ConditionType) -> Condition | None:
    """The condition of that type; None when there is none."""
    return next((condition for condition in conditions if condition.type == type), None)
