"""Planners that are small and honest: what they ask for follows from what they see."""

from typing import Any

from model_rollouts.resources.names import RECORD_ANNOTATION, Owner, labels, owned
from model_rollouts.rollout.actions import (
    Apply,
    Create,
    Emit,
    Move,
    Scale,
    Severity,
    WriteRoute,
    WriteStatus,
)
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.observed import Observed
from model_rollouts.rollout.plan import Plan
from model_rollouts.routes import record
from model_rollouts.routes.record import RouteRecord

Body = dict[str, Any]


def revision_name(model: Any) -> str:
    """The one revision of these planners."""
    return f"{model['metadata']['name']}-0123456789"


def bare(model: Any, api_version: str, kind: str, name: str, **content: Any) -> Body:
    """An object with our labels that `model` owns."""
    metadata = {"name": name, "labels": labels(model["metadata"]["name"], revision_name(model))}
    obj = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}
    return owned(obj, model["metadata"]["namespace"], Owner.of(model))


def stored(model: Any) -> Body:
    """A ControllerRevision."""
    name = revision_name(model)
    return bare(model, "apps/v1", "ControllerRevision", name, revision=1, data={"of": name})


def deployment(model: Any, replicas: int | None = None) -> Body:
    """A Deployment, with replicas or without."""
    name = revision_name(model)
    pod = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "model", "image": "example.com/model"}]},
    }
    spec: Body = {"selector": {"matchLabels": {"app": name}}, "template": pod}
    if replicas is not None:
        spec["replicas"] = replicas
    return bare(model, "apps/v1", "Deployment", name, spec=spec)


def route(model: Any, weight: int = 1) -> Body:
    """An HTTPRoute with one backend."""
    backend = {"name": revision_name(model), "port": 80, "weight": weight}
    spec = {
        "parentRefs": model["spec"]["route"]["parentRefs"],
        "hostnames": model["spec"]["route"]["hostnames"],
        "rules": [{"backendRefs": [backend]}],
    }
    name = model["metadata"]["name"]
    made = bare(model, "gateway.networking.k8s.io/v1", "HTTPRoute", name, spec=spec)
    made["metadata"]["annotations"] = {RECORD_ANNOTATION: record.encode(roles(model))}
    return made


def roles(model: Any) -> RouteRecord:
    """The one revision serves."""
    return RouteRecord(
        stable=revision_name(model),
        candidate=None,
        phase="Full",
        weight="0%",
        attempt=1,
        verdict=None,
        sequence=1,
    )


def plan(observed: Observed, memory: Memory, now: float) -> Plan:
    """Everything that is missing, one status write when the phase is not told, and then nothing."""
    model, children = observed.obj, observed.children
    name, wanted = revision_name(model), model["spec"]["replicas"]
    actions: list[Any] = []
    if not children.revisions:
        actions.append(Create(stored(model)))
    if name not in children.deployments:
        actions.append(Apply(deployment(model, wanted)))
    elif children.deployments[name]["spec"]["replicas"] != wanted:
        actions.append(Scale(name, wanted))
    if children.route is None:
        actions.append(WriteRoute(route(model), None, Move.FIRST))
    status = {"phase": "Full", "message": f"{wanted} replicas.", "observedGeneration": 1}
    if (model.get("status") or {}) != status:
        actions.append(Emit(Severity.NORMAL, "Serving", "Promote", "The first version serves."))
        actions.append(WriteStatus(status))
    return Plan(tuple(actions), memory)


def take(memory: Memory, counted: Any, weight: float) -> Memory:
    """Counts leave no trace."""
    return memory
