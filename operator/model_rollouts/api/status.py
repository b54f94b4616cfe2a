"""What the operator tells: `status`. A projection of the route, plus evidence.

It is read back in two cases only: evidence after a restart, and roles when those of the route were
lost.
"""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from model_rollouts.api import guards
from model_rollouts.api.action import ActionNeeded
from model_rollouts.api.base import ATOMIC, INT32, INT64, Part, Word, by
from model_rollouts.api.conditions import Condition
from model_rollouts.api.objectives import LARGEST_NUMBER
from model_rollouts.api.phase import Outcome, Phase

LONGEST_HISTORY = 10

MOST_CONDITIONS = 32
"""Of the operator and of others."""

LONGEST_MESSAGE = 1024
"""Characters of a sentence in the status."""

# The forms of strings are rules for people. A status that the operator could not write because of
# one would hide a rollback, so that a status has bounds and nothing else.
Name = Annotated[str, Field(max_length=63)]
Count = Annotated[int, Field(ge=0, json_schema_extra=INT64)]
Message = Annotated[str, Field(max_length=LONGEST_MESSAGE)]
Number = Annotated[int, Field(ge=0, json_schema_extra=INT32)]
Time = Annotated[str, Field(max_length=48)]

MOST_LATENCIES = 32
"""Two versions, each with whole requests, the stages of its model server, and its objectives."""


class Arm(Part):
    """A running revision."""

    revision: Name
    """Name of the revision, and of its Deployment and Service."""
    version: Name
    """Version of the model."""
    weight: Annotated[str, Field(max_length=16)]
    """Share of users that the route gives to the revision, e.g. `25%`."""
    rendered_by: Annotated[str, Field(max_length=64)] | None = None
    """Which builder of the operator rendered the pods, e.g. `builder 3`, and whether for a service
    mesh (`builder 3, in a mesh`): its proxy then takes requests from inside the pod. An upgrade of
    the operator does not change running pods."""


class Verdict(Word):
    """Whether an objective passed."""

    PASS = "Pass", "Passed: the candidate is good enough."
    FAIL = "Fail", "Failed: the candidate is too bad."
    INCONCLUSIVE = "Inconclusive", "Undecided: more requests are needed."


class ObjectiveStatus(Part):
    """Result of the candidate in one objective."""

    name: Name
    """Name of the objective."""
    slice: Name | None = None
    """Name of the slice whose requests it is about. Absent for an objective on all requests."""
    verdict: Verdict
    """Whether the objective passed."""
    bad: Count
    """Number of failed or slow requests of the candidate; for the type Counters, what its
    counter `bad` added."""
    total: Count
    """Number of requests of the candidate that were counted."""
    limit: Annotated[str, Field(max_length=64)] | None = None
    """Limit that the candidate has to be shown to be below, e.g. `0.2 % or 2 times stable's`.
    Absent where nothing waits for the objective."""
    needed: Count | None = None
    """Number of requests of the candidate, those that were counted included, at which the objective
    is expected to pass for the next step. Absent where nothing waits for the objective, and where
    more requests at these rates would not pass it."""
    message: Message
    """The result as a sentence, with the number of requests still needed."""
    worst_predictions: (
        Annotated[
            tuple[Annotated[str, Field(max_length=160)], ...],
            Field(max_length=3, json_schema_extra=ATOMIC),
        ]
        | None
    ) = None
    """Prediction ids of the answers that differ most from those of stable, for the type
    Disagreement; at most three, the worst first. They are header `x-prediction-id` of the answers
    that users got, and `model-rollouts predictions --id` shows what both versions answered."""


class Past(Part):
    """A rollout that has ended."""

    revision: Name
    """Name of the revision."""
    version: Name
    """Version of the model."""
    attempt: Annotated[int, Field(ge=1)]
    """Value of `strategy.attempt` during the rollout."""
    outcome: Outcome
    """How the rollout ended."""
    ended_at: datetime
    """When the rollout ended, in UTC."""
    message: Message
    """Why the rollout ended this way."""


class ShadowStatus(Part):
    """Results of the candidate on mirrored requests."""

    copies: Count
    """Number of mirrored requests that the candidate answered. A pod's first minute is warm-up
    and not counted."""
    mirror: Annotated[str, Field(max_length=16)]
    """Share of stable's requests that are mirrored to the candidate, e.g. `10%`."""
    peak_load_per_pod: Annotated[str, Field(max_length=32)] | None = None
    """Highest load per candidate pod, averaged over a minute, at which the latency objectives were
    met, e.g. `37 req/s`. Without latency objectives, those on errors are used."""


class FallbackStatus(Part):
    """What users got from fallbacks in the last five minutes."""

    share: Annotated[str, Field(max_length=16)]
    """Share of answers to users that the fallback gave, e.g. `4.8%`, of the versions that have
    one."""
    answers: Count
    """Number of answers that the fallback gave."""
    total: Count
    """Number of answers to users, by the model or by the fallback."""


class LatencyStatus(Part):
    """How long requests of one version took, or one stage of them. Nothing is decided by it.

    Times are the bucket edges between which the buckets prove them to be.
    """

    of: Annotated[str, Field(max_length=320)]
    """What took that long: `request`, a stage, a histogram of the model server, or
    `network (difference of means)`."""
    version: Name
    """Version of the model."""
    traffic: Annotated[str, Field(max_length=16)]
    """Whose requests: those of `users`, or `mirrored` ones."""
    requests: Count
    """Number of requests that this is of."""
    p50: Time | None = None
    """Time within which half of the requests were answered, e.g. `between 20 and 30 ms`."""
    p95: Time | None = None
    """The same for 95 of 100 requests. From 20 requests on."""
    p99: Time | None = None
    """The same for 99 of 100 requests. From 100 requests on."""
    mean: Time | None = None
    """The mean, where that is all that is known: what the proxy measured on average, less what the
    model server did."""


class RouteAddress(Part):
    """Where clients reach the model."""

    url: Annotated[str, Field(max_length=512)]
    """URL of the model, e.g. `https://arrival.example.com`, without a path."""
    gateway: Annotated[str, Field(max_length=320)]
    """Gateway that answers there, as `namespace/name`."""


class Status(Part):
    """The state that the operator last observed. Only the operator writes it."""

    observed_generation: Count | None = None
    """Generation of the resource that the status describes."""
    phase: Phase | None = None
    """Phase of the rollout."""
    message: Message | None = None
    """Which version users get, what the rollout needs, and what you can do."""
    action: ActionNeeded | None = None
    """What you have to do now."""
    plan: Message | None = None
    """How long the stages ahead of the candidate take, forecast from the traffic of the last half
    hour, e.g. `canary about 7 min at 48 req/s`."""
    conditions: tuple[Condition, ...] = Field(
        default=(),
        max_length=MOST_CONDITIONS,
        json_schema_extra=by("type"),
    )
    """Conditions for tools. Ready and Available are always present, the others while they are
    true."""
    addresses: tuple[RouteAddress, ...] = Field(default=(), max_length=16, json_schema_extra=ATOMIC)
    """Where clients reach the model: the host names of the route at the listeners of its gateways,
    or the addresses of the gateways where there are no host names. As of the last time that the
    route was checked."""
    stable: Arm | None = None
    """Revision that serves all users who do not get the candidate."""
    candidate: Arm | None = None
    """Revision that is being rolled out."""
    step: Number | None = None
    """Step of `strategy.canary.steps` that the candidate is on, counted from 1."""
    shadow: ShadowStatus | None = None
    """Results of the candidate on mirrored requests."""
    fallback: FallbackStatus | None = None
    """What users got from fallbacks lately; absent where no version has `spec.fallback`, or there
    were no requests."""
    objectives: tuple[ObjectiveStatus, ...] = Field(
        # One more than the spec has: the breaker is always on.
        default=(),
        max_length=LARGEST_NUMBER + 1 + guards.NUMBER,
        json_schema_extra=by("name"),
    )
    """Results of the candidate, one per objective."""
    latency: tuple[LatencyStatus, ...] = Field(
        default=(), max_length=MOST_LATENCIES, json_schema_extra=ATOMIC
    )
    """How long requests and their stages took, by version: while a version is judged beside stable,
    an hour back at most, and afterwards as it was last. docs/stages.md says what is in it."""
    history: tuple[Past, ...] = Field(
        default=(),
        max_length=LONGEST_HISTORY,
        json_schema_extra=ATOMIC,
    )
    """Most recent rollouts that have ended, newest first, at most ten."""
    evidence: Annotated[str, Field(max_length=8192)] | None = None
    """Internal state from which the operator continues after a restart."""
    record: Annotated[str, Field(max_length=1024)] | None = None
    """Copy of the record on the HTTPRoute: which revision has which role, and why. The operator
    restores the route from it when the route or its record is deleted, or an older copy of the
    route is put back."""
    desired_replicas: Number | None = None
    """Number of pods with which all users are served now. It follows `spec.replicas`; the condition
    `ScaleDownHeld` says why it is larger."""
    replicas: Number | None = None
    """Number of pods of all revisions that have users, for the scale subresource."""
    selector: Annotated[str, Field(max_length=1024)] | None = None
    """Label selector of the pods that `replicas` counts, for the scale subresource."""
