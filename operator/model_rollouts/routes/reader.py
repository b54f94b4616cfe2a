"""One form for HTTPRoutes that mean the same: what the API server fills in is taken out again.

The lists of an HTTPRoute are atomic, so a filter that somebody added inside a rule would stay
unseen if only our own fields were compared; and the defaults that the API server adds would look
like such an edit if they were not known.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from model_rollouts.resources import names
from model_rollouts.resources.shapes import Object

_PARENT = {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
_BACKEND = {"group": "", "kind": "Service", "weight": 1}
_PATH = {"type": "PathPrefix", "value": "/"}
_EXACT = {"type": "Exact"}
_ANY = [{"path": _PATH}]
_CORS = {"maxAge": 5}


def differences(found: Object, wanted: Object) -> tuple[str, ...]:
    """What of our HTTPRoute somebody else has changed, by path; empty when nothing that counts.

    Only the spec, the record and our labels count: other annotations and labels are free.
    """
    paths = [
        f"spec.{path}" for path in _compared(_spec(found.get("spec", {})), _spec(wanted["spec"]))
    ]
    for kind in ("labels", "annotations"):
        have = found["metadata"].get(kind) or {}
        for key, value in wanted["metadata"].get(kind, {}).items():
            if have.get(key) != value:
                paths.append(f"metadata.{kind}[{key}]")
    return tuple(sorted(paths))


def is_same(one: Object, other: Object) -> bool:
    """Whether two states of our HTTPRoute are the same in everything that is ours.

    Its status and what others annotate is not.
    """

    def ours(route: Object) -> tuple[Any, ...]:
        metadata = route["metadata"]
        labels = metadata.get("labels") or {}
        return (
            metadata.get("uid"),
            metadata.get("ownerReferences"),
            metadata.get("deletionTimestamp"),
            [labels.get(name) for name in (names.MANAGED_BY_LABEL, names.MODEL_LABEL)],
            record_of(route),
            route.get("spec"),
        )

    return ours(one) == ours(other)


def record_of(route: Object) -> str | None:
    """The text of the record that a route carries, None when it has none."""
    text = (route["metadata"].get("annotations") or {}).get(names.RECORD_ANNOTATION)
    return text if isinstance(text, str) else None


def weights(route: Object) -> dict[str, int]:
    """The weight of each backend by the name of its Service.

    Every rule of ours has the same; those of rules that differ are added up.
    """
    found = _weights_of_rules(route)
    if all(each == found[0] for each in found):
        return dict(found[0]) if found else {}
    return dict(sum(map(Counter, found), Counter()))


def _weights_of_rules(route: Object) -> list[dict[str, int]]:
    found = []
    for rule in route.get("spec", {}).get("rules") or []:
        weights: dict[str, int] = {}
        for backend in rule.get("backendRefs") or []:
            name = str(backend.get("name"))
            weights[name] = weights.get(name, 0) + int(backend.get("weight", 1))
        found.append(weights)
    return found


def serves_model(route: Object) -> bool:
    """Whether a backend of the route is a revision of the ModelDeployment of the same name."""
    model = route["metadata"]["name"]
    return any(names.is_revision_of(model, name) for name in weights(route))


def shares(route: Object) -> dict[str, Fraction] | None:
    """The share of users that each backend gets, by the name of its Service.

    None where it depends on the request, because rules differ, or where nobody gets any.
    """
    found = [
        {name: Fraction(weight, sum(each.values())) for name, weight in each.items() if weight}
        for each in _weights_of_rules(route)
    ]
    if not found or any(each != found[0] for each in found):
        return None
    return found[0] or None


def marks_backends(route: Object) -> bool:
    """Whether a backend of the route carries a filter of its own."""
    return any(
        backend.get("filters")
        for rule in route["spec"].get("rules") or []
        for backend in rule.get("backendRefs") or []
    )


def keeps_places(route: Object) -> bool | None:
    """Whether a version that serves alone has both places; None where two versions have users."""
    rules = route["spec"].get("rules") or [{}]
    references = rules[0].get("backendRefs") or []
    alone = len({each.get("name") for each in references}) == 1
    return len(references) > 1 if alone else None


def controllers(route: Object) -> frozenset[str]:
    """The names of the controllers that have reported on a route."""
    told = (route.get("status") or {}).get("parents") or []
    return frozenset(str(each["controllerName"]) for each in told if each.get("controllerName"))


def parents(references: Iterable[Object] | None, namespace: str) -> list[dict[str, Any]]:
    """References to parents from `namespace`, with what a reference may leave out."""
    return [{**_PARENT, "namespace": namespace, **each} for each in references or ()]


def parent_gateways(model: Object) -> tuple[tuple[str, str] | None, ...]:
    """Namespace and name of each Gateway that the route of a ModelDeployment names as its parent.

    None stands for a parent that is no Gateway: nothing is known of what it can do.
    """
    own, references = model["metadata"]["namespace"], model["spec"]["route"]["parentRefs"]
    return gateways(references, own)


def gateways(
    references: Iterable[Mapping[str, Any]], namespace: str
) -> tuple[tuple[str, str] | None, ...]:
    """Namespace and name of each Gateway that `references` from `namespace` mean, as above."""
    return tuple(
        (each["namespace"], each["name"])
        if (each["group"], each["kind"]) == (_PARENT["group"], _PARENT["kind"])
        else None
        for each in parents(references, namespace)
    )


def mirror(route: Object) -> tuple[str, int] | None:
    """The name of the Service that gets mirrored requests and their share in percent.

    None when there is none; the largest share of several.
    """
    found = [
        (int(asked.get("percent", 100)), str(asked["backendRef"].get("name")))
        for rule in route.get("spec", {}).get("rules") or []
        for each in rule.get("filters") or []
        if (asked := each.get("requestMirror"))
    ]
    if not found:
        return None
    percent, name = max(found)
    return name, percent


def _compared(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    return [key for key in {*found, *wanted} if found.get(key) != wanted.get(key)]


def _spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    form = dict(spec)
    form["parentRefs"] = [_bare(each, _PARENT) for each in spec.get("parentRefs") or []]
    form["rules"] = [_rule(each) for each in spec.get("rules") or []]
    return {key: value for key, value in form.items() if value not in ([], {}, None)}


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    form = dict(rule)
    matches = rule.get("matches") or _ANY
    form["matches"] = [_match(each) for each in matches]
    form["backendRefs"] = [_bare(each, _BACKEND) for each in rule.get("backendRefs") or []]
    form["filters"] = [_filter(each) for each in rule.get("filters") or []]
    return form


def _match(match: Mapping[str, Any]) -> dict[str, Any]:
    form = {**match, "path": {**_PATH, **(match.get("path") or {})}}
    for kind in ("headers", "queryParams"):
        form[kind] = [{**_EXACT, **each} for each in match.get(kind) or []]
    return form


def _filter(each: Mapping[str, Any]) -> dict[str, Any]:
    if cors := each.get("cors"):
        return {**each, "cors": {**_CORS, **cors}}
    mirror = each.get("requestMirror")
    if not mirror:
        return dict(each)
    return {
        **each,
        "requestMirror": {**mirror, "backendRef": _bare(mirror["backendRef"], _BACKEND)},
    }


def _bare(fields: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if defaults.get(key) != value}
