"""The instruments of the scenes, tried on rollouts made by hand, of which the truth is known."""

from collections.abc import Iterator

import pytest

from e2e.fixtures import Cluster
from e2e.scenes.by_hand import ByHand
from e2e.scenes.conftest import OpenStage
from e2e.scenes.manifest import Wanted
from e2e.scenes.stage import Stage
from e2e.waiting import wait_until

RATE = 50


@pytest.fixture
def stage(open_stage: OpenStage) -> Iterator[Stage]:
    """An empty stage."""
    with open_stage("instruments") as made:
        yield made


@pytest.fixture
def hand(cluster: Cluster, stage: Stage) -> ByHand:
    """The hand that makes the rollout."""
    return ByHand(cluster.kubectl, stage.namespace, stage.host)


def counted(cluster: Cluster, stage: Stage, revision: str, metric: str, labels: str = "") -> int:
    """What Prometheus knows of users of `revision`."""
    found = cluster.query(
        f'{metric}{{namespace="{stage.namespace}",modelrollouts_revision="{revision}",'
        f'envoy_http_conn_manager_prefix="live"{labels}}}'
    )
    return round(sum(value for _, value in found))


def test_bad_answers_lost_ones_and_exposure_are_told_apart(
    cluster: Cluster, stage: Stage, hand: ByHand
) -> None:
    stable = hand.start(Wanted("1"))
    bad = hand.start(Wanted("2", {"ERRORS": "0.2"}))
    hand.route(stable, bad, 0)
    traffic = stage.traffic(RATE)
    settled = traffic.start()

    hand.route(stable, bad, 50)
    traffic.wait_for_more(3 * RATE, "2")
    hand.route(stable, bad, 0)
    traffic.wait_for_more(2 * RATE, "1")
    before_the_end = traffic.so_far().last.sent
    # No pod answers for this revision, so that the gateway has to answer by itself.
    cluster.kubectl("scale", f"deployment/{bad}", "-n", stage.namespace, "--replicas=0")
    cluster.kubectl("rollout", "status", f"deployment/{bad}", "-n", stage.namespace)
    hand.route(stable, bad, 100)
    wait_until(lambda: len(traffic.so_far().since(before_the_end).lost) > 0, "nothing was lost")
    answers = traffic.stop()

    routes = stage.rollout.route_writes()
    began, ended = routes[1].at, routes[2].at
    exposed = answers.of("2").where(lambda one: one.sent < before_the_end)
    print(
        f"{answers.counts()}; exposed {exposed.exposure:.2f} s of {ended - began:.2f} s; the first"
        f" answer {exposed.first.sent - began:+.3f} s after its route, the last"
        f" {exposed.last.sent - ended:+.3f} s"
    )
    assert [round(each.candidate_share, 2) for each in routes] == [0, 0.5, 0, 1]
    before = answers.since(settled).where(lambda one: one.sent < before_the_end)
    assert len(before.lost) == 0
    assert len(before.bad) == len(exposed.bad) > 0
    assert began < exposed.first.came
    assert len(answers.of("1").bad) == 0


def test_a_model_that_hangs_gives_lost_requests_that_its_proxy_counts(
    cluster: Cluster, stage: Stage, hand: ByHand
) -> None:
    stable = hand.start(Wanted("1"))
    hung = hand.start(Wanted("4", {"HANG": "true"}))
    hand.route(stable, hung, 0)
    traffic = stage.traffic(RATE, patience=1)
    settled = traffic.start()

    hand.route(stable, hung, 20)
    wait_until(lambda: len(traffic.so_far().since(settled).lost) >= 20, "no client gave up")
    answers = traffic.stop().since(settled)

    assert {one.answer for one in answers.lost} == {"timeout"}
    assert len(answers.of("4")) == 0
    wait_until(
        lambda: (
            counted(cluster, stage, hung, "envoy_http_downstream_rq_rx_reset") == len(answers.lost)
        ),
        "Prometheus does not count what clients gave up on",
    )
    assert counted(cluster, stage, stable, "envoy_http_downstream_rq_rx_reset") == 0
    assert list(stage.rollout.pods_started("4").values()) == [1]
