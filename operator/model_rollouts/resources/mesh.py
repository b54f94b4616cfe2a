"""Whether a service mesh puts a sidecar into a pod, as far as its template says.

Such a sidecar takes what is sent to the pod and hands it on from inside: the proxy then sees every
user come from loopback or from the pod's own address.
"""

from collections.abc import Mapping
from typing import Any

from model_rollouts.resources.shapes import mapping

_ASKED: Mapping[str, Mapping[str, bool]] = {
    "sidecar.istio.io/inject": {"true": True, "false": False},
    "linkerd.io/inject": {"enabled": True, "ingress": True, "disabled": False},
    "kuma.io/sidecar-injection": {"enabled": True, "true": True, "disabled": False, "false": False},
    "consul.hashicorp.com/connect-inject": {"true": True, "false": False},
}
"""Labels and annotations of pods by which a sidecar is asked for or refused, and their values."""

_NAMES = {
    "istio.io": "Istio",
    "linkerd.io": "Linkerd",
    "kuma.io": "Kuma",
    "consul.hashicorp.com": "Consul",
}

_REVISION = "istio.io/rev"
"""Any value of this label asks for a sidecar of that revision of Istio."""


def has_sidecar(resource: str, template: Mapping[str, Any]) -> bool | None:
    """Whether `template` asks for a sidecar or refuses one; None when it says neither.

    Then a label of the namespace decides, which is not known here. `resource` is named in the
    ResourceError for metadata that is no metadata.
    """
    metadata = mapping(resource, template, "template.metadata")
    labels = mapping(resource, metadata, "template.metadata.labels")
    said = {**mapping(resource, metadata, "template.metadata.annotations"), **labels}
    answers = {wanted.get(str(said.get(key, ""))) for key, wanted in _ASKED.items()} - {None}
    if False in answers and True not in answers:
        return False
    return True if answers or _REVISION in labels else None


def name_in(template: Mapping[str, Any]) -> str | None:
    """The mesh whose sidecar `template` asks for, None when it does not say."""
    metadata = template.get("metadata") or {}
    said = {**(metadata.get("annotations") or {}), **(metadata.get("labels") or {})}
    asked = (key for key in (*_ASKED, _REVISION) if key in said)
    return next((_NAMES[domain] for key in asked for domain in _NAMES if domain in key), None)
