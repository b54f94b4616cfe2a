"""Two model servers behind one route, and users of a given number and rate."""

import json
from pathlib import Path
from typing import Any

from e2e.cluster import images
from e2e.fixtures import Cluster

HERE = Path(__file__).parent
JOB = "job/load"


def start(cluster: Cluster, namespace: str) -> None:
    """Start the servers `stable` and `candidate`, with a route that splits and copies."""
    _apply(cluster, namespace, "traffic.yaml")
    cluster.kubectl("rollout", "status", "deployment", "-n", namespace, "--timeout=90s")


def send(cluster: Cluster, namespace: str, requests: int, rate: int) -> None:
    """Begin to send `requests` users, `rate` a second."""
    _apply(cluster, namespace, "load.yaml", REQUESTS=requests, RATE=rate)


def have_ended(cluster: Cluster, namespace: str) -> bool:
    """Whether all users have an answer, or sending them has failed."""
    status = cluster.kubectl.get(JOB, "-n", namespace)["status"]
    return bool(status.get("succeeded") or status.get("failed"))


def host(namespace: str) -> str:
    """The host that users ask for. One of the namespace before may not be gone yet."""
    return f"{namespace}.example.com"


def answered(cluster: Cluster, namespace: str) -> dict[str, Any]:
    """What users got, once all of them have it."""
    cluster.kubectl("wait", JOB, "-n", namespace, "--for=condition=Complete", "--timeout=90s")
    told: dict[str, Any] = json.loads(cluster.kubectl("logs", JOB, "-n", namespace))
    return told


def _apply(cluster: Cluster, namespace: str, file: str, **values: int) -> None:
    manifests = (HERE / file).read_text()
    for image in images.OURS:
        manifests = manifests.replace(f"image: {image.name}", f"image: {image.reference}")
    filled = {"GATEWAY": cluster.gateway_address, "HOST": host(namespace), **values}
    for name, value in filled.items():
        manifests = manifests.replace(name, str(value))
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=manifests)
