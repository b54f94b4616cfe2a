"""`spec.fallback.type: PreviousRevision`: which revision stands in for which, and its one pod."""

from collections.abc import Callable
from typing import Any

import pytest

from model_rollouts.rollout.objects import workloads
from tests.rollout.simulated_cluster import SETTINGS, World
from tests.rollout.test_fallback import condition

BEFORE = {"type": "PreviousRevision", "after": "2s"}


def serving(*versions: str, **spec: Any) -> World:
    """A world in which these versions served one after the other, each of them watched for 10 s."""
    world = World()
    world.reaches = dict.fromkeys(("1", "2", "3", "4"), True)
    for version in versions:
        world.edit(version=version, fallback=BEFORE, strategy__watch={"duration": "10s"}, **spec)
        world.until("Full").run(60)
    return world


def stands_in(world: World, version: str) -> str | None:
    """The version that the Service of the fallback of a version selects, None without one."""
    service = world.objects.get(("Service", f"{world.revision_of(version)}-backup"))
    if service is None:
        return None
    return world.version_of(service["spec"]["selector"]["modelrollouts.dev/revision"])


def test_the_version_before_keeps_one_pod_after_the_watch() -> None:
    world = serving("1", "2")

    assert world.pods() == {"v1": 1, "v2": 2}
    assert stands_in(world, "2") == "v1"
    assert condition(world, "FallbackAbsent") == {}
    # Nothing of it moves again.
    before = len(world.writes)
    world.run(600)
    assert {*world.writes[before:]} <= {"Status"}


def test_the_next_version_falls_back_to_the_one_that_serves_and_that_to_the_one_before() -> None:
    world = serving("1", "2")
    before = world.objects["Service", f"{world.revision_of('2')}-backup"]["metadata"]

    world.edit(version="3")
    world.until("Canary")

    assert (stands_in(world, "3"), stands_in(world, "2")) == ("v2", "v1")
    assert world.pods()["v1"] == 1

    world.until("Full").run(60)
    assert (stands_in(world, "3"), stands_in(world, "2")) == ("v2", "v1")
    assert world.pods() == {"v1": 0, "v2": 1, "v3": 2}
    # The Service was right all the time: no proxy asks a name that moves.
    after = world.objects["Service", f"{world.revision_of('2')}-backup"]["metadata"]
    assert after["resourceVersion"] == before["resourceVersion"]


def test_the_version_before_that_comes_back_in_a_rollback_of_the_watch() -> None:
    world = serving("1", "2", strategy__canary={"steps": ["50%"], "minStepDuration": "30s"})
    world.edit(version="3", strategy__watch={"duration": "10m"})
    world.until("Full").run(30)
    assert world.pods() == {"v1": 0, "v2": 2, "v3": 2}

    world.errors["3"] = 0.5
    world.until("RolledBack").run(60)

    assert world.pods() == {"v1": 1, "v2": 2, "v3": 0}
    assert (stands_in(world, "2"), stands_in(world, "3")) == ("v1", "v2")


def test_a_rollback_of_a_canary_changes_nothing_of_what_stands_in_for_stable() -> None:
    world = serving("1", "2")
    world.errors["3"] = 0.5
    world.edit(version="3")

    world.until("RolledBack").run(60)

    assert world.pods() == {"v1": 1, "v2": 2, "v3": 0}
    assert stands_in(world, "2") == "v1"


def test_versions_that_serve_in_turns_stand_in_for_each_other() -> None:
    world = serving("1", "2", "3", "2")

    assert world.pods() == {"v1": 0, "v2": 2, "v3": 1}
    assert stands_in(world, "2") == "v3"


def test_nobody_stands_in_for_the_first_version_and_that_is_told() -> None:
    world = serving("1")

    assert world.status["phase"] == "Full"
    told = condition(world, "FallbackAbsent")
    assert told["reason"] == "NoneBefore"
    assert "no version served before version 1" in told["message"]
    assert world.status["action"] == "None"
    assert stands_in(world, "1") is None

    world.edit(version="2")
    world.until("Full").run(60)
    assert condition(world, "FallbackAbsent") == {}


def test_a_version_gets_no_users_before_the_one_that_serves_can_stand_in_for_it() -> None:
    world = serving("1")
    world.reaches["2"] = False
    world.edit(version="2")

    world.run(300)

    assert world.weights == {"v1": 1}
    held = condition(world, "Reconciling")
    assert held["reason"] == "FallbackNotAnswering"
    assert held["message"].startswith("Version 1, the fallback of version 2, takes no connections")
    world.reaches["2"] = True
    assert world.until("Full").weights == {"v2": 1}


def test_a_kept_pod_that_is_not_ready_is_told() -> None:
    world = serving("1", "2")
    deployment = world.objects["Deployment", world.revision_of("1")]

    world.broken.add("1")
    deployment["status"]["availableReplicas"] = 0
    world.run(60)

    told = condition(world, "FallbackAbsent")
    assert told["reason"] == "StandbyNotReady"
    assert "version 1 stands in for version 2 and has no ready pod" in told["message"]
    assert world.status["action"] == "Look"
    assert condition(world, "Ready") and world.weights == {"v2": 1}


def test_it_needs_room_and_the_version_on_its_way_comes_first() -> None:
    world = serving("1", "2", strategy__maxExtraReplicas=1)
    assert world.pods() == {"v1": 1, "v2": 2}

    world.edit(version="3")
    world.until("Canary")

    assert world.pods()["v1"] == 0
    told = condition(world, "FallbackAbsent")
    assert "has no pod: strategy.maxExtraReplicas leaves none" in told["message"]
    assert world.until("Full").run(60).pods() == {"v1": 0, "v2": 1, "v3": 2}


@pytest.mark.parametrize(
    "lost",
    [
        lambda world: world.restart(),
        lambda world: world.obj["status"].pop("history"),
        lambda world: world.objects.pop(("Service", f"{world.revision_of('2')}-backup")),
        lambda world: world.objects.pop(("HTTPRoute", "arrival")),
        lambda world: (world.obj.pop("status"), world.objects.pop(("HTTPRoute", "arrival"))),
    ],
)
def test_who_stands_in_survives_the_loss_of_any_one_who_knows_it(
    lost: Callable[[World], Any],
) -> None:
    world = serving("1", "2")

    lost(world)
    world.restart()
    world.run(120)

    assert world.weights == {"v2": 1}
    assert (world.pods(), stands_in(world, "2")) == ({"v1": 1, "v2": 2}, "v1")


def test_a_service_that_somebody_points_at_the_version_itself_is_repaired() -> None:
    world = serving("1", "2")
    itself = world.revision_of("2")
    service = world.objects["Service", f"{itself}-backup"]

    service["spec"]["selector"] = {"modelrollouts.dev/revision": itself}
    world.changed(service)
    world.run(30)

    assert stands_in(world, "2") == "v1"


def test_a_version_without_such_a_fallback_keeps_no_pod_of_another() -> None:
    world = serving("1", "2")

    world.edit(version="3", fallback=None)
    world.until("Full").run(60)

    assert world.pods() == {"v1": 0, "v2": 0, "v3": 2}
    assert stands_in(world, "3") is None


def test_a_version_that_stands_in_is_not_cleared_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workloads, "KEPT", 0)
    world = serving("1", "2", "3")

    world.run(60)

    assert {key[1] for key in world.objects if key[0] == "ControllerRevision"} == {
        world.revision_of("2"),
        world.revision_of("3"),
    }
    assert world.pods() == {"v2": 1, "v3": 2}


def test_no_pod_is_kept_while_none_is_asked_for() -> None:
    world = serving("1", "2")

    world.edit(replicas=0)
    world.run(300)

    assert world.pods() == {"v1": 0, "v2": 0}
    assert condition(world, "FallbackAbsent") == {}


@pytest.mark.parametrize(("before", "port"), [(None, 17080), (BEFORE, 17082)])
def test_second_chances_are_not_counted_of_who_answers_where_its_proxy_can_tell(
    before: dict[str, Any] | None, port: int
) -> None:
    world = World(settings=SETTINGS)
    world.reaches = {"2": True}
    world.edit(version="1", fallback=before, strategy__watch={"duration": "10s"})
    world.until("Full").run(60)
    world.edit(version="2", fallback=BEFORE)
    world.until("Full").run(60)

    service = world.objects["Service", f"{world.revision_of('2')}-backup"]
    assert [each["targetPort"] for each in service["spec"]["ports"]] == [port]
