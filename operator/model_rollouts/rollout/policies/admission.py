"""May this version be started? An ordered chain of small checks, each with its reason.

A lasting cause stalls the rollout until a person acts; a passing one is waited for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from model_rollouts.api import ratio
from model_rollouts.api.conditions import Reason
from model_rollouts.api.deployment import ModelDeployment
from model_rollouts.api.model import Item, Mode
from model_rollouts.api.strategy import StrategyMode
from model_rollouts.resources import names
from model_rollouts.resources.errors import ResourceError
from model_rollouts.rollout.observed import Checked, Children
from model_rollouts.rollout.standing import Hold
from model_rollouts.rollout.state import shadow_stages
from model_rollouts.rollout.state.revisions import Revision, Wanted
from model_rollouts.routes import features
from model_rollouts.routes.controllers import ANY, Controller
from model_rollouts.routes.features import MIRROR, MIRROR_PERCENT, MIRRORS


@dataclass(frozen=True, slots=True)
class Admission:
    """What the checks look at."""

    deployment: ModelDeployment
    wanted: Wanted
    revisions: Mapping[str, Revision]
    children: Children
    checked: Checked
    shadows: bool = False
    """Whether the version is to be judged on mirrored requests."""
    fault: ResourceError | None = None
    """Why no pods can be made of it, None when they can."""
    gateway: Controller = ANY

    @property
    def resource(self) -> str:
        """How messages name the ModelDeployment."""
        return names.describe(self.deployment.metadata.name)


def names_are_free(at: Admission) -> Hold | None:
    """Objects of other owners are never taken over."""
    if not at.children.strangers:
        return None
    taken = ", ".join(sorted(at.children.strangers))
    return Hold(
        Reason.NAME_TAKEN,
        f"{at.resource} needs {taken}, which another owner has: rename or delete it, or give the "
        "ModelDeployment another name.",
        f"another owner has {taken}",
        stalls=True,
    )


def what_was_is_gone(at: Admission) -> Hold | None:
    """Objects of a ModelDeployment of this name that was deleted are about to be deleted too."""
    if not at.children.dying:
        return None
    dying = ", ".join(sorted(at.children.dying))
    return Hold(
        Reason.CHECKING,
        f"Waiting until Kubernetes has deleted {dying}, which belong to a ModelDeployment of this "
        "name that was deleted. This takes seconds; if it does not end, look for finalizers on "
        "them.",
        "objects of the deleted ModelDeployment of this name are still being deleted",
    )


def provenance_is_declared(at: Admission) -> Hold | None:
    """The CRD asks for the same; an object that is older than the rule has not been asked."""
    spec = at.deployment.spec
    if spec.provenance.mode is not Mode.ENFORCE:
        return None
    missing = [item.value for item in spec.provenance.require if not _declared(at, item)]
    if not missing:
        return None
    return Hold(
        Reason.PROVENANCE_MISSING,
        f"{at.resource}, spec.model: provenance.require asks for {', '.join(missing)}, which "
        f"version {spec.model.version} does not declare: add it, or set provenance.mode to Warn.",
        f"spec.model lacks {', '.join(missing)}",
        stalls=True,
    )


def _declared(at: Admission, item: Item) -> bool:
    model = at.deployment.spec.model
    if item is Item.IMAGE:
        containers = at.deployment.spec.template.get("spec", {}).get("containers", [])
        return all(
            "@sha256:" in str(each.get("image", ""))
            for each in containers
            if each.get("name") == names.MODEL_CONTAINER
        )
    declared = {
        Item.ARTIFACT: model.artifact,
        Item.GIT_COMMIT: model.git_commit,
        Item.DATASET: model.dataset,
        Item.BENCHMARK: model.benchmark,
    }
    return declared[item] is not None


def a_version_keeps_its_bytes(at: Admission) -> Hold | None:
    """The same version with another digest makes the history tell of two models as of one."""
    artifact = at.deployment.spec.model.artifact
    if artifact is None:
        return None
    version = at.deployment.spec.model.version
    for revision in at.revisions.values():
        if revision.version == version and revision.digest not in (None, artifact.digest):
            return Hold(
                Reason.PROVENANCE_MISSING,
                f"{at.resource}, spec.model.artifact.digest: found {artifact.digest} for version "
                f"{version}, but revision {revision.name} has that version with {revision.digest}: "
                "give another artifact another version.",
                f"revision {revision.name} has that version with another digest",
                stalls=True,
            )
    return None


def parents_exist(at: Admission) -> Hold | None:
    """A Gateway may be made after the route that names it."""
    missing = at.checked.gateway.missing
    if not missing:
        return None
    return Hold(
        Reason.GATEWAY_NOT_ACCEPTED,
        f"{at.resource}, spec.route.parentRefs: found no Gateway {', '.join(missing)}: create it, "
        "or correct the reference.",
        f"there is no Gateway {', '.join(missing)}",
    )


def nobody_has_the_match(at: Admission) -> Hold | None:
    """The oldest of two routes with the same match wins, silently."""
    conflicts = at.checked.gateway.conflicts
    if not conflicts:
        return None
    return Hold(
        Reason.ROUTE_CONFLICT,
        f"{at.resource}, spec.route: HTTPRoute {', '.join(conflicts)} answers the same requests at "
        "the same Gateway: delete it, or use other hostnames or matches.",
        f"HTTPRoute {conflicts[0]} answers the same requests",
        stalls=True,
    )


def _missing(at: Admission, needed: Iterable[str]) -> list[str]:
    """Only what a gateway claims not to have is missing: one that claims nothing is unknown."""
    claimed = at.checked.gateway.features
    return [] if claimed is None else [name for name in needed if name not in claimed]


def the_gateway_can(at: Admission) -> Hold | None:
    """Not every gateway knows timeouts, or every match and filter."""
    needed = tuple(features.needed(at.deployment.spec.route))
    missing = _missing(at, dict.fromkeys(feature for _, feature in needed))
    if not missing:
        return None
    field = next(field for field, feature in needed if feature in missing)
    return Hold(
        Reason.GATEWAY_INCAPABLE,
        f"{at.resource}, spec.route.{field}: the Gateway does not support {', '.join(missing)}: "
        "leave it out, or use a Gateway that does.",
        f"the Gateway does not support spec.route.{field}",
        stalls=True,
    )


def the_gateway_copies(at: Admission) -> Hold | None:
    """A mirror that a gateway cannot make would be awaited for ever."""
    # The first stages are shares of the requests, whatever the last one is.
    missing = _missing(at, (MIRROR, MIRROR_PERCENT)) if at.shadows else []
    if not missing:
        return None
    return Hold(
        Reason.GATEWAY_INCAPABLE,
        f"{at.resource}, spec.strategy.shadow: the Gateway does not support {', '.join(missing)}: "
        "set percent: 0 to continue without shadow, or use a Gateway that does.",
        "the Gateway cannot mirror requests",
        stalls=True,
    )


def the_gateway_copies_twice(at: Admission) -> Hold | None:
    """Stable cannot be compared with itself where only one mirror is made."""
    asks = at.shadows and shadow_stages.itself(at.deployment.spec, 100) > 0
    missing = _missing(at, (MIRRORS,)) if asks else []
    if not missing:
        return None
    return Hold(
        Reason.GATEWAY_INCAPABLE,
        f"{at.resource}, spec.objectives: found against: Self, but the Gateway does not support "
        f"{', '.join(missing)}: write against: Stable, or use a Gateway that mirrors a request "
        "twice.",
        "the Gateway cannot mirror a request twice",
        stalls=True,
    )


def the_gateway_splits(at: Admission) -> Hold | None:
    """A share that no weights give would be another one than was asked for."""
    most = at.gateway.most_weight
    least = Fraction(1, most + 1)
    for asked in at.deployment.spec.strategy.canary.steps:
        share = ratio.share(asked)
        if least <= min(share, 1 - share) or share >= 1:
            continue
        bounds = f"{float(least):.2%} and {float(1 - least):.2%}"
        return Hold(
            Reason.GATEWAY_INCAPABLE,
            f"{at.resource}, spec.strategy.canary.steps: found {asked}, but {at.gateway.title} "
            f"takes weights up to {most:,}: write a share between {bounds}.",
            f"{at.gateway.title} takes no weights for a step of {asked}",
            stalls=True,
        )
    return None


def shadow_is_said(at: Admission) -> Hold | None:
    """The CRD asks for the same; an object that is older than the rule has not been asked."""
    strategy = at.deployment.spec.strategy
    if strategy.mode is not StrategyMode.PROGRESSIVE:
        return None
    said = strategy.shadow
    if said is not None and (said.percent == 0 or said.side_effects is not None):
        return None
    return Hold(
        Reason.INVALID_SPEC,
        f"{at.resource}, spec.strategy.shadow: found no sideEffects: write None or Suppressed, or "
        "percent: 0 to begin with users.",
        "spec.strategy.shadow.sideEffects is missing",
        stalls=True,
    )


def it_can_be_run(at: Admission) -> Hold | None:
    """The schema knows nothing of the template, and some names in it are reserved."""
    if at.fault is None:
        return None
    in_template = at.fault.field.startswith("template")
    return Hold(
        Reason.INVALID_TEMPLATE if in_template else Reason.INVALID_SPEC,
        f"{at.fault}.",
        f"no pods can be made of spec.{at.fault.field}",
        stalls=True,
    )


def the_api_server_takes_the_pods(at: Admission) -> Hold | None:
    """The template is not in the schema: only a dry run knows whether pods can be made of it."""
    if at.checked.refusal is None:
        return None
    return Hold(
        Reason.INVALID_TEMPLATE,
        f"{at.resource}, spec.template: the API server refuses it: {at.checked.refusal}",
        "the API server refuses spec.template",
        stalls=True,
    )
