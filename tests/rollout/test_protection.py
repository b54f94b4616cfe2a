"""Users are taken off a bad version whatever else fails: each trouble in each state."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from model_rollouts.rollout.actions import (
    Action,
    Apply,
    Create,
    Delete,
    Emit,
    Scale,
    WriteRoute,
    WriteStatus,
)
from model_rollouts.rollout.observed import Failure, Gateway
from tests.rollout.simulated_cluster import World

ALL_BAD = {"2": 1.0}
CONTROL = 75
"""Bad answers that users get of a version that fails every request, when nothing else does: those
of three looks."""

CONTROL_OF_ALL = 500
"""The same when it has all users: so many fail in one look that no client repeats them."""

Trouble = Callable[[World], None]


def version_2_in(phase: str) -> World:
    """A world in which version 2 is about to fail, in canary or in the watch after it."""
    world = World()
    world.edit(version="1", strategy__watch={"duration": "10s"})
    world.until("Full").run(60)
    if phase == "Full":
        world.edit(version="2", strategy__watch={"duration": "6h"})
        world.until("Full").run(60)
    return world


def fails(world: World, phase: str) -> None:
    """Version 2 begins to fail, and gets its first users if it has none yet."""
    world.errors = dict(ALL_BAD)
    if phase == "Canary":
        world.edit(version="2")
    world.run(600)


def refusing(*kinds: type[Action]) -> Trouble:
    """The API server does none of these actions, for ever."""

    def trouble(world: World) -> None:
        world.refuses = lambda action: isinstance(action, kinds)

    return trouble


WRITES = {
    "status": refusing(WriteStatus),
    "events": refusing(Emit),
    "all but the route": refusing(Apply, Create, Delete, Scale, WriteStatus, Emit),
}


@pytest.mark.parametrize("phase", ["Canary", "Full"])
@pytest.mark.parametrize("trouble", WRITES.values(), ids=WRITES)
def test_every_write_but_the_route_may_fail_for_ever(trouble: Trouble, phase: str) -> None:
    world = version_2_in(phase)
    if phase == "Canary":
        world.edit(version="2")
        world.until("Canary")
        world.errors = dict(ALL_BAD)
        trouble(world)
        world.run(600)
    else:
        trouble(world)
        fails(world, phase)

    assert world.weights == {"v1": 1}
    assert 0 < world.bad_answers["2"] <= (CONTROL if phase == "Canary" else CONTROL_OF_ALL)


def test_a_canary_whose_pods_cannot_be_scaled_is_judged() -> None:
    world = version_2_in("Canary")
    refusing(Scale)(world)

    fails(world, "Canary")

    assert world.weights == {"v1": 1}
    assert 0 < world.bad_answers["2"] <= CONTROL


def invalid_template(world: World) -> None:
    """The next version takes a name that is reserved."""
    world.edit(version="3", template__spec__volumes=[{"name": "rollout-x", "emptyDir": {}}])


def host_network(world: World) -> None:
    """The next version asks for what it may not have."""
    world.edit(version="3", template__spec__hostNetwork=True)


def refused_dry_run(world: World) -> None:
    """The API server refuses the next version."""
    world.refusal = "spec.template.spec.containers[0].image: Required value"
    world.edit(version="3")


def unanswered_checks(world: World) -> None:
    """Nobody answers what has to be known of the next version."""
    world.silent = True
    world.edit(version="3")


def older_than_a_rule(world: World) -> None:
    """The spec is refused by this release."""
    world.edit(objectives=[{"name": "a"}])


def unreadable_revision(world: World) -> None:
    """A revision that nobody needs cannot be read."""
    world.objects["ControllerRevision", "arrival-old"] = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": "arrival-old", "namespace": "flights", "resourceVersion": "1"},
        "revision": 0,
        "data": {"input": {"version": "0"}},
    }


def lost_revision(world: World) -> None:
    """The stored form of the version that fails is gone."""
    del world.objects["ControllerRevision", world.revision_of("2")]


TROUBLES: dict[str, Trouble] = {
    each.__name__: each
    for each in (
        invalid_template,
        host_network,
        refused_dry_run,
        unanswered_checks,
        older_than_a_rule,
        unreadable_revision,
        lost_revision,
    )
}


def users_of(world: World, revision: str) -> bool:
    """Whether the route gives users to a revision."""
    assert world.route is not None
    rules: Any = world.route["spec"]["rules"]
    return any(each["name"] == revision for each in rules[0]["backendRefs"])


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("phase", ["Canary", "Full"])
@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_trouble_with_another_version_delays_no_rollback(
    trouble: Trouble, phase: str, *, restarts: bool
) -> None:
    world = version_2_in(phase)
    if phase == "Canary":
        world.edit(version="2", strategy__canary__minStepDuration="10m")
        world.until("Canary").run(20)
    revision = world.revision_of("2")
    assert users_of(world, revision)
    trouble(world)
    world.run(10)
    if restarts:
        world.restart()
    assert users_of(world, revision), "a refused edit changes nothing for users"
    world.errors = dict(ALL_BAD)
    begun = world.time
    while users_of(world, revision) and world.time < begun + 300:
        world.run(5)

    assert not users_of(world, revision)
    assert world.time - begun <= 20


def test_a_check_that_is_not_answered_is_told_with_its_answer_and_what_to_do() -> None:
    world = version_2_in("Canary")
    unanswered_checks(world)
    world.run(20)
    question = "try Deployment shop/arrival in a dry run"
    world.unanswered = (Failure(question, "no answer: timed out", writes=False),)
    world.run(15)

    (reconciling,) = (e for e in world.status["conditions"] if e["type"] == "Reconciling")
    assert reconciling["reason"] == "Checking"
    assert f"yet: {question}: no answer: timed out. The operator" in reconciling["message"]
    assert "look at the webhook or policy" in reconciling["message"]


def test_a_rollback_that_is_refused_is_told_and_tried_until_it_is_done() -> None:
    world = version_2_in("Canary")
    world.edit(version="2")
    world.until("Canary")
    world.errors = dict(ALL_BAD)
    refusing(WriteRoute)(world)
    world.run(60)

    (reconciling,) = (e for e in world.status["conditions"] if e["type"] == "Reconciling")
    assert reconciling["reason"] == "WriteRefused"
    assert world.status["action"] == "Now"

    world.refuses = None
    world.run(5)
    assert world.weights == {"v1": 1}


def adds_a_timeout(obj: dict[str, Any]) -> None:
    """A webhook that gives each route what it thinks is right."""
    if obj["kind"] == "HTTPRoute":
        obj["spec"]["rules"][0]["timeouts"] = {"request": "15s"}


def stamps(world: World) -> Callable[[dict[str, Any]], None]:
    """A webhook that writes something else each time."""

    def stamp(obj: dict[str, Any]) -> None:
        if obj["kind"] == "HTTPRoute":
            obj["spec"]["rules"][0]["timeouts"] = {"request": f"{world.version}s"}

    return stamp


@pytest.mark.parametrize("stamping", [False, True])
def test_a_route_that_a_webhook_changes_is_used_as_it_is(*, stamping: bool) -> None:
    world = version_2_in("Canary")
    world.webhook = stamps(world) if stamping else adds_a_timeout
    world.edit(version="2", strategy__canary__minStepDuration="10m")
    world.until("Canary").run(60)

    assert world.status["action"] == "Look"
    assert "Something changes the HTTPRoute" in world.status["message"]
    before = world.writes.count("HTTPRoute")
    world.run(120)
    assert world.writes.count("HTTPRoute") == before

    world.errors = dict(ALL_BAD)
    world.run(30)
    assert world.weights == {"v1": 1}
    assert world.bad_answers["2"] <= CONTROL

    world.run(120)
    after = world.writes.count("HTTPRoute")
    world.run(600)
    assert world.writes.count("HTTPRoute") == after


def test_a_route_that_is_changed_at_each_write_is_not_fought_for_ever() -> None:
    """Another controller annotates it for ever, and a webhook changes it each time."""
    world = version_2_in("Canary")
    world.webhook = stamps(world)
    world.edit(version="2", strategy__canary__minStepDuration="10m")
    world.until("Canary").run(60)
    before = world.writes.count("HTTPRoute")
    for _ in range(20):
        assert world.route is not None
        world.webhook(world.route)
        world.changed(world.route)
        world.run(10)

    assert world.writes.count("HTTPRoute") - before <= 3


def test_a_rollout_goes_on_with_a_route_that_a_webhook_changes() -> None:
    world = version_2_in("Canary")
    world.webhook = adds_a_timeout
    world.edit(version="2")
    world.until("Full", most=600).run(60)

    assert world.weights == {"v2": 1}
    assert {each["type"]: each["status"] for each in world.status["conditions"]}["Ready"] == "True"


def test_what_somebody_changes_once_is_changed_back_each_time() -> None:
    world = version_2_in("Canary")
    for _ in range(3):
        assert world.route is not None
        world.route["spec"]["rules"][0]["timeouts"] = {"request": "1s"}
        world.changed(world.route)
        world.run(10)

        assert world.route is not None
        assert "timeouts" not in world.route["spec"]["rules"][0]


def test_a_webhook_never_keeps_users_on_a_version_that_was_rolled_back() -> None:
    world = version_2_in("Canary")
    world.edit(version="2")
    world.until("Canary")
    two = world.revision_of("2")

    def keeps(obj: dict[str, Any]) -> None:
        if obj["kind"] == "HTTPRoute":
            refs = obj["spec"]["rules"][0]["backendRefs"]
            refs[1] = {**refs[1], "name": two, "weight": 90}

    world.webhook = keeps
    world.errors = dict(ALL_BAD)
    with pytest.raises(AssertionError, match="never at rest"):
        world.run(60)
    world.webhook = None
    world.run(5)

    assert world.weights == {"v1": 1}


CONFLICT = Gateway(conflicts=("others/theirs",))


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("phase", ["Canary", "Full"])
def test_a_route_that_is_refused_changes_nothing_and_stays_told(
    phase: str, *, restarts: bool
) -> None:
    world = version_2_in(phase)
    if phase == "Canary":
        world.edit(version="2", strategy__canary__minStepDuration="30m")
        world.until("Canary").run(20)
    assert world.route is not None
    before = copy.deepcopy(world.route["spec"])
    world.gateway = CONFLICT
    world.edit(route__hostnames=["departure.example.com"])
    for _ in range(3):
        world.run(60)
        if restarts:
            world.restart()
        assert world.route is not None
        assert world.route["spec"] == before
        (stalled,) = (each for each in world.status["conditions"] if each["type"] == "Stalled")
        assert stalled["reason"] == "RouteConflict"

    # What somebody does to the rest of the route meanwhile is undone.
    world.route["spec"]["hostnames"] = before["hostnames"]
    refs = world.route["spec"]["rules"][0]["backendRefs"]
    refs[1] = {**refs[1], "name": world.revision_of("2" if phase == "Canary" else "1")}
    refs[1]["weight"] = 10 if phase == "Full" else 99
    world.changed(world.route)
    if phase == "Canary":
        world.run(10)
        assert world.route["spec"] == before

        world.errors = dict(ALL_BAD)
        world.run(30)
        assert world.weights == {"v1": 1}
        assert world.route is not None
        assert world.route["spec"]["hostnames"] == before["hostnames"]

    world.gateway = Gateway()
    world.run(60)
    assert world.route is not None
    assert world.route["spec"]["hostnames"] == ["departure.example.com"]
