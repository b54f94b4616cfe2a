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
        "A running revision does not count the time of a latency objective exactly: it started "
        "before the objective was added, or a histogram of the model server's own has no such "
        "bucket edge. Present only while true.",
    )
    PROXY_OUTDATED = (
        "ProxyOutdated",
        "The version on trial runs with the proxy of an earlier release, which counts less. "
        "Present only while true.",
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
    SCALE_DOWN_HELD = (
        "ScaleDownHeld",
        "More pods run than `spec.replicas` says. Present only while true.",
    )
    CAPACITY_REDUCED = (
        "CapacityReduced",
        "Fewer pods than `spec.replicas` serve users, because pods are replaced in place. Present "
        "only while true.",
    )
    SCRAPE_INTERVAL_DIFFERS = (
        "ScrapeIntervalDiffers",
        "Prometheus scrapes pods more or less often than the operator is set to. "
        "Present only while true.",
    )
    PODS_NOT_COUNTED = (
        "PodsNotCounted",
        "Prometheus has samples of pods that this cluster does not have, and they are not counted. "
        "Present only while true.",
    )
    EVIDENCE_DROPPED = (
        "EvidenceDropped",
        "What was counted of the version on trial before counts no more, because it is judged by "
        "other rules now. Present only while true.",
    )
    BUDGET_OMITTED = (
        "DisruptionBudgetOmitted",
        "The operator keeps no PodDisruptionBudget, because another one selects the pods. "
        "Present only while true.",
    )
    PARENT_REJECTED = (
        "ParentRejected",
        "One of several gateways rejects the route or does not exist; the others serve it. Present "
        "only while true.",
    )
    RESTARTING = (
        "Restarting",
        "Pods are replaced because `strategy.restart` asks for it. Present only while true.",
    )
    OVERRIDE_IGNORED = (
        "OverrideIgnored",
        "`strategy.override` names a version that no revision has. Present only while true.",
    )
    STABLE_NOT_CAPTURED = (
        "StableNotCaptured",
        "`spec.capture` asks for answers that the version that serves does not tell. Present only "
        "while true.",
    )
    INPUTS_DRIFTED = (
        "InputsDrifted",
        "Requests are not spread as in `spec.model.reference`. It holds nothing. Present only "
        "while true.",
    )
    FALLBACK_ACTIVE = (
        "FallbackActive",
        "Users get answers of `spec.fallback`, because the model does not answer them. Present "
        "only while true.",
    )
    FALLBACK_ABSENT = (
        "FallbackAbsent",
        "Users get no answer of `spec.fallback` that they should get. Present only while true.",
    )
    CHANGES_UNSEEN = (
        "ChangesUnseen",
        "The operator does not see every change of objects around the rollout. "
        "Present only while true.",
    )


class Reason(Word):
    """Why a condition is as it is."""

    SERVING = "Serving", "All users get the applied version."
    STABLE_READY = "StableReady", "Stable has enough ready pods for its users."
    CHECKING = "Checking", "The version is checked before its pods start."
    STARTING = "Starting", "Pods are starting and not ready yet."
    PODS_NOT_STARTING = "PodsNotStarting", "Pods of the version cannot start; the message says why."
    JUDGING = "Judging", "The candidate is judged on the requests it gets."
    NO_TRAFFIC = "NoTraffic", "No requests arrive to judge the candidate on; its weight is held."
    METRICS_UNAVAILABLE = (
        "MetricsUnavailable",
        "Prometheus does not answer; the candidate's weight is held.",
    )
    SCRAPE_MISSING = "ScrapeMissing", "Pods run, but Prometheus does not scrape them."
    SERIES_MISSING = (
        "SeriesMissing",
        "Prometheus scrapes pods, but has not all series of them; the candidate's weight is held.",
    )
    DUPLICATE_TARGETS = "DuplicateTargets", "Prometheus scrapes the same pods more than once."
    SPLIT_NOT_OBSERVED = (
        "SplitNotObserved",
        "Candidate and stable do not get requests in the proportion of their weights.",
    )
    ARMS_DIFFER = (
        "ArmsDiffer",
        "A slice of the requests does not come to candidate and stable in the proportion of their "
        "weights, so that both have different users.",
    )
    MIRROR_NOT_OBSERVED = (
        "MirrorNotObserved",
        "The candidate does not get the share of mirrored requests that the route says.",
    )
    SHADOW_HURTS_STABLE = (
        "ShadowHurtsStable",
        "Mirroring made stable worse, so fewer requests are mirrored now.",
    )
    OBSERVER_UNAVAILABLE = (
        "ObserverUnavailable",
        "Prometheus has no sample of the observer; the candidate stays in shadow.",
    )
    OBSERVER_BEHIND = (
        "ObserverBehind",
        "The observer compares no answers though requests are mirrored; the candidate stays in "
        "shadow.",
    )
    RECORDS_LOST = (
        "RecordsLost",
        "The observer lacks too many records of requests; the candidate stays in shadow.",
    )
    INSUFFICIENT_PAIRS = (
        "InsufficientPairs",
        "Too few answers were compared for the requests that were mirrored; the candidate stays "
        "in shadow.",
    )
    LOW_LOAD = (
        "LowLoad",
        "Each candidate pod gets too few requests for its latency to count towards promotion.",
    )
    CAPACITY_PENDING = "CapacityPending", "Pods for the next step are starting."
    CATCHING_UP = "CatchingUp", "What was counted is old; newer samples are read first."
    CANDIDATE_UNAVAILABLE = (
        "CandidateUnavailable",
        "The candidate has too few ready pods; stable serves all users until they are ready.",
    )
    CANDIDATE_UNREACHABLE = (
        "CandidateUnreachable",
        "Users' requests do not reach the candidate's pods; stable serves all users.",
    )
    EXCHANGING = "Exchanging", "Pods of one version are being replaced by pods of the other."
    REPLACING_IN_PLACE = (
        "ReplacingInPlace",
        "Pods of stable end before those of the next version start.",
    )
    SCALED_TO_ZERO = "ScaledToZero", "`spec.replicas` is 0: no pod runs."
    USERS_MOVING = (
        "UsersMoving",
        "Two versions have users, or one has just got all of them: no pod is taken away.",
    )
    GRADUAL = "Gradual", "Pods are taken away in steps, so that an autoscaler can correct them."
    REPLICAS_OMITTED = (
        "ReplicasOmitted",
        "`spec.replicas` was removed from the manifest: the pods that run stay.",
    )
    NAME_TAKEN = "NameTaken", "An object that the rollout needs exists and has another owner."
    GATEWAY_NOT_ACCEPTED = "GatewayNotAccepted", "The Gateway has not accepted the route."
    COMPANION_MISSING = (
        "CompanionMissing",
        "An object that the gateway needs beside a Service of the version is not written.",
    )
    ROUTE_CONFLICT = "RouteConflict", "Another route matches the same requests."
    GATEWAY_INCAPABLE = "GatewayIncapable", "The Gateway does not support what the spec needs."
    PROVENANCE_MISSING = (
        "ProvenanceMissing",
        "A required item is not declared, or a version has another artifact than before.",
    )
    REPLACING_PODS = "ReplacingPods", "Pods of the same revision are replaced one by one."
    RESTART_WAITS = "RestartWaits", "Two versions are compared; pods are replaced after that."
    RESTART_STOPPED = (
        "RestartStopped",
        "The service fails since pods are replaced; the others keep running.",
    )
    RENDERED_BEFORE = (
        "RenderedBeforeCapture",
        "The version that serves was made before `spec.capture` asked for its answers.",
    )
    INPUTS_MOVED = (
        "InputsMoved",
        "Inputs of the last seven days moved since the reference by more than is allowed.",
    )
    MODEL_FAILS = "ModelFails", "A version did not answer requests that its fallback answered."
    FALLBACK_NOT_ANSWERING = (
        "FallbackNotAnswering",
        "The Service of `spec.fallback` takes no connections from the candidate's pods.",
    )
    NONE_BEFORE = "NoneBefore", "No version served before that could stand in for this one."
    STANDBY_NOT_READY = (
        "StandbyNotReady",
        "The version that stands in for the one that serves has no ready pod.",
    )
    TIMEOUT_FIRST = (
        "TimeoutFirst",
        "A timeout of the route ends slow requests before the fallback is asked.",
    )
    VERSION_UNKNOWN = "VersionUnknown", "No revision has the version that the override names."
    INVALID_SPEC = "InvalidSpec", "This release of the operator refuses the spec."
    INVALID_TEMPLATE = "InvalidTemplate", "The API server refuses the pod template."
    PROGRESS_DEADLINE_EXCEEDED = (
        "ProgressDeadlineExceeded",
        "Pods were not ready before the progress deadline.",
    )
    STABLE_UNAVAILABLE = "StableUnavailable", "Stable has fewer ready pods than its users need."
    SCALING_UP = "ScalingUp", "More pods were asked for, and start beside those that serve users."
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
        "The time of a latency objective lies between two that are counted.",
    )
    OLDER_BUILDER = (
        "OlderBuilder",
        "An earlier release of the operator rendered the pods of the version on trial.",
    )
    WRITE_REFUSED = "WriteRefused", "The API server refuses an object that the rollout needs."
    SCRAPE_INTERVAL_DIFFERS = (
        "ScrapeIntervalDiffers",
        "The interval between two scrapes, measured from samples, is not the configured one.",
    )
    UNKNOWN_PODS = (
        "UnknownPods",
        "Samples of a revision of this ModelDeployment are of pods that it does not have.",
    )
    OTHER_RULES = (
        "OtherRules",
        "The rules by which a version is judged were changed, in the spec or by another release.",
    )
    OTHER_BUDGET = (
        "OtherBudget",
        "A PodDisruptionBudget that is not the operator's selects pods of the ModelDeployment.",
    )
    BUDGETS_OVERLAP = (
        "BudgetsOverlap",
        "Two PodDisruptionBudgets select the same pods, so that these cannot be evicted.",
    )
    CHANGES_UNSEEN = (
        "ChangesUnseen",
        "The API server does not list or watch objects that the operator follows.",
    )
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
    before = find_condition(conditions, type)
    stays = status is ConditionStatus.TRUE or type in ALWAYS_PRESENT
    if before is None and not stays:
        return conditions
    gone = {type, _EXCLUSIVE.get(type)} if status is ConditionStatus.TRUE else {type}
    kept = [condition for condition in conditions if condition.type not in gone]
    if stays:
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
