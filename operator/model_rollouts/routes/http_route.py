"""The HTTPRoute that the operator owns: weights, mirror and record, written in one request.

Each of its rules has the same backends. Envoy Gateway makes a cluster of each backend, named by its
place, and tells a proxy of clusters and of weights separately: while a place comes or goes, the
weights of a moment point to a cluster that is not there, and users get 500. For such a gateway a
version that serves alone has both places. A weight of 0 would hold the second one too, but gateways
differ in what they make of it.
"""

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from model_rollouts.api.route import Route
from model_rollouts.resources import names
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.names import Owner, owned
from model_rollouts.resources.shapes import Object
from model_rollouts.routes import reader
from model_rollouts.routes.controllers import MOST_WEIGHT
from model_rollouts.routes.record import RouteRecord, encode


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """Gateway API's own shapes, passed through as the user wrote them.

    `rules` have names, matches, filters and timeouts, each as far as it is given.

    The rest is what the gateway takes. `marks_backends` puts a filter on each backend: Envoy
    Gateway then gives each its own cluster and statistics. It must be off for a gateway that does
    not support filters on backends, which would refuse the route. `keeps_places` gives a version
    that serves alone both places. No weight is above `most_weight`.
    """

    parent_refs: Sequence[Mapping[str, Any]]
    hostnames: Sequence[str] = ()
    rules: Sequence[Mapping[str, Any]] = ({},)
    marks_backends: bool = True
    keeps_places: bool = True
    most_weight: int = MOST_WEIGHT

    @classmethod
    def of(
        cls,
        asked: Route,
        *,
        marks_backends: bool,
        keeps_places: bool = True,
        most_weight: int = MOST_WEIGHT,
    ) -> "RouteSpec":
        """What `spec.route` of a ModelDeployment asks for."""
        spec = asked.model_dump(mode="json", by_alias=True, exclude_none=True)
        return cls(
            parent_refs=spec["parentRefs"],
            hostnames=spec["hostnames"],
            rules=[
                _without_empty_lists(each.model_dump(mode="json", by_alias=True, exclude_none=True))
                for each in asked.as_rules()
            ],
            marks_backends=marks_backends,
            keeps_places=keeps_places,
            most_weight=most_weight,
        )

    @classmethod
    def found(cls, route: Object, *, keeps_places: bool, most_weight: int) -> "RouteSpec":
        """What a route has of it now, whoever wrote it."""
        spec = route["spec"]
        return cls(
            parent_refs=spec.get("parentRefs") or (),
            hostnames=spec.get("hostnames") or (),
            rules=[_without_ours(each) for each in spec.get("rules") or [{}]],
            marks_backends=reader.marks_backends(route),
            keeps_places=keeps_places,
            most_weight=most_weight,
        )


@lru_cache(maxsize=256)
def mark_of(asked: Route) -> str:
    """What changes with `spec.route`, and with nothing else."""
    said = asked.model_dump(mode="json", by_alias=True)
    if not said["rules"]:
        # Releases before did not know them.
        del said["rules"]
    text = json.dumps(said, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[: names.DIGEST_DIGITS]


@dataclass(frozen=True, slots=True)
class Backend:
    """A revision that users reach, and its weight in proportion to the others'."""

    revision: str
    weight: int


@dataclass(frozen=True, slots=True)
class Mirror:
    """A revision that gets `percent` of the requests mirrored; 0 is none.

    `itself` percent of them go to another pod of the revision `stable` too, to compare it with
    itself.
    """

    revision: str
    percent: int
    stable: str = ""
    itself: int = 0


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
    _require_servable(model, spec, backends, mirror)
    places = [_backend(spec, each) for each in _places(spec, backends)]
    content: dict[str, Any] = {
        "parentRefs": [dict(parent) for parent in spec.parent_refs],
        "rules": [_rule(each, places, mirror) for each in spec.rules],
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


def _rule(
    asked: Mapping[str, Any], places: Sequence[Mapping[str, Any]], mirror: Mirror | None
) -> dict[str, Any]:
    """One rule, with the same weights and the same mirror as every other."""
    rule = {**copy.deepcopy(dict(asked)), "backendRefs": [dict(each) for each in places]}
    if mirror is not None and mirror.percent > 0:
        rule["filters"] = [*rule.get("filters", ()), *_mirrors(mirror)]
    return rule


def _without_ours(rule: Mapping[str, Any]) -> dict[str, Any]:
    """What a rule has besides weights and mirror."""
    kept = {key: value for key, value in rule.items() if key not in ("backendRefs", "filters")}
    filters = [each for each in rule.get("filters") or () if "requestMirror" not in each]
    return {**kept, "filters": filters} if filters else kept


def _without_empty_lists(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_empty_lists(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: _without_empty_lists(each) for key, each in value.items() if each != []}


def _places(spec: RouteSpec, backends: Sequence[Backend]) -> Sequence[Backend]:
    serving = [each for each in backends if each.weight > 0]
    if len(serving) > 1:
        return serving
    (alone,) = serving
    if not spec.keeps_places:
        return [Backend(alone.revision, 1)]
    # The second place is where the next candidate comes, a moment before its weight: it should have
    # next to no users by then.
    return [Backend(alone.revision, weight) for weight in (spec.most_weight - 1, 1)]


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


def _mirrors(mirror: Mirror) -> Iterator[dict[str, Any]]:
    yield _mirror(mirror.revision, mirror.percent)
    if mirror.itself > 0:
        yield _mirror(mirror.stable, mirror.itself)


def _mirror(revision: str, percent: int) -> dict[str, Any]:
    request: dict[str, Any] = {"backendRef": _service(names.shadow_service(revision))}
    if percent < 100:
        # All is what a mirror without a share means, also to gateways that know no shares.
        request["percent"] = percent
    return {"type": "RequestMirror", "requestMirror": request}


def _service(name: str) -> dict[str, Any]:
    return {"name": name, "port": names.SERVICE_PORT}


def _require_servable(
    model: str, spec: RouteSpec, backends: Sequence[Backend], mirror: Mirror | None
) -> None:
    resource = f"HTTPRoute '{model}'"
    weights = {backend.revision: backend.weight for backend in backends}
    if len(weights) < len(backends):
        found = [backend.revision for backend in backends]
        raise ResourceError(resource, "backendRefs", found, "name each revision only once")
    for revision, weight in weights.items():
        if not 0 <= weight <= spec.most_weight:
            raise ResourceError(
                resource, f"weight of '{revision}'", weight, f"write 0 to {spec.most_weight:,}"
            )
    if not any(weights.values()):
        raise ResourceError(
            resource, "backendRefs", weights, "give at least one revision a weight above 0"
        )
    if mirror is not None and not 0 <= mirror.percent <= 100:
        raise ResourceError(resource, "mirror percent", mirror.percent, "write 0 to 100")
    if mirror is not None and not 0 <= mirror.itself <= mirror.percent:
        raise ResourceError(
            resource, "mirror percent of stable", mirror.itself, f"write 0 to {mirror.percent}"
        )
