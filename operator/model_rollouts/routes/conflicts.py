"""HTTPRoutes of others that would answer a model's requests in its place.

Gateway API lets the oldest route win when several have the same match, and says so nowhere.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from model_rollouts.resources.shapes import Object
from model_rollouts.routes.reader import parents

_ANYTHING: Object = {"path": {"type": "PathPrefix", "value": "/"}}


def compared(route: Object) -> Object:
    """As much of an HTTPRoute as `is_conflict` looks at: a list of all of them is long."""
    metadata, spec = route["metadata"], route.get("spec") or {}
    return {
        "metadata": {
            key: metadata[key]
            for key in ("namespace", "name", "creationTimestamp")
            if key in metadata
        },
        "spec": {
            "parentRefs": spec.get("parentRefs"),
            "hostnames": spec.get("hostnames"),
            "rules": [{"matches": rule.get("matches")} for rule in spec.get("rules") or ()],
        },
    }


def is_conflict(model: Object, own: Object | None, other: Object) -> bool:
    """Whether `other` answers requests that the ModelDeployment `model` asks for.

    `own` is the model's route as it is; None when there is none yet, and then every route is older.
    """
    if own is not None and not _is_older(other, own):
        return False
    route, namespace = model["spec"]["route"], model["metadata"]["namespace"]
    content = other.get("spec") or {}
    elsewhere = other["metadata"]["namespace"]
    return (
        _share_parent(
            parents(route.get("parentRefs"), namespace),
            parents(content.get("parentRefs"), elsewhere),
        )
        and _share_hostname(route.get("hostnames") or (), content.get("hostnames") or ())
        and not _matches(route.get("rules") or [route]).isdisjoint(
            _matches(content.get("rules") or ())
        )
    )


def _is_older(one: Object, other: Object) -> bool:
    """Gateway API's order: by creation, then by namespace and name."""

    def order(obj: Object) -> tuple[str, str, str]:
        metadata = obj["metadata"]
        return metadata.get("creationTimestamp", ""), metadata["namespace"], metadata["name"]

    return order(one) < order(other)


def _share_parent(some: Sequence[Object], others: Sequence[Object]) -> bool:
    def same(one: Object, other: Object) -> bool:
        return all(
            one[key] == other[key] for key in ("group", "kind", "namespace", "name")
        ) and all(
            # Without it, all listeners are meant.
            key not in one or key not in other or one[key] == other[key]
            for key in ("sectionName", "port")
        )

    return any(same(one, other) for one in some for other in others)


def _share_hostname(some: Sequence[str], others: Sequence[str]) -> bool:
    if not some or not others:
        return True
    return any(overlap(one, other) for one in some for other in others)


def overlap(one: str, other: str) -> bool:
    """Whether some host has both names; a wildcard stands for one or more labels."""
    if one.startswith("*.") and other.startswith("*."):
        return one[1:].endswith(other[1:]) or other[1:].endswith(one[1:])
    if one.startswith("*."):
        return other.endswith(one[1:])
    if other.startswith("*."):
        return one.endswith(other[1:])
    return one == other


def _matches(rules: Iterable[Object]) -> set[tuple[Any, ...]]:
    """Every match of the rules in one form; a rule without any matches everything."""
    return {_form(match) for rule in rules for match in rule.get("matches") or (_ANYTHING,)}


def _form(match: Object) -> tuple[Any, ...]:
    path = {"type": "PathPrefix", "value": "/", **(match.get("path") or {})}
    value = path["value"]
    if path["type"] == "PathPrefix":
        # Elements of a path are compared: a slash at the end says nothing.
        value = value.rstrip("/") or "/"
    return (
        path["type"],
        value,
        match.get("method"),
        frozenset(
            (each["name"].lower(), each.get("type", "Exact"), each["value"])
            for each in match.get("headers") or ()
        ),
        frozenset(
            (each["name"], each.get("type", "Exact"), each["value"])
            for each in match.get("queryParams") or ()
        ),
    )
