"""Stories of what is no fault of a version: drained nodes, policies, an operator that was away."""

from collections.abc import Callable

from tests.rollout.simulated_cluster import World


def first(**world: object) -> World:
    """A world in which version 1 serves all users, its watch over."""
    made = World(**world)  # type: ignore[arg-type]
    made.edit(version="1", strategy__watch={"duration": "10s"})
    made.until("Full").run(20)
    made.log.clear()
    made.writes.clear()
    return made


def in_canary(share: int, **changes: object) -> World:
    """A world in which version 2 has so many percent of the users."""
    world = first()
    world.edit(version="2", **changes)
    while world.weights.get("v2") != share:
        world.run(5)
    return world


def in_watch(**changes: object) -> World:
    """A world in which version 2 has all users, and is watched beside version 1."""
    world = first()
    world.edit(version="2", strategy__watch={"duration": "6h"}, **changes)
    return world.until("Full").run(30)


def drained(world: World, seconds: float = 20) -> World:
    """The pods of version 2 are evicted, and ready elsewhere after some time."""
    world.tell("node", "is drained: the pods of v2 are evicted")
    world.broken.add("2")
    world.run(seconds)
    world.broken.clear()
    return world


def a_node_is_drained() -> World:
    """Users get stable at once, and the candidate has its share again when its pods are ready."""
    world = drained(in_canary(50))
    return world.until("Full").run(10)


def it_lost_its_pods_too_often() -> World:
    """The second time it waits for a minute; the third is a verdict, for stable was well."""
    world = drained(in_canary(50, strategy__canary={"steps": ["50%"], "minStepDuration": "10m"}))
    world.run(20)
    drained(world).run(90)
    drained(world)
    return world.until("RolledBack").run(10)


def the_gateway_does_not_reach_it() -> World:
    """A policy keeps users' requests from its pods: off within a minute, and tried again."""
    world = in_canary(10)
    world.cut_off.add("2")
    world.tell("stranger", "applies a NetworkPolicy")
    world.run(240)
    world.cut_off.clear()
    world.tell("stranger", "deletes it")
    return world.until("Full").run(10)


def the_gateway_never_reaches_it() -> World:
    """Five times are enough: a person has to look, and says when to try again."""
    world = first()
    world.cut_off.add("2")
    world.edit(version="2")
    world.until("Canary").run(3_600)
    world.cut_off.clear()
    world.edit(strategy__attempt=2)
    return world.until("Full").run(10)


def the_watched_version_has_no_pods() -> World:
    """Everybody is on a version without pods, and the one before it is ready: users come first."""
    world = in_watch()
    drained(world, 40)
    return world.until("Full").run(10)


def the_operator_is_away_in_the_watch() -> World:
    """It reads what it has missed before it decides: a watch does not end on old evidence."""
    world = first()
    world.edit(version="2", strategy__watch={"duration": "10m"})
    world.until("Full").run(60)
    world.errors["2"] = 0.3
    world.tell("operator", "is away")
    for _ in range(600):
        world.time += 5
        world.serve()
    world.restart()
    return world.until("RolledBack").run(10)


TOLD: tuple[Callable[[], World], ...] = (
    a_node_is_drained,
    it_lost_its_pods_too_often,
    the_gateway_does_not_reach_it,
    the_gateway_never_reaches_it,
    the_watched_version_has_no_pods,
    the_operator_is_away_in_the_watch,
)
