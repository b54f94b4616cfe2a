"""Without Prometheus nothing moves: no data is neither a pass nor a failure."""

import pytest

from e2e.cluster import addons
from e2e.fixtures import Cluster
from e2e.scenes.conftest import OpenStage
from e2e.scenes.manifest import Wanted
from e2e.scenes.outage import prometheus_away
from e2e.scenes.rollout import conditions
from e2e.scenes.stories import first_version

RATE = 50


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

        with prometheus_away(cluster.kubectl, addons.prometheus_url(cluster.provider)):
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
