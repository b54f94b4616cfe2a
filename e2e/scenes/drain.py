"""A drained node, as `kubectl drain` drains one: no new pods, and evictions that may be refused."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from e2e.cluster.kubectl import Kubectl
from e2e.cluster.progress import StepError
from model_rollouts.resources import names

REFUSED = "disruption budget"
"""What the API server says where a PodDisruptionBudget keeps a pod."""


@dataclass(frozen=True)
class PodOnNode:
    """A pod, and the node on which it runs."""

    name: str
    node: str


def pods(kubectl: Kubectl, namespace: str, revision: str) -> list[PodOnNode]:
    """The pods of a revision that run and are not ending."""
    found = kubectl.get("pods", "-n", namespace, "-l", f"{names.REVISION_LABEL}={revision}")
    return [
        PodOnNode(pod["metadata"]["name"], pod["spec"]["nodeName"])
        for pod in found["items"]
        if "deletionTimestamp" not in pod["metadata"] and "nodeName" in pod["spec"]
    ]


@contextlib.contextmanager
def cordoned(kubectl: Kubectl, node: str) -> Iterator[None]:
    """No pod is put on `node` inside."""
    kubectl("cordon", node)
    try:
        yield
    finally:
        kubectl("uncordon", node)


def evict(kubectl: Kubectl, namespace: str, pod: str) -> bool:
    """Ask for the end of a pod; False when a budget refuses it now."""
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace},
    }
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    try:
        kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    except StepError as error:
        if REFUSED not in str(error):
            raise
        return False
    return True
