"""Names, labels and ports of the operator's objects, and those that it keeps for itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model_rollouts.resources.errors import ResourceError

DOMAIN = "modelrollouts.dev"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "model-rollouts"
MODEL_LABEL = f"{DOMAIN}/model"
REVISION_LABEL = f"{DOMAIN}/revision"
RECORD_ANNOTATION = f"{DOMAIN}/record"
RESTART_ANNOTATION = f"{DOMAIN}/restart"
"""On pods: the token of `strategy.restart` with which they started."""
RESTARTED_ANNOTATION = f"{DOMAIN}/restarted"
"""On a Deployment whose pods are replaced, or were, for nothing but a token."""

MODEL_CONTAINER = "model"
RESERVED_PREFIX = "rollout-"
"""Containers, volumes and ports of this prefix are the operator's, now and in later releases."""
PROXY_CONTAINER = f"{RESERVED_PREFIX}proxy"

ADMIN_VOLUME = f"{RESERVED_PREFIX}admin"
"""Nobody but the proxy's container mounts it."""
ADMIN_FOLDER = "/run/rollout-admin"
ADMIN_SOCKET = f"{ADMIN_FOLDER}/envoy.sock"

TOKEN_VOLUME = f"{RESERVED_PREFIX}observer-token"
"""With which the proxy shows the observer which pod speaks. Nobody else mounts it."""
TOKEN_FOLDER = "/run/rollout-observer-token"  # noqa: S105 - where it is, and not what
TOKEN_ANNOTATION = f"{DOMAIN}/observer-token"
"""On pods whose requests are captured: where their proxy finds that token, and no secret."""

LIVE_PORT = 17080
SHADOW_PORT = 17081
STANDBY_PORT = 17082
METRICS_PORT = 17090
RESERVED_PORTS = range(17000, 17100)
"""Away from the ports of model servers, of service meshes (15000-15090) and of outgoing
connections (32768 and up)."""
LIVE_PORT_NAME = f"{RESERVED_PREFIX}live"
SHADOW_PORT_NAME = f"{RESERVED_PREFIX}shadow"
STANDBY_PORT_NAME = f"{RESERVED_PREFIX}standby"
METRICS_PORT_NAME = f"{RESERVED_PREFIX}metrics"
SERVICE_PORT = 80
METRICS_PATH = "/stats/prometheus"
READY_PATH = "/ready"

REVISION_HEADER = "x-model-revision"
PREDICTION_HEADER = "x-prediction-id"
SHADOW_HEADER = "x-model-shadow"
TIMING_HEADER = "server-timing"
"""On answers of a model that tells how long its stages took."""
FALLBACK_HEADER = "x-model-fallback"
"""On answers that a fallback gave: its type."""
FALLBACK_OF_HEADER = "x-model-fallback-of"
"""On requests to a fallback: the revision in whose place it answers."""

DRAIN_SECONDS = 15
"""How long a model server goes on serving after the end of its pod was decided: gateways have to
learn of it, and clients that keep connections alive are asked to leave within this time."""

SETTLING_SECONDS = 3
"""How long a pod must have been ready before it is counted on: gateways learn of it a little later,
and one that had not yet answered users with 500."""

DIGEST_DIGITS = 10
SHADOW_SUFFIX = "-shadow"
BACKUP_SUFFIX = "-backup"
"""As long as the other: names of models may be as long as before."""
MAX_NAME = 63 - len(SHADOW_SUFFIX) - 1 - DIGEST_DIGITS
"""The longest name of a ModelDeployment: its shadow Service must still be a DNS label."""

_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Owner:
    """The ModelDeployment that owns the objects: garbage collection follows it."""

    api_version: str
    kind: str
    name: str
    uid: str

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> "Owner":
        """`obj`, as the API server has it, as the owner of its children."""
        metadata = obj["metadata"]
        return cls(obj["apiVersion"], obj["kind"], metadata["name"], metadata["uid"])

    def reference(self) -> dict[str, Any]:
        """The ownerReference of a child."""
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }


def describe(model: str) -> str:
    """How messages name the ModelDeployment `model`."""
    return f"ModelDeployment '{model}'"


def require_model_name(model: str) -> None:
    """Raise ResourceError unless children can be named after `model`."""
    if not is_dns_label(model) or len(model) > MAX_NAME:
        raise ResourceError(
            describe(model),
            "metadata.name",
            model,
            f"write at most {MAX_NAME} characters of a-z, 0-9 and '-', the first a letter and the"
            " last not '-': Services are named after it",
        )


def is_dns_label(name: str) -> bool:
    """Whether `name` can be the name of a Service (DNS-1035)."""
    return len(name) <= 63 and _DNS_LABEL.fullmatch(name) is not None


def is_revision_of(model: str, name: str) -> bool:
    """Whether `name` is one that a revision of the ModelDeployment `model` has."""
    return re.fullmatch(rf"{re.escape(model)}-[0-9a-f]{{{DIGEST_DIGITS}}}", name) is not None


def shadow_service(revision: str) -> str:
    """The Service that mirrored requests are sent to."""
    return revision + SHADOW_SUFFIX


def backup_service(revision: str) -> str:
    """The Service of whatever stands in for `revision`: its name stays, and what it selects not."""
    return revision + BACKUP_SUFFIX


def is_service_of(model: str, name: str) -> bool:
    """Whether `name` is one that a Service of a revision of the ModelDeployment `model` has."""
    bare = name.removesuffix(SHADOW_SUFFIX).removesuffix(BACKUP_SUFFIX)
    return is_revision_of(model, bare)


def disruption_budget(model: str) -> str:
    """The PodDisruptionBudget over the pods of all revisions."""
    return f"{model}-pods"


def labels(model: str, revision: str | None = None) -> dict[str, str]:
    """The labels of a child. The parent's own labels are never copied: they may select."""
    own = {MANAGED_BY_LABEL: MANAGED_BY, MODEL_LABEL: model}
    return own if revision is None else {**own, REVISION_LABEL: revision}


def selector(revision: str) -> dict[str, str]:
    """What selects the pods of `revision` and no others."""
    return {REVISION_LABEL: revision}


def owned(obj: Mapping[str, Any], namespace: str, owner: Owner) -> dict[str, Any]:
    """`obj` in `namespace`, owned by `owner`. Neither is part of what is stored of an object."""
    metadata = {
        **obj["metadata"],
        "namespace": namespace,
        "ownerReferences": [owner.reference()],
    }
    return {**obj, "metadata": metadata}
