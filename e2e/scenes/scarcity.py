"""Things of which there are few: what a quota allows, and accelerators that a node has."""

import contextlib
import json
from collections.abc import Iterator

from e2e.cluster.kubectl import Kubectl
from e2e.scenes.manifest import ACCELERATOR
from e2e.waiting import wait_until

QUOTA = "scarce"


def limit(kubectl: Kubectl, namespace: str, resource: str, most: int) -> None:
    """Make a ResourceQuota, and wait until the API server holds pods to it.

    A quota of which the controller has not yet told what is used lets everything through.
    """
    kubectl("create", "quota", QUOTA, "-n", namespace, f"--hard={resource}={most}")
    wait_until(
        lambda: "used" in kubectl.get("quota", QUOTA, "-n", namespace).get("status", {}),
        f"the quota of {namespace} was not taken up",
    )


def lift(kubectl: Kubectl, namespace: str) -> None:
    """Take the quota away."""
    kubectl("delete", "quota", QUOTA, "-n", namespace)


@contextlib.contextmanager
def one_accelerator(kubectl: Kubectl) -> Iterator[None]:
    """The node has one accelerator inside, which a pod keeps until it has ended."""
    (node,) = (
        each["metadata"]["name"] for each in kubectl.get("nodes", "-l", "type!=kwok")["items"]
    )
    _patch(kubectl, node, {"op": "add", "value": "1"})
    try:
        yield
    finally:
        _patch(kubectl, node, {"op": "remove"})


def _patch(kubectl: Kubectl, node: str, change: dict[str, str]) -> None:
    name = ACCELERATOR.replace("/", "~1")
    paths = (f"/status/{field}/{name}" for field in ("capacity", "allocatable"))
    patch = json.dumps([{**change, "path": path} for path in paths])
    kubectl("patch", "node", node, "--subresource=status", "--type=json", "-p", patch)
