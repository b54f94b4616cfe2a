"""A revision as it is stored: what it was made from, and every object it runs as.

The stored rendering is the truth for as long as the revision lives. Repair applies it again and
never renders afresh, so a new operator or a new proxy restarts no model.
"""

import copy
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from model_rollouts.resources import edges, names, slices, statistics
from model_rollouts.resources.capture_proxy import Sender
from model_rollouts.resources.deployment import deployment
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.fallback_proxy import Chance
from model_rollouts.resources.names import Owner, owned
from model_rollouts.resources.pod import (
    ProxySettings,
    bootstrap_text,
    is_in_mesh,
    pod_template,
)
from model_rollouts.resources.revision import RevisionInput, canonical, require_valid
from model_rollouts.resources.services import services
from model_rollouts.resources.slices import CountedSlice

BUILDER_VERSION = 4
"""Raised with every change of what is rendered; stored renderings show which made them."""
GRPC_BUILDER = 3
"""The first builder whose proxy counts answers of gRPC, and cannot be reached from its pod."""


def render(
    model: str,
    revision: str,
    given: RevisionInput,
    thresholds_ms: Sequence[int],
    settings: ProxySettings,
    *,
    namespace: str,
    sliced_ms: Mapping[str, Sequence[int]] = MappingProxyType({}),
) -> dict[str, Any]:
    """Everything that `revision` of ModelDeployment `model` runs as, without replicas and owner.

    `thresholds_ms` are the latency thresholds of its objectives in milliseconds, and `sliced_ms`
    those on slices, by their names. Raises
    ResourceError when the input cannot be run.
    """
    require_valid(model, given)
    edges_ms = edges.bucket_edges(names.describe(model), thresholds_ms)
    sender = _sender(namespace, model, given, settings)
    chance = None if given.fallback is None else Chance(given.fallback, namespace, model)
    counted = slices.counted(names.describe(model), given.slices, sliced_ms)
    template = pod_template(
        model, revision, given.port, given.template, edges_ms, settings, sender, chance, counted
    )
    return {
        "builder": BUILDER_VERSION,
        "proxyImage": settings.image,
        "inMesh": is_in_mesh(model, given.template, settings),
        "deployment": deployment(model, revision, template),
        "services": services(model, revision, given.protocol),
        **({"slicedMs": _times(counted)} if counted else {}),
    }


def _times(counted: Sequence[CountedSlice]) -> dict[str, list[int]]:
    return {each.slice.name: [*edges.thresholds_ms(each.edges_ms)] for each in counted}


def _sender(
    namespace: str, model: str, given: RevisionInput, settings: ProxySettings
) -> Sender | None:
    if given.capture is None:
        return None
    if settings.observer is None:
        raise ResourceError(
            names.describe(model),
            "spec.capture",
            canonical(given)["capture"],
            "remove it, or have the operator started with --observer-address: there is no observer"
            " to send records to",
        )
    host, port = settings.observer.of(namespace, model)
    return Sender(given.capture, namespace, model, host, port, settings.observer.ca)


def controller_revision(
    model: str,
    revision: str,
    given: RevisionInput,
    rendered: Mapping[str, Any],
    *,
    namespace: str,
    owner: Owner,
    number: int,
) -> dict[str, Any]:
    """The ControllerRevision that stores `revision`; `number` grows with each one of the model."""
    bare = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": revision, "labels": names.labels(model, revision)},
        "revision": number,
        "data": {"input": canonical(given), "rendered": dict(rendered)},
    }
    return owned(bare, namespace, owner)


def stored_input(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """The canonical input of a ControllerRevision; ResourceError when there is none."""
    form: dict[str, Any] = _part(stored, "input", dict)
    return form


def rendered_by(stored: Mapping[str, Any]) -> int:
    """The version of the builder that rendered a ControllerRevision."""
    builder: int = _part(stored, "rendered.builder", int)
    return builder


def is_open_inside(stored: Mapping[str, Any]) -> bool:
    """Whether the proxies of a ControllerRevision take requests from inside their pod, for a mesh.

    False where nothing is said of it.
    """
    return ((stored.get("data") or {}).get("rendered") or {}).get("inMesh") is True


def counted_ms(stored: Mapping[str, Any]) -> tuple[int, ...]:
    """The latency thresholds that the pods of a ControllerRevision count exactly, in milliseconds.

    They follow from what was rendered, not from what would be rendered now. None are known of a
    rendering of a release that wrote them elsewhere. Raises ResourceError when the
    ControllerRevision holds no rendering.
    """
    rendered = _part(stored, "rendered.deployment", dict)
    try:
        bootstrap = bootstrap_text(rendered["spec"]["template"])
        return edges.thresholds_ms(statistics.edges_ms(bootstrap))
    except (LookupError, TypeError, ValueError, StopIteration):
        return ()


def sliced_ms(stored: Mapping[str, Any]) -> Mapping[str, tuple[int, ...]]:
    """The thresholds in milliseconds that the pods of a ControllerRevision count, by slice.

    They are exact and follow from what was rendered, as `counted_ms`.
    """
    rendered = (stored.get("data") or {}).get("rendered") or {}
    return {name: tuple(times) for name, times in rendered.get("slicedMs", {}).items()}


def objects(
    stored: Mapping[str, Any], owner: Owner, replicas: int | None = None
) -> list[dict[str, Any]]:
    """The Deployment and the Services of a ControllerRevision, ready to apply, as stored.

    Without `replicas` the field is left to whoever set it. Raises ResourceError when the
    ControllerRevision holds no rendering.
    """
    namespace = stored["metadata"]["namespace"]
    rendered = copy.deepcopy(
        [_part(stored, "rendered.deployment", dict), *_part(stored, "rendered.services", list)]
    )
    if replicas is not None:
        rendered[0]["spec"]["replicas"] = replicas
    return [owned(each, namespace, owner) for each in rendered]


def _part(stored: Mapping[str, Any], path: str, kind: type) -> Any:
    found: Any = stored.get("data")
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, kind):
        raise ResourceError(
            f"ControllerRevision '{stored['metadata']['name']}'",
            f"data.{path}",
            found,
            "restore the ControllerRevision from a backup, or delete it if no pods run from it",
        )
    return found
