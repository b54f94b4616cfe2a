"""Objects beside the Services of a revision, made from templates of the administrator.

Some gateways want to be told of each Service what Gateway API has no words for, such as how GKE
checks its health. The operator knows none of these kinds: it fills in names, and no more.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_rollouts.resources import names
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.shapes import Body

MOST = 8
"""Templates: each is written for every Service of every version that has pods."""

LIVE, SHADOW = "live", "shadow"
"""The two Services of a revision: that of users, and that of mirrored requests."""

_PLURAL = re.compile(r"[a-z][a-z0-9]*")
_KIND = re.compile(r"[A-Z][A-Za-z0-9]*")
_API_VERSION = re.compile(r"[a-z0-9.-]+\.[a-z0-9-]+/v[0-9][a-z0-9]*")
_PLACE = re.compile(r"\$\(([^)]*)\)")
_PLACES = ("service", "revision", "model", "namespace")
_OURS = ("HTTPRoute", "ModelDeployment")
_EXAMPLE = '{"plural": "healthcheckpolicies", "template": {"apiVersion": ...}}'


@dataclass(frozen=True, slots=True)
class Companion:
    """One template. `plural` is the name of its kind in paths; `services` has LIVE, SHADOW or both.

    In each text of `template`, `$(service)`, `$(revision)`, `$(model)` and `$(namespace)` are
    replaced. Its name is that of the Service unless it says another one.
    """

    plural: str
    template: Body
    services: tuple[str, ...] = (LIVE, SHADOW)


def parse(found: Any) -> tuple[Companion, ...]:
    """The templates in a list as YAML or JSON has it; raises ResourceError for what is wrong."""
    if not isinstance(found, list) or len(found) > MOST:
        raise ResourceError("companions", "all", found, f"write a list of at most {MOST} templates")
    companions = tuple(_parsed(f"companions[{index}]", each) for index, each in enumerate(found))
    seen: set[tuple[str, str]] = set()
    for index, each in enumerate(companions):
        name = each.template["kind"], each.template["metadata"]["name"]
        if name in seen:
            raise ResourceError(
                f"companions[{index}]",
                "template.metadata.name",
                name[1],
                f"write another name, such as $(service)-{index}: an earlier {name[0]} has it",
            )
        seen.add(name)
    return companions


def _parsed(where: str, found: Any) -> Companion:
    if not isinstance(found, Mapping):
        raise ResourceError(where, "all", found, f"write a mapping such as {_EXAMPLE}")
    unknown = sorted(set(map(str, found)) - {"plural", "services", "template"})
    if unknown:
        raise ResourceError(where, unknown[0], found[unknown[0]], "write nothing of this name")
    plural, template = found.get("plural"), found.get("template")
    if not isinstance(plural, str) or not _PLURAL.fullmatch(plural):
        instead = "write the name of the kind in paths, such as healthcheckpolicies"
        raise ResourceError(where, "plural", plural, instead)
    services = tuple(found.get("services") or (LIVE, SHADOW))
    if not set(services) <= {LIVE, SHADOW}:
        raise ResourceError(where, "services", list(services), f"write {LIVE}, {SHADOW} or both")
    return Companion(plural, _template(where, template), services)


def _template(where: str, found: Any) -> Body:
    if not isinstance(found, Mapping):
        instead = "write an object with apiVersion, kind and what else it needs"
        raise ResourceError(where, "template", found, instead)
    version, kind = found.get("apiVersion"), found.get("kind")
    if not isinstance(version, str) or not _API_VERSION.fullmatch(version):
        instead = "write group and version of a custom resource, such as networking.gke.io/v1"
        raise ResourceError(where, "template.apiVersion", version, instead)
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise ResourceError(where, "template.kind", kind, "write a kind, such as HealthCheckPolicy")
    if kind in _OURS:
        raise ResourceError(where, "template.kind", kind, "write a kind that we do not write")
    metadata = found.get("metadata") or {}
    if not isinstance(metadata, Mapping) or set(metadata) - {"name", "labels", "annotations"}:
        instead = "write at most name, labels and annotations: the operator knows the rest"
        raise ResourceError(where, "template.metadata", metadata, instead)
    name = metadata.get("name", "$(service)")
    if not isinstance(name, str) or "$(service)" not in name:
        instead = "write a name with $(service): each Service has an object of its own"
        raise ResourceError(where, "template.metadata.name", name, instead)
    for path, text in _texts(found, "template"):
        wrong = next((each for each in _PLACE.findall(text) if each not in _PLACES), None)
        if wrong is not None:
            known = ", ".join(f"$({each})" for each in _PLACES)
            raise ResourceError(where, path, text, f"write one of {known} in place of $({wrong})")
    return {**found, "metadata": {**metadata, "name": name}}


def _texts(found: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(found, str):
        yield path, found
    elif isinstance(found, Mapping):
        for key, value in found.items():
            yield from _texts(value, f"{path}.{key}")
    elif isinstance(found, Sequence):
        for index, value in enumerate(found):
            yield from _texts(value, f"{path}[{index}]")


def named(companion: Companion, service: Mapping[str, Any], model: str, revision: str) -> str:
    """The object that `rendered` gives, as `Kind/name`."""
    template = companion.template
    name = _filled(template["metadata"]["name"], _places(service, model, revision))
    return f"{template['kind']}/{name}"


def rendered(companion: Companion, service: Mapping[str, Any], model: str, revision: str) -> Body:
    """The object beside a Service that the cluster has; it goes when the Service goes."""
    metadata = service["metadata"]
    body: Body = _filled(companion.template, _places(service, model, revision))
    own = body["metadata"]
    body["metadata"] = {
        **own,
        "namespace": metadata["namespace"],
        "labels": {**own.get("labels", {}), **names.labels(model, revision)},
        "ownerReferences": [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "name": metadata["name"],
                "uid": metadata["uid"],
            }
        ],
    }
    return body


def _places(service: Mapping[str, Any], model: str, revision: str) -> Mapping[str, str]:
    metadata = service["metadata"]
    return {
        "service": metadata["name"],
        "revision": revision,
        "model": model,
        "namespace": metadata["namespace"],
    }


def _filled(found: Any, places: Mapping[str, str]) -> Any:
    if isinstance(found, str):
        return _PLACE.sub(lambda place: places[place[1]], found)
    if isinstance(found, Mapping):
        return {key: _filled(value, places) for key, value in found.items()}
    if isinstance(found, list):
        return [_filled(value, places) for value in found]
    return found
