"""What the operator tells: `status`. A projection of the route plus evidence; never an input."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from model_rollouts.api.action import ActionNeeded
from model_rollouts.api.base import ATOMIC, INT32, INT64, Part, Word, by
from model_rollouts.api.conditions import Condition
from model_rollouts.api.objectives import LARGEST_NUMBER
from model_rollouts.api.phase import Outcome, Phase

LONGEST_HISTORY = 10

LONGEST_MESSAGE = 1024
"""Characters of a sentence in the status."""

# The forms of strings are rules for people. A status that the operator could not write because of
# one would hide a rollback, so that a status has bounds and nothing else.
Name = Annotated[str, Field(max_length=63)]
Count = Annotated[int, Field(ge=0, json_schema_extra=INT64)]
Message = Annotated[str, Field(max_length=LONGEST_MESSAGE)]
Number = Annotated[int, Field(ge=0, json_schema_extra=INT32)]


class Arm(Part):
    """One revision that runs."""

    revision: Name
    """Name of the revision, and of its Deployment and Service."""
    version: Name
    """The version of the model."""
    weight: Annotated[str, Field(max_length=16)]
    """The share of users that the route gives it, e.g. `25%`."""
    rendered_by: Annotated[str, Field(max_length=64)] | None = None
    """What rendered its pods, which stay as they were rendered, e.g. `builder 1`."""


class Verdict(Word):
    """What is proven about an objective."""

    PASS = "Pass", "A worsening is ruled out."
    FAIL = "Fail", "A worsening is proven."
    INCONCLUSIVE = "Inconclusive", "Neither is proven yet."


class ObjectiveStatus(Part):
    """How the candidate stands in one objective."""

    name: Name
    """Name of the objective."""
    verdict: Verdict
    """What is proven."""
    bad: Count
    """Requests of the candidate that were bad."""
    total: Count
    """Requests of the candidate that were counted."""
    message: Message
    """The same in words, with what is still needed."""


class Past(Part):
    """A rollout that ended."""

    revision: Name
    """Name of the revision."""
    version: Name
    """The version of the model."""
    attempt: Annotated[int, Field(ge=1)]
    """Which attempt it was."""
    outcome: Outcome
    """How it ended."""
    ended_at: datetime
    """When it ended."""
    message: Message
    """Why it ended so."""


class ShadowStatus(Part):
    """What copies of requests have shown."""

    copies: Count
    """Copies that the candidate answered and that were counted; not those of the first minute of
    a pod."""
    mirror: Annotated[str, Field(max_length=16)]
    """The share of stable's requests of which it gets copies, e.g. `10%`."""
    peak_load_per_pod: Annotated[str, Field(max_length=32)] | None = None
    """The highest load of a pod, over a minute, under which the latency objectives held (those on
    errors when there is none on latency), e.g. `37 req/s`."""


class Status(Part):
    """What the operator tells about the rollout."""

    observed_generation: Count | None = None
    """The generation of the resource that the rest of the status is about."""
    phase: Phase | None = None
    """Where the rollout is."""
    message: Message | None = None
    """One sentence: who serves, what is awaited, how long, and what can be done."""
    action: ActionNeeded | None = None
    """What you have to do now."""
    plan: Message | None = None
    """What is before the candidate, with times that follow from the traffic of the last half hour,
    e.g. `canary about 7 min at 48 req/s`."""
    conditions: tuple[Condition, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra=by("type"),
    )
    """The conditions, for tools: Ready, Available, and Reconciling or Stalled while they hold."""
    stable: Arm | None = None
    """The revision that serves all users who do not get the candidate."""
    candidate: Arm | None = None
    """The revision that is rolled out."""
    step: Number | None = None
    """Which of `strategy.canary.steps` the candidate is on, from 1."""
    shadow: ShadowStatus | None = None
    """What copies of requests have shown of the candidate."""
    objectives: tuple[ObjectiveStatus, ...] = Field(
        # One more than the spec has: the breaker is always on.
        default=(),
        max_length=LARGEST_NUMBER + 1,
        json_schema_extra=by("name"),
    )
    """How the candidate stands in each objective."""
    history: tuple[Past, ...] = Field(
        default=(),
        max_length=LONGEST_HISTORY,
        json_schema_extra=ATOMIC,
    )
    """The rollouts that ended last, the newest first."""
    evidence: Annotated[str, Field(max_length=8192)] | None = None
    """What was counted so far, for the operator to go on from after a restart."""
    replicas: Number | None = None
    """Pods of stable, for the scale subresource; of both versions while their pods take each
    other's place."""
    selector: Annotated[str, Field(max_length=1024)] | None = None
    """Label selector of the same pods, for the scale subresource."""
