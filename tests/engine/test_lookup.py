"""A label or an annotation that vanished is a read before it is believed."""

import copy
from typing import Any

import pytest

from model_rollouts.cluster.kinds import HTTP_ROUTE, Kind
from model_rollouts.engine.store import Key
from model_rollouts.resources.names import MANAGED_BY_LABEL, RECORD_ANNOTATION, labels
from model_rollouts.rollout.actions import Scale, WriteRoute
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.observed import Children, Observed
from model_rollouts.rollout.plan import Plan
from model_rollouts.routes import record
from tests.engine import planners
from tests.engine.memory_cluster import error
from tests.engine.passes import KEY, Passes
from tests.engine.test_failed_writes import write_route

NAME = "arrival-0123456789"
OBJECTS = [("HTTPRoute", "arrival"), ("Deployment", NAME), ("ControllerRevision", NAME)]


def serving() -> Passes:
    """A world whose status says that the one revision serves, with a planner that only looks."""
    world = Passes().model().run(1)
    told = {"phase": "Full", "stable": {"revision": NAME}}
    world.told(
        world.cluster.put({**world.cluster.objects["ModelDeployment", "arrival"], "status": told})
    )
    world.planner = lambda observed, memory, now: Plan((), memory)
    world.run(1)
    world.cluster.requests.clear()
    world.seen.clear()
    return world


def stripped(world: Passes, place: tuple[str, str]) -> dict[str, Any]:
    """Somebody takes our label from an object: the watch tells that it is gone, of that version."""
    obj = copy.deepcopy(world.cluster.objects[place])
    del obj["metadata"]["labels"][MANAGED_BY_LABEL]
    world.cluster.put(obj)
    world.lost(obj)
    return world.cluster.objects[place]


def found(children: Children, place: tuple[str, str]) -> Any:
    """A child as a plan sees it."""
    kind, name = place
    if kind == "HTTPRoute":
        return children.route
    if kind == "Deployment":
        return children.deployments.get(name)
    return next((each for each in children.revisions if each["metadata"]["name"] == name), None)


def test_while_nothing_vanishes_nothing_is_read() -> None:
    world = serving()
    world.queue.add(KEY)
    world.run(1)

    assert world.cluster.requests == []


@pytest.mark.parametrize("place", OBJECTS, ids=lambda place: place[0])
def test_an_object_that_lost_our_label_is_a_child_all_the_same(place: tuple[str, str]) -> None:
    world = serving()
    obj = stripped(world, place)
    world.run()

    assert world.cluster.requests == [f"get {place[0]} {place[1]}"]
    assert found(world.seen[-1].children, place) == obj


def test_a_route_that_is_replaced_by_what_a_repository_holds_is_a_child_all_the_same() -> None:
    """It has no label, no owner and no record, and is taken back as the version that was read."""
    world = serving()
    route = copy.deepcopy(world.cluster.objects["HTTPRoute", "arrival"])
    route["spec"]["rules"] = [{"backendRefs": [{"name": NAME}]}]
    for key in ("labels", "annotations", "ownerReferences"):
        route["metadata"].pop(key, None)
    world.cluster.put(route)
    world.lost(route)
    world.run(1)

    children = world.seen[-1].children
    assert children.route is not None
    assert children.route["spec"] == route["spec"]
    assert not children.strangers


@pytest.mark.parametrize("place", OBJECTS, ids=lambda place: place[0])
def test_nothing_tells_of_what_has_no_label_so_that_it_is_read_before_each_plan(
    place: tuple[str, str],
) -> None:
    world = serving()
    stripped(world, place)
    world.run()
    changed = world.cluster.put({**world.cluster.objects[place], "note": "changed"})
    world.queue.add(KEY)
    world.run()
    assert found(world.seen[-1].children, place) == changed

    del world.cluster.objects[place]
    world.queue.add(KEY)
    world.run()
    assert found(world.seen[-1].children, place) is None


@pytest.mark.parametrize("place", OBJECTS, ids=lambda place: place[0])
def test_an_object_that_is_gone_is_believed_to_be_gone_once_it_was_looked_for(
    place: tuple[str, str],
) -> None:
    world = serving()
    world.lost(world.cluster.objects.pop(place))
    world.run()

    assert world.cluster.requests == [f"get {place[0]} {place[1]}"]
    assert found(world.seen[-1].children, place) is None


@pytest.mark.parametrize("place", OBJECTS, ids=lambda place: place[0])
def test_what_cannot_be_read_is_taken_for_what_it_was_and_told_and_tried_again_soon(
    place: tuple[str, str],
) -> None:
    world = serving()
    before = copy.deepcopy(world.cluster.objects[place])
    world.lost(world.cluster.objects.pop(place))
    world.cluster.faults[f"get {place[0]}"] = error(500)
    world.run(60)

    known = [found(each.children, place) for each in world.seen]
    assert known == [before] * len(known)
    failure = world.seen[-1].failures[0]
    assert (failure.what, failure.lasts) == (f"read {place[0]} shop/{place[1]}", True)
    assert len(world.cluster.requests) >= 60 / 5
    (event,) = (each for each in world.events if each.reason == "WriteRefused")
    assert event.note.startswith(f"Cannot read {place[0]} shop/{place[1]}: HTTP 500: ")

    world.cluster.faults.clear()
    world.run(5)
    assert found(world.seen[-1].children, place) is None
    assert world.session().failures.told() == ()


def test_the_rest_of_a_pass_is_done_meanwhile() -> None:
    world = serving()
    world.lost(world.cluster.objects["Deployment", NAME])
    world.cluster.faults["get Deployment"] = error(500)

    def protecting(observed: Observed, memory: Memory, now: float) -> Plan:
        return Plan((write_route(observed, protects=True), Scale(NAME, 1)), memory)

    world.planner = protecting
    world.run(1)

    route = world.cluster.objects["HTTPRoute", "arrival"]
    assert route["spec"]["rules"][0]["backendRefs"][0]["weight"] == 5
    assert world.cluster.objects["Deployment", NAME]["spec"]["replicas"] == 1


def test_after_a_restart_nothing_is_planned_before_it_is_known_who_serves() -> None:
    """Nobody knows what the route was, and it cannot be read: a plan would be made of a guess."""
    world = serving()
    obj = world.cluster.objects["HTTPRoute", "arrival"]
    world.lost(obj)
    world.store.sweep(HTTP_ROUTE, None, [], "9999")
    world.cluster.faults["get HTTPRoute"] = error(500, "etcd is away")
    world.run(20)

    assert world.seen == []
    (event,) = world.events[1:]
    assert (event.severity, event.reason) == ("Warning", "WriteRefused")
    assert event.note.startswith("Cannot read HTTPRoute shop/arrival: HTTP 500: etcd is away.")

    world.cluster.faults.clear()
    world.run(5)
    assert world.seen[-1].children.route == obj


def test_a_route_without_a_readable_record_is_read_before_it_is_believed() -> None:
    world = serving()
    real = world.cluster.objects["HTTPRoute", "arrival"]
    bare = copy.deepcopy(real)
    del bare["metadata"]["annotations"][RECORD_ANNOTATION]
    bare["metadata"]["resourceVersion"] = "150"
    real["metadata"]["resourceVersion"] = "160"
    world.store.put(HTTP_ROUTE, bare)
    world.queue.add(KEY)
    world.run()

    assert world.cluster.requests == ["get HTTPRoute arrival"]
    assert record.read(world.seen[-1].children.route or {}) is not None


def test_what_the_record_names_is_looked_for_too() -> None:
    world = serving()
    route = world.cluster.objects["HTTPRoute", "arrival"]
    roles = record.decode("it", route["metadata"]["annotations"][RECORD_ANNOTATION])
    content = {name: getattr(roles, name) for name in roles.__dataclass_fields__}
    text = record.encode(record.RouteRecord(**{**content, "previous": "arrival-0000000001"}))
    route["metadata"]["annotations"][RECORD_ANNOTATION] = text
    world.told(world.cluster.put(route))
    world.queue.add(KEY)
    world.run()

    assert set(world.cluster.requests) == {
        "get ControllerRevision arrival-0000000001",
        "get Deployment arrival-0000000001",
    }


def test_a_first_version_is_looked_for_nowhere_until_its_route_is_made() -> None:
    world = Passes().model().run()

    read = [each for each in world.cluster.requests if each.startswith("get")]
    assert len(read) == 1
    assert "ModelDeployment" in read[0]


def test_the_next_write_brings_the_label_back() -> None:
    """What is written is what the plan sees: an object without its label, which a repair mends."""
    world = serving()
    stripped(world, ("HTTPRoute", "arrival"))

    def repairing(observed: Observed, memory: Memory, now: float) -> Plan:
        route = observed.children.route
        assert route is not None
        lacks = MANAGED_BY_LABEL not in route["metadata"]["labels"]
        return Plan((write_route(observed),) if lacks else (), memory)

    world.planner = repairing
    world.run(1)

    kept = world.cluster.objects["HTTPRoute", "arrival"]["metadata"]["labels"]
    assert kept.items() >= labels("arrival").items()
    assert world.store.unwatched(KEY) == []
    assert isinstance(write_route(world.seen[-1]), WriteRoute)


def test_news_that_come_while_it_is_read_win() -> None:
    world = serving()
    place = ("HTTPRoute", "arrival")
    world.lost(world.cluster.objects[place])
    newer = planners.route(world.cluster.objects["ModelDeployment", "arrival"], 9)

    async def meanwhile(verb: str, kind: Kind, name: str) -> None:
        world.cluster.hook = None
        made = world.cluster.put(newer)
        world.told(made)
        # The answer is as old as the question.
        world.cluster.objects.pop(place)

    world.cluster.hook = meanwhile
    world.run()

    assert world.store.has(HTTP_ROUTE, *Key("shop", "arrival"))
