"""Who asks for `spec.replicas`: a person, an autoscaler, or nobody.

Whoever removes `replicas` from a manifest leaves the default of the CRD behind, a single pod, and
nobody has asked for that. Who owns the field tells it from a 1 that was written. After a
client-side apply that is the manager whose last manifest does not name it. After a server-side
apply nobody owns it any more, and that alone proves nothing: the API server does not note who
writes the scale of an object whose replicas nobody owns.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

DEFAULT = 1
"""What the CRD puts in the place of `replicas`."""

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def asked(obj: Mapping[str, Any]) -> int | None:
    """The number of pods that the spec asks for, None where it certainly was removed."""
    found = obj["spec"].get("replicas")
    if not isinstance(found, int):
        return None
    managers = obj["metadata"].get("managedFields") or ()
    owners = [each for each in managers if _owns(each, "f:spec", "f:replicas")]
    removed = found == DEFAULT and owners and all(_removed(each, obj) for each in owners)
    return None if removed else found


def is_owned(obj: Mapping[str, Any]) -> bool | None:
    """Whether some manager has the field; None where managers are not known."""
    managers = obj["metadata"].get("managedFields")
    if managers is None:
        return None
    return any(_owns(each, "f:spec", "f:replicas") for each in managers)


def _removed(manager: Mapping[str, Any], obj: Mapping[str, Any]) -> bool:
    """Whether a client-side apply has the field only because it took it out of the manifest."""
    if not _owns(manager, "f:metadata", "f:annotations", f"f:{_LAST_APPLIED}"):
        return False
    annotations = obj["metadata"].get("annotations") or {}
    try:
        manifest = json.loads(annotations.get(_LAST_APPLIED, ""))
        return "replicas" not in manifest["spec"]
    except (ValueError, TypeError, KeyError):
        return False


def _owns(manager: Mapping[str, Any], *path: str) -> bool:
    inside: Any = manager.get("fieldsV1")
    for key in path:
        inside = inside.get(key) if isinstance(inside, Mapping) else None
    return inside is not None


def ownership(managers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of the managers of an object's fields those that have `replicas`, and what `asked` reads."""
    return [
        {"manager": each.get("manager"), "fieldsV1": _of_interest(each)}
        for each in managers
        if _owns(each, "f:spec", "f:replicas")
    ]


def _of_interest(manager: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
    if _owns(manager, "f:metadata", "f:annotations", f"f:{_LAST_APPLIED}"):
        kept["f:metadata"] = {"f:annotations": {f"f:{_LAST_APPLIED}": {}}}
    return kept
