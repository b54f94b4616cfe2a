"""Rollouts behind gateways that differ in what Gateway API leaves open."""

from typing import Any

import pytest

from tests.gateways import ENVOY_GATEWAY
from tests.rollout.simulated_cluster import World

GKE = "networking.gke.io/gateway"
UNKNOWN = "example.com/gateway"


def first(**world: Any) -> World:
    """Version 1 serves alone."""
    made = World(**world)
    made.edit(version="1", strategy__watch={"duration": "10s"})
    return made.until("Full").run(20)


def backends(world: World) -> list[dict[str, Any]]:
    """The backends of the route."""
    assert world.route is not None
    found: list[dict[str, Any]] = world.route["spec"]["rules"][0]["backendRefs"]
    return found


def weights(world: World) -> list[int]:
    return [each["weight"] for each in backends(world)]


@pytest.mark.parametrize(
    ("controller", "alone", "marked"),
    [(ENVOY_GATEWAY, [999_999, 1], True), (GKE, [1], False), (UNKNOWN, [1], False)],
)
def test_a_version_that_serves_alone_has_the_places_that_its_gateway_needs(
    controller: str, alone: list[int], marked: bool
) -> None:
    world = first(controller=controller)

    assert weights(world) == alone
    assert all(("filters" in each) == marked for each in backends(world))

    world.edit(version="2", strategy__canary={"steps": ["0.5%", "50%"]})
    world.until("Canary").run(2)
    assert weights(world) == ([199, 1] if controller == GKE else [9_950, 50])
    world.until("Full").run(20)
    assert weights(world) == alone


@pytest.mark.parametrize("controller", [GKE, UNKNOWN])
def test_a_route_of_the_release_before_keeps_its_form_until_it_changes(controller: str) -> None:
    world = first()
    assert weights(world) == [999_999, 1]

    world.controller = controller
    world.run(30)
    if controller == GKE:
        # Such a gateway never took it.
        assert weights(world) == [1]
    else:
        assert weights(world) == [999_999, 1]
        assert "RouteChanged" not in str(world.status)
    world.edit(version="2")
    world.until("Full").run(20)

    assert weights(world) == [1]
    assert [each["outcome"] for each in world.status["history"]] == ["Promoted", "Promoted"]


def test_a_share_that_no_weights_give_stops_the_rollout_before_it_starts() -> None:
    world = first(controller=GKE)

    world.edit(version="2", strategy__canary={"steps": ["0.05%", "50%"]})
    world.run(30)

    told = [each for each in world.status["conditions"] if each["reason"] == "GatewayIncapable"]
    assert told
    assert (
        "spec.strategy.canary.steps: found 0.05%, but GKE Gateway takes weights up to 1,000: write "
        "a share between 0.10% and 99.90%."
    ) in told[0]["message"]
    assert world.weights == {"v1": 1}

    world.edit(version="2", strategy__canary={"steps": ["0.1%", "50%"]})
    assert world.until("Full").run(10).weights == {"v2": 1}
