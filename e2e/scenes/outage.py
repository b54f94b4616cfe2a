"""A Prometheus that stops, and comes back with nothing that it knew before."""

import contextlib
from collections.abc import Iterator

import httpx

from e2e.cluster.kubectl import Kubectl
from e2e.waiting import wait_until

PROMETHEUS = ("deployment/prometheus", "-n", "monitoring")


@contextlib.contextmanager
def prometheus_away(kubectl: Kubectl, url: str) -> Iterator[None]:
    """The Prometheus at `url` is gone inside, and back afterwards."""
    kubectl("scale", *PROMETHEUS, "--replicas=0")
    try:
        wait_until(lambda: not answers(url), "Prometheus did not go")
        yield
    finally:
        kubectl("scale", *PROMETHEUS, "--replicas=1")
        kubectl("rollout", "status", *PROMETHEUS, "--timeout=120s")


def answers(url: str) -> bool:
    """Whether the Prometheus at `url` does."""
    try:
        return httpx.get(f"{url}/-/ready", timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False
