"""A route with several parents: one that rejects it is told, and stops nothing."""

from typing import Any

import pytest

from model_rollouts.rollout.observed import Gateway
from model_rollouts.routes import reader
from model_rollouts.routes.addresses import Address
from tests.rollout.simulated_cluster import World

PARENTS = [{"name": "models", "namespace": "gateways"}, {"name": "inside", "namespace": "gateways"}]


def served(**world: Any) -> World:
    """Version 1 serves at two gateways."""
    made = World(**world)
    made.edit(version="1", route__parentRefs=PARENTS, strategy__watch={"duration": "10s"})
    return made.until("Full").run(20)


def condition(world: World, type: str) -> dict[str, Any] | None:
    return next((each for each in world.status["conditions"] if each["type"] == type), None)


def test_one_that_rejects_the_route_is_told_and_versions_move_on() -> None:
    world = World()
    world.rejects = "NotAllowedByListeners"
    world.edit(version="1", route__parentRefs=PARENTS, strategy__watch={"duration": "10s"})
    world.until("Full").run(20)

    told = condition(world, "ParentRejected")
    assert told is not None
    assert told["reason"] == "GatewayNotAccepted"
    assert told["message"].startswith(
        "Gateway 'inside': Accepted is False (NotAllowedByListeners): not here. The other gateways"
    )
    ready = condition(world, "Ready")
    assert ready is not None and ready["status"] == "True"
    assert world.status["action"] == "Look"

    world.edit(version="2")
    assert world.until("Full").run(15).weights == {"v2": 1}

    world.rejects = ""
    world.run(15)
    assert condition(world, "ParentRejected") is None


def test_one_that_rejects_the_mirror_ends_it_for_its_users() -> None:
    world = served()
    world.second_refuses = lambda route: reader.mirror(route) is not None
    shadow = {"sideEffects": "None", "minDuration": "1m"}

    world.edit(version="2", strategy__shadow=shadow)
    world.until("Shadow").run(30)

    assert world.mirror == 0
    assert condition(world, "ParentRejected") is None


def test_one_that_never_took_the_route_does_not_end_the_mirror_of_the_others() -> None:
    world = served()
    world.rejects = "NoMatchingListenerHostname"

    world.edit(version="2", strategy__shadow={"sideEffects": "None", "minDuration": "1m"})
    world.until("Shadow").run(30)

    assert world.mirror > 0
    assert world.until("Full").weights == {"v2": 1}


def test_addresses_are_told_and_stay_when_nothing_is_asked() -> None:
    at = Address("https://arrival.example.com", "gateways/models")
    world = served(gateway=Gateway(addresses=(at,)))

    assert world.status["addresses"] == [
        {"url": "https://arrival.example.com", "gateway": "gateways/models"}
    ]

    world.gateway = Gateway()
    world.edit(
        objectives=[
            {"name": "errors", "type": "Availability"} | {"availability": {"target": "98%"}}
        ]
    )
    world.restart()
    world.run(30)

    assert len(world.status["addresses"]) == 1


@pytest.mark.parametrize("reason", ["NoMatchingParent", "NotAllowedByListeners", "Pending"])
def test_one_without_that_listener_or_permission_is_told_and_stops_nothing(reason: str) -> None:
    world = World()
    world.rejects = reason
    world.edit(version="1", route__parentRefs=PARENTS, strategy__watch={"duration": "10s"})
    world.until("Full").run(20)

    told = condition(world, "ParentRejected")
    assert told is not None and f"Accepted is False ({reason})" in told["message"]
    world.edit(version="2")
    assert world.until("Full").weights == {"v2": 1}


@pytest.mark.parametrize("place", [0, 1], ids=["the first", "the second"])
def test_one_that_does_not_exist_is_told_and_versions_move_on(place: int) -> None:
    world = World()
    name = PARENTS[place]["name"]
    world.absent = {f"gateways/{name}"}
    world.edit(version="1", route__parentRefs=PARENTS, strategy__watch={"duration": "10s"})
    world.until("Full").run(20)

    told = condition(world, "ParentRejected")
    assert told is not None
    assert told["message"].startswith(f"Gateway '{name}' does not exist. The other gateways serve")
    ready = condition(world, "Ready")
    assert ready is not None and ready["status"] == "True"

    world.edit(version="2", strategy__shadow={"sideEffects": "None", "minDuration": "1m"})
    world.until("Shadow").run(30)
    assert world.mirror > 0
    assert world.until("Full").run(15).weights == {"v2": 1}

    world.absent = set()
    world.run(15)
    assert condition(world, "ParentRejected") is None


def test_one_that_is_deleted_in_a_canary_stops_neither_steps_nor_a_rollback() -> None:
    world = served()
    world.edit(version="2", strategy__canary={"steps": ["10%", "50%"]})
    world.until("Canary").run(20)
    world.absent = {"gateways/inside"}

    assert world.until("Full").run(15).weights == {"v2": 1}
    assert condition(world, "ParentRejected") is not None

    world.edit(version="3")
    world.errors["3"] = 0.5
    world.until("RolledBack").run(60)
    assert world.weights == {"v2": 1}


def test_one_that_exists_and_is_silent_is_waited_for() -> None:
    world = served()
    world.quiet = {"gateways/inside"}
    world.edit(version="2")
    world.run(600)

    assert world.status["phase"] != "Full"
    assert condition(world, "ParentRejected") is None
    told = condition(world, "Reconciling")
    assert told is not None and told["reason"] == "GatewayNotAccepted"
    assert told["message"].startswith("Gateway 'inside' has not reported on the route yet")


def test_where_none_exists_no_version_starts() -> None:
    world = World(gateway=Gateway(missing=("gateways/models", "gateways/inside")))
    world.edit(version="1", route__parentRefs=PARENTS)
    world.run(60)

    assert world.status["phase"] == "Admission"
    told = condition(world, "Reconciling")
    assert told is not None and told["reason"] == "GatewayNotAccepted"
