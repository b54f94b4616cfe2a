"""What is kept of the objects of a rollout: what happened, and nothing that may be secret.

Only what is named here is kept. A template may carry passwords in its environment, a route in the
headers that it sets; of a template the names and images of containers stay, and of a route the
weights of its Services.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from model_rollouts.cluster.kinds import EVENT, HTTP_ROUTE, MODEL_DEPLOYMENT, POD, Kind
from model_rollouts.routes.reader import weights

Object = dict[str, Any]

_OURS = "modelrollouts.dev/"
"""Annotations with this prefix are the operator's own."""

Fields = tuple[str, ...]
"""The path of a field that is kept; `*` stands for each item of a list."""

_META: Sequence[Fields] = tuple(
    ("metadata", each)
    for each in (
        "name",
        "namespace",
        "uid",
        "generation",
        "resourceVersion",
        "creationTimestamp",
        "deletionTimestamp",
        "labels",
    )
)
_BY: Sequence[Fields] = tuple(
    ("metadata", "managedFields", "*", each)
    for each in ("manager", "operation", "subresource", "time")
)
"""Who wrote it last, and when."""

_TEMPLATE = ("spec", "template")
_CONTAINERS = (*_TEMPLATE, "spec", "containers", "*")
_SPEC_BUT = {"template", "fallback"}

_KEPT: Mapping[str, Sequence[Fields]] = {
    MODEL_DEPLOYMENT.name: (
        *_BY,
        (*_TEMPLATE, "metadata", "labels"),
        *((*_CONTAINERS, each) for each in ("name", "image", "ports", "resources")),
        *(("spec", "fallback", each) for each in ("type", "service", "on", "after")),
        ("spec", "fallback", "resendRequest"),
        ("status",),
    ),
    HTTP_ROUTE.name: (
        *_BY,
        ("status",),
    ),
    POD.name: (
        ("spec", "nodeName"),
        *(("status", each) for each in ("phase", "reason", "message", "conditions", "startTime")),
        *(
            ("status", "containerStatuses", "*", each)
            for each in ("name", "ready", "restartCount", "image", "imageID", "state", "lastState")
        ),
    ),
    EVENT.name: tuple(
        (each,)
        for each in (
            "eventTime",
            "series",
            "type",
            "reason",
            "action",
            "note",
            "regarding",
            "related",
            "deprecatedCount",
            "deprecatedFirstTimestamp",
            "deprecatedLastTimestamp",
            "reportingController",
        )
    ),
}
"""What is kept of each kind, beside name and times."""


def kept(kind: Kind, obj: Mapping[str, Any]) -> Object:
    """An object of `kind` without what an incident does not need. KeyError for other kinds.

    Of a ModelDeployment the whole spec is kept but for the template, of which the names and images
    of containers are, and for the answer of a static fallback. A route has `weights` in place of
    its spec.
    """
    found: Object = {"apiVersion": kind.api_version, "kind": kind.name}
    for path in (*_META, *_KEPT[kind.name]):
        _copy(obj, found, path)
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    ours = {name: text for name, text in annotations.items() if name.startswith(_OURS)}
    if ours:
        found.setdefault("metadata", {})["annotations"] = ours
    if kind is HTTP_ROUTE:
        found["weights"] = weights(obj)
    if kind is MODEL_DEPLOYMENT:
        spec = obj.get("spec") or {}
        found.setdefault("spec", {}).update(
            {name: value for name, value in spec.items() if name not in _SPEC_BUT}
        )
        if "static" in (spec.get("fallback") or {}):
            found["spec"]["fallback"]["static"] = {"body": ""}
    return found


def _copy(of: Any, to: Any, path: Fields) -> None:
    """Copy the value at `path` from one object into the other, if it is there."""
    first, *rest = path
    if first == "*":
        for item, copied in zip(of, to, strict=True):
            _copy(item, copied, tuple(rest))
        return
    if not isinstance(of, dict) or first not in of:
        return
    value = of[first]
    if not rest:
        to[first] = value
    elif isinstance(value, list):
        _copy(value, to.setdefault(first, [{} for _ in value]), tuple(rest))
    elif isinstance(value, dict):
        _copy(value, to.setdefault(first, {}), tuple(rest))
