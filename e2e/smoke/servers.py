"""Two model servers behind one route, and users of a given number and rate."""

import itertools
import json
from functools import partial
from pathlib import Path
from typing import Any

from e2e.cluster import addons, images
from e2e.fixtures import Cluster
from e2e.jobs import LOAD, Jobs
from e2e.waiting import wait_until

HERE = Path(__file__).parent
JOB = "job/load"
PROBES = 60
"""Requests of one probe: of so many, one version with 10 % of users gets none in 0.2 %."""


def start(cluster: Cluster, namespace: str) -> None:
    """Start the servers `stable` and `candidate`, with a route that splits and copies."""
    _apply(cluster, namespace, "traffic.yaml")
    cluster.kubectl("rollout", "status", "deployment", "-n", namespace, "--timeout=90s")


def reached(cluster: Cluster, namespace: str, versions: set[str]) -> int:
    """How many users got an answer until the gateway sent each of a probe to ready pods.

    A route is accepted before the proxy of the gateway has it: that takes a moment as a rule, and
    5 to 10 s in one of ten new namespaces, in which users get 503.
    """
    accepted = partial(cluster.route_accepted, "model", namespace)
    wait_until(accepted, "the route was not accepted")
    jobs, answers = Jobs(cluster.kubectl, namespace), itertools.count()
    asked = f"--url={cluster.gateway_address}/predict", f"--host={host(namespace)}"
    answered = 0

    def all_are_answered() -> bool:
        nonlocal answered
        name = f"probe-{next(answers)}"
        jobs.run(name, *LOAD, *asked, f"--requests={PROBES}", "--rate=200")
        told = json.loads(jobs.told(name))
        answered += told["statuses"].get("200", 0)
        return told["statuses"] == {"200": PROBES} and set(told["versions"]) == versions

    wait_until(all_are_answered, "the gateway did not send all users to ready pods")
    return answered


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
    # It also fails when not all of them got 200: the numbers say so.
    wait_until(lambda: have_ended(cluster, namespace), "users are still being sent", 90)
    told: dict[str, Any] = json.loads(cluster.kubectl("logs", JOB, "-n", namespace))
    return told


def _apply(cluster: Cluster, namespace: str, file: str, **values: int) -> None:
    manifests = (HERE / file).read_text()
    for image in images.OURS:
        manifests = manifests.replace(f"image: {image.name}", f"image: {image.reference}")
    filled = {
        "GATEWAY": cluster.gateway_address,
        "PARENT": addons.chosen().parent["namespace"],
        "HOST": host(namespace),
        **values,
    }
    for name, value in filled.items():
        manifests = manifests.replace(name, str(value))
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=manifests)
