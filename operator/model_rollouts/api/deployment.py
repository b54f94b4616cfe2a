"""The resource itself: ModelDeployment, `modelrollouts.dev/v1alpha1`."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    field_validator,
)

from model_rollouts.api.base import INT32, Part, Rule, Word, one_of, rules, shown
from model_rollouts.api.capture import Capture
from model_rollouts.api.fallback import Fallback
from model_rollouts.api.model import Item, Model, Provenance
from model_rollouts.api.objectives import DEFAULT, LARGEST_NUMBER, OBJECTIVES, Objective
from model_rollouts.api.owner import Owner
from model_rollouts.api.route import Route
from model_rollouts.api.runtimes import RELEASES, Runtime, Stage, stages_of
from model_rollouts.api.slices import LARGEST_NUMBER as MOST_SLICES
from model_rollouts.api.slices import SLICES, Slice
from model_rollouts.api.status import Status
from model_rollouts.api.strategy import LONGEST_NAME, Strategy
from model_rollouts.api.template import CONTAINER, PodTemplate

_DECLARED = {
    Item.ARTIFACT: ("artifact", "the uri and digest of the model's files"),
    Item.GIT_COMMIT: ("gitCommit", "the commit that trained the model"),
    Item.DATASET: ("dataset", "the uri and digest of the training data"),
    Item.BENCHMARK: ("benchmark", "the model's result on held-out data"),
}


def _enforced(item: Item, holds: str) -> str:
    return (
        f"self.provenance.mode != 'Enforce' || !('{item.value}' in self.provenance.require) "
        f"|| {holds}"
    )


_DECLARATIONS = tuple(
    Rule(
        _enforced(item, f"has(self.model.{field})"),
        f"found no {field}, write {meaning}: provenance.require lists it",
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
    f"found no digest in the image of the container '{CONTAINER}', write registry/name@sha256:…, "
    "because a tag can be moved to another image; with provenance.mode Warn this is only reported",
    field=".template.spec.containers",
)

_ROOM_FOR_A_BAD_LIMIT = (
    Rule(
        "self.strategy.assurance != 'Fast' || self.objectives.all(o, "
        "!has(o.availability) || !o.availability.target.matches('^8[01][.%]'))",
        "found a target below 82% with assurance Fast, write a higher target or use Standard: "
        "Fast rules out five times the allowed errors, which would be more than 90%",
        field=".objectives",
    ),
    Rule(
        "self.strategy.assurance != 'Fast' || self.objectives.all(o, "
        "!has(o.latency) || !o.latency.share.matches('^5[0-4][.%]'))",
        "found a share below 55% with assurance Fast, write a higher share or use Standard: "
        "Fast rules out twice the allowed slow requests, which would be more than 90%",
        field=".objectives",
    ),
)

# Not of the strategy itself: its default, for a spec without one, has no shadow either.
_SHADOW_IS_SAID = Rule(
    "self.strategy.mode != 'Progressive' || has(self.strategy.shadow)",
    "found no shadow, write {sideEffects: None} if answering a request changes nothing else, "
    "{sideEffects: Suppressed} if the model server skips its side effects for requests with the "
    "header x-model-shadow: true, or {percent: 0} to give a version to users without a shadow",
    field=".strategy.shadow",
)

_COPIES_ARE_COMPARED = Rule(
    "self.strategy.mode != 'Progressive' || !has(self.strategy.shadow) || "
    "self.strategy.shadow.percent > 0 || self.objectives.all(o, o.type != 'Disagreement')",
    "found an objective of type Disagreement and no shadow, write a percent above 0 or remove the "
    "objective: answers to mirrored requests are compared",
    field=".strategy.shadow.percent",
)

_ENOUGH_IS_MIRRORED = Rule(
    "self.strategy.mode != 'Progressive' || !has(self.strategy.shadow) || "
    "self.strategy.shadow.percent >= 10 || "
    "self.objectives.all(o, !has(o.disagreement) || !has(o.disagreement.against) || "
    "o.disagreement.against != 'Self')",
    "found an objective with against: Self and less than 10 percent, write at least 10: a tenth of "
    "the mirrored requests goes to a second pod of stable, in whole percent",
    field=".strategy.shadow.percent",
)

_ANSWERS_ARE_CAPTURED = Rule(
    "self.strategy.mode != 'Progressive' || has(self.capture) && has(self.capture.sample) || "
    "self.objectives.all(o, o.type != 'Disagreement')",
    "found an objective of type Disagreement and no sample, write {sample: 10%} or another share: "
    "the observer compares answers that are captured; stable needs it too, so add capture one "
    "version before the objective",
    field=".capture",
)


_INPUTS_ARE_KEPT = Rule(
    "!has(self.model.reference) || has(self.capture) && has(self.capture.include) && "
    "has(self.capture.include.inputs)",
    "found model.reference and no inputs, write {sample: 10%, include: {inputs: ['*']}} or the "
    "names of some: inputs that are kept are compared with the reference",
    field=".capture",
)

_COMPARED_ARE_JSON = Rule(
    "self.protocol != 'GRPC' || self.objectives.all(o, o.type != 'Disagreement')",
    "found an objective of type Disagreement and the protocol GRPC, remove the objective or serve "
    "the model by HTTP: the observer reads answers in JSON alone",
    field=".protocol",
)


def _by_runtime(found: Callable[[Runtime], str]) -> str:
    """The CEL map of what is found for each of the model servers that do not export all stages."""
    some = [each for each in Runtime if set(stages_of(each)) != set(Stage)]
    pairs = ", ".join(f"'{each}': {found(each)}" for each in some)
    return f"{{{pairs}}}"


def _listed(runtime: Runtime) -> str:
    stages = ", ".join(f"'{each}'" for each in stages_of(runtime))
    return f"[{stages}]"


def _had(runtime: Runtime) -> str:
    return f"'{RELEASES[runtime].version} has {', '.join(stages_of(runtime)) or 'none'}'"


_STAGES_ARE_EXPORTED = Rule(
    "!has(self.runtime) || self.objectives.all(o, !has(o.latency) || !has(o.latency.stage) || "
    f"!(self.runtime in {_by_runtime(_listed)}) || "
    f"o.latency.stage in {_by_runtime(_listed)}[self.runtime])",
    "write one that it has, or `histogram`, or remove the objective",
    found=f"'a stage that runtime ' + self.runtime + ' does not export: ' + "
    f"{_by_runtime(_had)}[self.runtime]",
    field=".objectives",
)

_TIMINGS_ARE_CAPTURED = Rule(
    "!has(self.runtime) || self.runtime != 'ServerTiming' || has(self.capture)",
    "found no capture and the runtime ServerTiming, write {}: the observer reads the header",
    field=".capture",
)

_SECOND_CHANCE_BY_HTTP = Rule(
    "self.protocol != 'GRPC' || !has(self.fallback)",
    "found a fallback and the protocol GRPC, remove the fallback or serve the model by HTTP: "
    "whether an answer of gRPC failed is known at its end, when users have it already",
    field=".fallback",
)

_A_POD_STANDS_BY = Rule(
    "!has(self.fallback) || self.fallback.type != 'PreviousRevision' || "
    "!has(self.strategy.maxExtraReplicas) || self.strategy.maxExtraReplicas > 0",
    "found 0 and a fallback of type PreviousRevision, write at least 1 or another type: the "
    "previous revision keeps a pod",
    field=".strategy.maxExtraReplicas",
)


_SLICES_ARE_THERE = Rule(
    "self.objectives.all(o, !has(o.slice) || "
    "(has(self.slices) && self.slices.exists(s, s.name == o.slice)))",
    "write a slice of that name into spec.slices, or remove it from the objective",
    found="'slice ' + "
    + one_of(
        "self.objectives",
        LARGEST_NUMBER,
        "has(self.objectives[i].slice) && !(has(self.slices) && "
        "self.slices.exists(s, s.name == self.objectives[i].slice))",
    )
    + ".slice + ' that spec.slices does not have'",
    field=".objectives",
)


class Protocol(Word):
    """What is spoken on the port of the model server."""

    HTTP = "HTTP", "HTTP/1.1, and HTTP/2 for clients in the cluster that begin with it."
    GRPC = "GRPC", "gRPC, over HTTP/2 without TLS. An answer is judged by its gRPC status."


class Spec(
    Part,
    json_schema_extra=rules(
        *_DECLARATIONS,
        _IMAGE_BY_DIGEST,
        *_ROOM_FOR_A_BAD_LIMIT,
        _SHADOW_IS_SAID,
        _COPIES_ARE_COMPARED,
        _ENOUGH_IS_MIRRORED,
        _ANSWERS_ARE_CAPTURED,
        _INPUTS_ARE_KEPT,
        _COMPARED_ARE_JSON,
        _STAGES_ARE_EXPORTED,
        _TIMINGS_ARE_CAPTURED,
        _SECOND_CHANCE_BY_HTTP,
        _A_POD_STANDS_BY,
        _SLICES_ARE_THERE,
    ),
):
    """The desired state."""

    model: Model
    """The version of the model to serve, and where it came from. Another version starts a
    rollout."""
    owner: Owner | None = None
    """Who is told of the rollout. Changing it changes nothing else."""
    provenance: Provenance = Provenance()
    """What every version must declare about where it came from."""
    replicas: Annotated[int, Field(ge=0, le=10_000, json_schema_extra=INT32)] = 1
    """Number of pods that serve all users. Defaults to `1`. Omit it if an autoscaler sets it
    through the scale subresource. If you remove it later, the pods that run stay. A smaller number
    takes away at most a fifth of the pods in a minute, and none while two versions have users. `0`
    stops the service; a new version then waits."""
    port: Annotated[int, Field(ge=1, le=65535, json_schema_extra=INT32)]
    """Port on which the container `model` listens."""
    protocol: Protocol = Protocol.HTTP
    """What the container `model` speaks on that port. Defaults to `HTTP`."""
    runtime: Runtime | None = None
    """Which model server the container `model` is, for objectives with a `stage`. Without it, the
    operator recognises the server by the metrics that it exports."""
    template: PodTemplate
    """Template of the model's pods, a PodTemplateSpec. Its container `model` serves the model."""
    route: Route
    """Which requests reach the model, written as in a Gateway API HTTPRoute."""
    objectives: tuple[Objective, ...] = Field(
        default=(DEFAULT,), max_length=LARGEST_NUMBER, json_schema_extra=OBJECTIVES
    )
    """What is promised to users. A candidate that fails an objective is rolled back; one that
    passes every Gate is promoted. Defaults to one Gate named `errors`: `99.9%` of requests must
    succeed. In addition, the objective `breaker` is always on: it rolls back a version that fails
    more than 20 % of requests."""
    slices: tuple[Slice, ...] = Field(default=(), max_length=MOST_SLICES, json_schema_extra=SLICES)
    """Parts of the requests that objectives judge on their own, at most eight. The proxy counts
    them, so that adding, changing or removing one makes another revision, with new pods."""
    strategy: Strategy = Strategy()
    """How a version is rolled out."""
    capture: Capture | None = None
    """What the observer is told of requests and answers, and what it keeps of them. Without it,
    nothing."""
    fallback: Fallback | None = None
    """What users get when the model does not answer. Without it they get its error, or wait."""
    paused: bool = False
    """Pauses the rollout: weights stay as they are, and deadline timers are stopped. Defaults to
    `false`."""


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
        "!has(self.spec.fallback) || !has(self.spec.fallback.service) || "
        "!(self.spec.fallback.service.name.startsWith(self.metadata.name + '-') && "
        "self.spec.fallback.service.name.size() - self.metadata.name.size() in [11, 18])",
        "write a Service of another model: this one leads back to the model that did not answer",
        found=shown("self.spec.fallback.service.name"),
        field=".spec.fallback.service.name",
    ),
)


class ModelDeployment(Part, json_schema_extra=rules(*_ROOT_RULES)):
    """Serves a machine-learning model and rolls out its versions: shadow, canary, full traffic.

    A version that fails its objectives is rolled back automatically.
    """

    api_version: Literal["modelrollouts.dev/v1alpha1"]
    kind: Literal["ModelDeployment"]
    metadata: Annotated[Metadata, WithJsonSchema(_METADATA)]
    spec: Spec
    """The desired state."""
    status: Status = Status()
    """The state that the operator last observed."""

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
