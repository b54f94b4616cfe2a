"""A gateway needs a moment for each version of a route, whoever wrote it: a slow one is told."""

from tests.rollout.simulated_cluster import World


def serving() -> World:
    """Version 1 serves all users and nothing is left to tell."""
    world = World()
    world.edit(version="1", strategy__watch={"duration": "10s"})
    return world.until("Full").run(60)


def somebody_writes(world: World) -> None:
    """Another version of the route, which the gateway has not accepted yet when it is planned."""
    assert world.route is not None
    world.changed(world.route)
    world.gateway_accepts = False
    world.reconcile()
    world.gateway_accepts = True


def ready(world: World) -> tuple[str, str]:
    """Status and reason of Ready."""
    (found,) = (each for each in world.status["conditions"] if each["type"] == "Ready")
    return found["status"], found["reason"]


def test_a_route_that_others_write_for_ever_is_no_news() -> None:
    world = serving()
    before = len(world.writes)
    for _ in range(20):
        somebody_writes(world)
        world.run(5)

    assert world.writes[before:] == []
    assert ready(world) == ("True", "Serving")


def test_a_gateway_that_stays_slow_is_told_whoever_wrote_the_route() -> None:
    world = serving()
    somebody_writes(world)
    world.gateway_accepts = False
    world.run(5)

    assert ready(world) == ("False", "GatewayNotAccepted")

    world.gateway_accepts = True
    world.run(5)
    assert ready(world) == ("True", "Serving")
