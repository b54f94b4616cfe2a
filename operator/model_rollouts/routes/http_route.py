"""The HTTPRoute that the operator owns: weights, mirror and record, written in one request.

It has one rule, which always has two backends. Envoy Gateway makes a cluster of each, named by its
place, and tells a proxy of clusters and of weights separately: while a place comes or goes, the
weights of a moment point to a cluster that is not there, and users get 500. A version that serves
alone therefore has both places. A weight of 0 would hold the second one too, but gateways differ in
what they make of it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_rollouts.api.route import Route
from model_rollouts.resources import names
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.names import Owner, owned
from model_rollouts.resources.shapes import Object
from model_rollouts.routes import reader
from model_rollouts.routes.record import RouteRecord, encode

_MOST_WEIGHT = 1_000_000
"""Gateway API's bound of a backendRef's weight."""

_ALONE = (_MOST_WEIGHT - 1, 1)
"""Weights of the two places of a version that serves alone. The second is where the next candidate
comes, a moment before its weight: it should have next to no users by then."""


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """Gateway API's own shapes, passed through as the user wrote them.

    `marks_backends` puts a filter on each backend: Envoy Gateway then gives each its own cluster
    and statistics. It must be off for a gateway that does not support filters on backends, which
    would refuse the route.
    """

    parent_refs: Sequence[Mapping[str, Any]]
    hostnames: Sequence[str] = ()
    matches: Sequence[Mapping[str, Any]] = ()
    timeouts: Mapping[str, Any] | None = None
    marks_backends: bool = True

    @classmethod
    def of(cls, asked: Route, *, marks_backends: bool) -> "RouteSpec":
        """What `spec.route` of a ModelDeployment asks for."""
        spec = asked.model_dump(mode="json", by_alias=True, exclude_none=True)
        return cls(
            parent_refs=spec["parentRefs"],
            hostnames=spec["hostnames"],
            matches=[_without_empty_lists(match) for match in spec["matches"]],
            timeouts=spec.get("timeouts"),
            marks_backends=marks_backends,
        )

    @classmethod
    def found(cls, route: Object) -> "RouteSpec":
        """What a route has of it now, whoever wrote it."""
        spec = route["spec"]
        rule = (spec.get("rules") or [{}])[0]
        return cls(
            parent_refs=spec.get("parentRefs") or (),
            hostnames=spec.get("hostnames") or (),
            matches=rule.get("matches") or (),
            timeouts=rule.get("timeouts"),
            marks_backends=reader.marks_backends(route),
        )


def mark_of(asked: Route) -> str:
    """What changes with `spec.route`, and with nothing else."""
    text = json.dumps(asked.model_dump(mode="json", by_alias=True), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[: names.DIGEST_DIGITS]


@dataclass(frozen=True, slots=True)
class Backend:
    """A revision that users reach, and its weight in proportion to the others'."""

    revision: str
    weight: int


@dataclass(frozen=True, slots=True)
class Mirror:
    """A revision that gets `percent` of the requests mirrored; 0 is none."""

    revision: str
    percent: int


def http_route(
    model: str,
    spec: RouteSpec,
    backends: Sequence[Backend],
    record: RouteRecord,
    *,
    namespace: str,
    owner: Owner,
    mirror: Mirror | None = None,
) -> dict[str, Any]:
    """The route of ModelDeployment `model`.

    Raises ResourceError for a route that would answer nobody or send users twice.
    """
    _require_servable(model, backends, mirror)
    rule: dict[str, Any] = {"backendRefs": [_backend(spec, each) for each in _places(backends)]}
    if spec.matches:
        rule["matches"] = [dict(match) for match in spec.matches]
    if spec.timeouts:
        rule["timeouts"] = dict(spec.timeouts)
    if mirror is not None and mirror.percent > 0:
        rule["filters"] = [_mirror(mirror)]
    content: dict[str, Any] = {
        "parentRefs": [dict(parent) for parent in spec.parent_refs],
        "rules": [rule],
    }
    if spec.hostnames:
        content["hostnames"] = list(spec.hostnames)
    bare = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {
            "name": model,
            "labels": names.labels(model),
            "annotations": {names.RECORD_ANNOTATION: encode(record)},
        },
        "spec": content,
    }
    return owned(bare, namespace, owner)


def _without_empty_lists(match: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in match.items() if value != []}


def _places(backends: Sequence[Backend]) -> Sequence[Backend]:
    serving = [each for each in backends if each.weight > 0]
    if len(serving) > 1:
        return serving
    return [Backend(serving[0].revision, weight) for weight in _ALONE]


def _backend(spec: RouteSpec, backend: Backend) -> dict[str, Any]:
    reference: dict[str, Any] = {
        **_service(backend.revision),
        "weight": backend.weight,
    }
    if spec.marks_backends:
        # The header that the proxy sets anyway: answers of the gateway itself get it as well.
        header = {"name": names.REVISION_HEADER, "value": backend.revision}
        reference["filters"] = [
            {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [header]}}
        ]
    return reference


def _mirror(mirror: Mirror) -> dict[str, Any]:
    service = _service(names.shadow_service(mirror.revision))
    request: dict[str, Any] = {"backendRef": service}
    if mirror.percent < 100:
        # All is what a mirror without a share means, also to gateways that know no shares.
        request["percent"] = mirror.percent
    return {"type": "RequestMirror", "requestMirror": request}


def _service(name: str) -> dict[str, Any]:
    return {"name": name, "port": names.SERVICE_PORT}


def _require_servable(model: str, backends: Sequence[Backend], mirror: Mirror | None) -> None:
    resource = f"HTTPRoute '{model}'"
    weights = {backend.revision: backend.weight for backend in backends}
    if len(weights) < len(backends):
        found = [backend.revision for backend in backends]
        raise ResourceError(resource, "backendRefs", found, "name each revision only once")
    for revision, weight in weights.items():
        if not 0 <= weight <= _MOST_WEIGHT:
            raise ResourceError(
                resource, f"weight of '{revision}'", weight, f"write 0 to {_MOST_WEIGHT:,}"
            )
    if not any(weights.values()):
        raise ResourceError(
            resource, "backendRefs", weights, "give at least one revision a weight above 0"
        )
    if mirror is not None and not 0 <= mirror.percent <= 100:
        raise ResourceError(resource, "mirror percent", mirror.percent, "write 0 to 100")
