"""The resource itself: ModelDeployment, `modelrollouts.dev/v1alpha1`."""

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    field_validator,
)

from model_rollouts.api.base import INT32, Part, Rule, rules, shown
from model_rollouts.api.model import Item, Model, Provenance
from model_rollouts.api.objectives import DEFAULT, LARGEST_NUMBER, OBJECTIVES, Objective
from model_rollouts.api.route import Route
from model_rollouts.api.status import Status
from model_rollouts.api.strategy import LONGEST_NAME, Strategy
from model_rollouts.api.template import CONTAINER, PodTemplate

GROUP = "modelrollouts.dev"
VERSION = "v1alpha1"
KIND = "ModelDeployment"
PLURAL = "modeldeployments"

_DECLARED = {
    Item.ARTIFACT: ("artifact", "the uri and digest of the model's bytes"),
    Item.GIT_COMMIT: ("gitCommit", "the commit that trained the model"),
    Item.DATASET: ("dataset", "the uri and digest of the training data"),
    Item.BENCHMARK: ("benchmark", "what the model reached on held-out data"),
}


def _enforced(item: Item, holds: str) -> str:
    return (
        f"self.provenance.mode != 'Enforce' || !('{item.value}' in self.provenance.require) "
        f"|| {holds}"
    )


_DECLARATIONS = tuple(
    Rule(
        _enforced(item, f"has(self.model.{field})"),
        f"found no {field}, write {meaning}: provenance.require asks for it",
        field=f".model.{field}",
    )
    for item, (field, meaning) in _DECLARED.items()
)

_IMAGE_BY_DIGEST = Rule(
    _enforced(
        Item.IMAGE,
        f"self.template.spec.containers.all(c, c.name != '{CONTAINER}' "
        "|| (has(c.image) && c.image.matches('@sha256:[a-f0-9]{64}$')))",
    ),
    f"found no digest in the image of the container '{CONTAINER}', write registry/name@sha256:…: "
    "behind a tag the bytes can change. provenance.mode Warn only reports it",
    field=".template.spec.containers",
)

_ROOM_FOR_A_BAD_LIMIT = (
    Rule(
        "self.strategy.assurance != 'Fast' || self.objectives.all(o, "
        "!has(o.availability) || !o.availability.target.matches('^8[01][.%]'))",
        "found a target below 82% with the assurance Fast, write a higher target or Standard: "
        "Fast rules out five times the target's errors, which would be more than 90%",
        field=".objectives",
    ),
    Rule(
        "self.strategy.assurance != 'Fast' || self.objectives.all(o, "
        "!has(o.latency) || !o.latency.share.matches('^5[0-4][.%]'))",
        "found a share below 55% with the assurance Fast, write a higher share or Standard: "
        "Fast rules out twice the slow answers that the share allows, "
        "which would be more than 90%",
        field=".objectives",
    ),
)

# Not of the strategy itself: its default, for a spec without one, has no shadow either.
_SHADOW_IS_SAID = Rule(
    "self.strategy.mode != 'Progressive' || has(self.strategy.shadow)",
    "found no shadow, write {sideEffects: None} when answering a request does nothing but answer, "
    "{sideEffects: Suppressed} when the model server leaves the rest out for requests with the "
    "header x-model-shadow: true, or {percent: 0} to let users be the first to meet a version",
    field=".strategy.shadow",
)


class Spec(
    Part,
    json_schema_extra=rules(
        *_DECLARATIONS, _IMAGE_BY_DIGEST, *_ROOM_FOR_A_BAD_LIMIT, _SHADOW_IS_SAID
    ),
):
    """What is wanted."""

    model: Model
    """What is served: a version and where it came from."""
    provenance: Provenance = Provenance()
    """What must be known about where a version came from."""
    replicas: Annotated[int, Field(ge=1, le=10_000, json_schema_extra=INT32)] = 1
    """Pods of the stable revision. Leave it out where an autoscaler writes it: the scale
    subresource is its target."""
    port: Annotated[int, Field(ge=1, le=65535, json_schema_extra=INT32)]
    """The port on which the container `model` answers."""
    template: PodTemplate
    """The pods of the model, a PodTemplateSpec. The container `model` serves."""
    route: Route
    """Which requests reach the model, in the shapes of Gateway API."""
    objectives: tuple[Objective, ...] = Field(
        default=(DEFAULT,), max_length=LARGEST_NUMBER, json_schema_extra=OBJECTIVES
    )
    """What is promised to users. A candidate that breaks it is taken back, and one that is proven
    to keep it is promoted. Besides these, the breaker is always on: it ends a total outage within
    a few requests."""
    strategy: Strategy = Strategy()
    """How a version gets from no users to all of them."""
    paused: bool = False
    """Freezes the rollout: the weights stay as they are, and the clocks of all deadlines stand."""


class Metadata(Part):
    """What the operator reads of the object's metadata."""

    name: str
    namespace: str
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    deletion_timestamp: str | None = None


# Just enough for a rule to blame the name: the rest of metadata is the API server's.
_METADATA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 253}},
}

_ROOT_RULES = (
    Rule(
        f"self.metadata.name.size() <= {LONGEST_NAME} && "
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        f"write at most {LONGEST_NAME} lower-case letters, digits and '-', beginning with a "
        "letter: Deployments and Services are named after it",
        found=shown("self.metadata.name"),
        field=".metadata.name",
    ),
    Rule(
        "!has(self.spec.strategy.override) "
        "|| self.spec.strategy.override.revision.startsWith(self.metadata.name + '-')",
        "write a revision of this ModelDeployment, as its status names it",
        found=shown("self.spec.strategy.override.revision"),
        field=".spec.strategy.override.revision",
    ),
)


class ModelDeployment(Part, json_schema_extra=rules(*_ROOT_RULES)):
    """Takes a version of a model to its users step by step, and back when it is worse."""

    api_version: Literal["modelrollouts.dev/v1alpha1"]
    kind: Literal["ModelDeployment"]
    metadata: Annotated[Metadata, WithJsonSchema(_METADATA)]
    spec: Spec
    """What is wanted."""
    status: Status = Status()
    """What the operator tells."""

    @field_validator("status", mode="wrap")
    @classmethod
    def _lost_when_unreadable(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Status:
        # A status of a newer release must not keep an older one from reading the spec. A status
        # can be lost at any time: who serves is recorded in the route.
        try:
            status: Status = handler(value)
        except ValidationError:
            return Status()
        return status


def read(obj: dict[str, Any]) -> ModelDeployment:
    """The resource of an object that the API server gave.

    Fields that this release does not know are ignored, and a status that it cannot read counts as
    lost. Raises pydantic's ValidationError for a spec that the CRD would refuse, e.g. one that is
    older than a rule.
    """
    return ModelDeployment.model_validate(obj)
