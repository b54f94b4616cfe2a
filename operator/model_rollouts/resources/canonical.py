"""The canonical form of a pod template: what Kubernetes would take to mean the same is the same.

A table of Kubernetes' own defaults, so that writing one out is no change of a revision. What is not
in the table stays as it is, and the API server is asked whether it would store the same
(`rollout/state/alike.py`): never may two templates have one form that are stored differently.
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_EMPTY_MEANS_ABSENT = frozenset(
    {
        "annotations",
        "labels",
        "limits",
        "metadata",
        "nodeSelector",
        "overhead",
        "requests",
        "resources",
        "securityContext",
    }
)
"""Elsewhere an empty mapping says something: `emptyDir: {}`."""

_UNORDERED = frozenset(
    {
        "imagePullSecrets",
        "ports",
        "tolerations",
        "topologySpreadConstraints",
        "volumeDevices",
        "volumeMounts",
        "volumes",
    }
)
"""Lists of which Kubernetes takes each item by itself. Containers are not among them: they start in
their order. Variables are, unless one refers to another."""

_REFERS = "$("

_POD_DEFAULTS = {
    "dnsPolicy": "ClusterFirst",
    "enableServiceLinks": True,
    "hostIPC": False,
    "hostNetwork": False,
    "hostPID": False,
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "shareProcessNamespace": False,
}
_CONTAINER_DEFAULTS = {
    "stdin": False,
    "stdinOnce": False,
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "tty": False,
}
_PROBE_DEFAULTS = {
    "failureThreshold": 3,
    "initialDelaySeconds": 0,
    "periodSeconds": 10,
    "successThreshold": 1,
    "timeoutSeconds": 1,
}
_HTTP_DEFAULTS = {"path": "/", "scheme": "HTTP"}
_VARIABLE_DEFAULTS = {"value": ""}
_PORT_DEFAULTS = {"protocol": "TCP"}
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)([numkMGTPE]|[KMGTPE]i)?")
_SCALE = {
    "": Decimal(1),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("num", start=-3)},
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


FIRST_ENCODER = 1
"""It dropped `imagePullPolicy: IfNotPresent` of every image with a digest."""


def canonical_template(template: Mapping[str, Any], encoder: int = 2) -> dict[str, Any]:
    """A PodTemplateSpec without what says nothing. Applying it twice changes nothing.

    What does not have the shape of a PodTemplateSpec stays as it is: rendering refuses it. With the
    number of an older `encoder` it drops what that one dropped, for what is gone from a stored form
    cannot be compared.
    """
    form: dict[str, Any] = _without_nothing(template)
    pod = _mapping(form, "spec")
    _drop(pod, _POD_DEFAULTS)
    for container in [*_mappings(pod, "containers"), *_mappings(pod, "initContainers")]:
        _simplify_container(container, encoder)
    return form


def _mapping(parent: dict[str, Any], key: str) -> dict[str, Any]:
    found = parent.get(key)
    return found if isinstance(found, dict) else {}


def _mappings(parent: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = parent.get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _without_nothing(value: Any) -> Any:
    """A copy of `value` without nulls, empty lists and mappings that say nothing when empty.

    Lists without an order are sorted.
    """
    if isinstance(value, Mapping):
        kept = {key: _in_order(key, _without_nothing(inner)) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if not _says_nothing(key, inner)}
    if isinstance(value, (list, tuple)):
        return [_without_nothing(inner) for inner in value]
    return value


def _says_nothing(key: str, value: Any) -> bool:
    return value is None or value == [] or (value == {} and key in _EMPTY_MEANS_ABSENT)


def _in_order(key: str, value: Any) -> Any:
    if not isinstance(value, list):
        return value
    unordered = key in _UNORDERED or (key == "env" and not any(map(_is_reference, value)))
    return sorted(value, key=_text) if unordered else value


def _is_reference(variable: Any) -> bool:
    return isinstance(variable, dict) and _REFERS in str(variable.get("value", ""))


def _text(item: Any) -> str:
    """What sorts items of a list: their names first, and then all of them."""
    name = item.get("name", "") if isinstance(item, dict) else ""
    return f"{name} {json.dumps(item, sort_keys=True, default=str)}"


def _simplify_container(container: dict[str, Any], encoder: int) -> None:
    policy = _pull_policy(container, encoder)
    _drop(container, {**_CONTAINER_DEFAULTS, "imagePullPolicy": policy})
    for variable in _mappings(container, "env"):
        _drop(variable, _VARIABLE_DEFAULTS)
    for port in _mappings(container, "ports"):
        _drop(port, _PORT_DEFAULTS)
    for kind in _PROBES:
        probe = _mapping(container, kind)
        _drop(probe, _PROBE_DEFAULTS)
        _drop(_mapping(probe, "httpGet"), _HTTP_DEFAULTS)
    resources = _mapping(container, "resources")
    for kind in ("limits", "requests"):
        amounts = _mapping(resources, kind)
        amounts.update({name: quantity(text) for name, text in amounts.items()})


def _drop(fields: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    for name, default in defaults.items():
        if name in fields and fields[name] == default:
            del fields[name]


def _pull_policy(container: Mapping[str, Any], encoder: int) -> str:
    """Kubernetes' default: by the tag, even beside a digest; without both the tag is `latest`."""
    name, _, digest = str(container.get("image", "")).partition("@")
    _, _, tag = name.rpartition("/")[2].partition(":")
    if digest and (encoder == FIRST_ENCODER or not tag):
        return "IfNotPresent"
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def quantity(value: object) -> object:
    """One spelling for each amount: `1`, "1" and "1000m" are the same. Others stay as they are."""
    match = _QUANTITY.fullmatch(str(value))
    if match is None or (match[2] and "e" in match[1].lower()):
        return value
    amount = Decimal(match[1]) * _SCALE[match[2] or ""]
    return f"{amount.normalize():f}"
