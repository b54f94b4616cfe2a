"""Without Prometheus nothing moves: no data is neither a pass nor a failure."""

import contextlib
from collections.abc import Iterator

import httpx
import pytest

from e2e.cluster import addons
from e2e.fixtures import Cluster
from e2e.scenes.conftest import OpenStage
from e2e.scenes.manifest import Wanted
from e2e.scenes.rollout import conditions
from e2e.scenes.stories import first_version
from e2e.waiting import wait_until

RATE = 50
PROMETHEUS = ("deployment/prometheus", "-n", "monitoring")


@contextlib.contextmanager
def prometheus_away(cluster: Cluster) -> Iterator[None]:
    """Prometheus is gone inside, and back afterwards: with nothing that it knew before."""
    cluster.kubectl("scale", *PROMETHEUS, "--replicas=0")
    try:
        wait_until(lambda: not answers(cluster), "Prometheus did not go")
        yield
    finally:
        cluster.kubectl("scale", *PROMETHEUS, "--replicas=1")
        cluster.kubectl("rollout", "status", *PROMETHEUS, "--timeout=120s")


def answers(cluster: Cluster) -> bool:
    """Whether Prometheus does."""
    try:
        page = f"{addons.prometheus_url(cluster.provider)}/-/ready"
        return httpx.get(page, timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("seconds", [40, pytest.param(120, marks=pytest.mark.slow)])
def test_a_good_canary_holds_while_prometheus_is_away_and_then_goes_on(
    cluster: Cluster, open_stage: OpenStage, seconds: int
) -> None:
    with open_stage("away") as stage:
        rollout = stage.rollout
        serving = first_version(stage, Wanted("1"), RATE)
        traffic = serving.traffic
        generation = rollout.apply(Wanted("2"))
        rollout.wait_for_share(0.1)
        traffic.wait_for_more(10, "2")

        with prometheus_away(cluster):
            away_at = traffic.so_far().last.sent
            told = rollout.wait_for_reason("Reconciling", "MetricsUnavailable", since=away_at)
            traffic.wait_for_more(seconds * RATE, seconds=2 * seconds)
            held = rollout.latest()
            moved = rollout.route_writes(away_at)
        rollout.wait_for_condition("Ready", seconds=240)
        promoted = rollout.wait_for_phase("Full", generation).object
        users = traffic.stop().since(serving.settled)

    print(f"Prometheus away for {seconds} s: {users.counts()}")
    assert moved == []
    assert held["status"]["phase"] == "Canary"
    assert conditions(held)["Available"]["status"] == "True"
    assert told.object["status"]["message"]
    assert promoted["status"]["stable"]["version"] == "2"
    assert len(users.lost) == len(users.bad) == 0, users.lost
