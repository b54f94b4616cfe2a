"""`strategy.restart`: pods of the same revision are replaced, for a changed Secret or ConfigMap."""

from typing import Any

import pytest

from model_rollouts.resources import names, restart
from tests.rollout.simulated_cluster import World


def serving(**world: Any) -> World:
    """Version 1 serves with four pods, its watch over."""
    made = World(**world)
    made.edit(version="1", replicas=4, strategy__watch={"duration": "10s"})
    return made.until("Full").run(30)


def deployment(world: World, version: str) -> dict[str, Any]:
    return world.objects["Deployment", world.revision_of(version)]


def condition(world: World, type: str) -> dict[str, Any] | None:
    return next((each for each in world.status["conditions"] if each["type"] == type), None)


def reason(world: World) -> str | None:
    told = condition(world, "Restarting")
    return None if told is None else str(told["reason"])


def test_pods_are_replaced_and_nothing_else_changes() -> None:
    world = serving()
    before, stored, writes = world.route, len(world.stored), list(world.writes)
    history = world.status["history"]

    world.edit(strategy__restart="a")
    world.run(5)

    assert restart.token(deployment(world, "1")) == "a"
    assert reason(world) == "ReplacingPods"
    for _ in range(8):
        # Those that are not replaced yet serve as before.
        ready, available = condition(world, "Ready"), condition(world, "Available")
        assert ready is not None and ready["status"] == "True"
        assert available is not None and available["status"] == "True"
        world.run(5)
    world.run(60)

    assert reason(world) is None
    assert before is not None and world.route is not None
    assert world.route["spec"] == before["spec"]
    assert len(world.stored) == stored
    assert world.status["history"] == history
    assert [each for each in world.writes if "HTTPRoute" in each] == [
        each for each in writes if "HTTPRoute" in each
    ]


@pytest.mark.parametrize("again", ["a", None], ids=["the same", "none"])
def test_only_another_token_replaces_pods(again: str | None) -> None:
    world = serving()
    world.edit(strategy__restart="a")
    world.run(60)
    before = deployment(world, "1")["metadata"]["generation"]

    world.edit(strategy__restart=again)
    world.restart()
    world.run(60)

    assert deployment(world, "1")["metadata"]["generation"] == before
    assert restart.token(deployment(world, "1")) == "a"


def test_a_new_version_starts_with_the_token_and_is_not_replaced() -> None:
    world = serving()

    world.edit(version="2", strategy__restart="a", strategy__watch={"duration": "10s"})
    world.until("Full").run(60)

    assert restart.token(deployment(world, "2")) == "a"
    assert restart.mark(deployment(world, "2")) is None


def test_it_waits_while_two_versions_are_compared() -> None:
    world = serving()
    world.edit(version="2", strategy__watch={"duration": "10m"})
    world.until("Canary").run(10)

    world.edit(strategy__restart="a")
    world.run(10)

    assert restart.token(deployment(world, "1")) is None
    assert restart.token(deployment(world, "2")) is None
    assert reason(world) == "RestartWaits"

    world.until("Full").run(20)

    # What serves first, and then what is kept warm.
    assert restart.token(deployment(world, "2")) == "a"
    assert restart.token(deployment(world, "1")) is None

    world.run(90)

    assert restart.token(deployment(world, "1")) == "a"
    assert reason(world) is None
    assert world.weights == {"v2": 1}


def test_it_stops_when_the_service_fails_and_another_token_is_the_remedy() -> None:
    world = serving(rate=100.0, start_seconds={"1": 0.0})

    world.edit(strategy__restart="a", replicas=40)
    world.run(30)
    world.errors["1"] = 0.9
    world.run(90)

    assert deployment(world, "1")["spec"]["paused"] is True
    replaced = deployment(world, "1")["status"]["updatedReplicas"]
    assert 0 < replaced < 40
    assert reason(world) == "RestartStopped"
    assert world.run(60) and deployment(world, "1")["status"]["updatedReplicas"] == replaced

    world.edit(strategy__restart="b")
    world.run(60)

    assert deployment(world, "1")["spec"]["paused"] is False
    assert deployment(world, "1")["status"]["updatedReplicas"] > 0
    assert reason(world) == "ReplacingPods"


def test_what_somebody_edits_is_repaired_and_keeps_the_token() -> None:
    world = serving()
    world.edit(strategy__restart="a")
    world.run(60)
    found = deployment(world, "1")
    assert restart.mark(found) is not None

    found["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example.com/other"
    found["metadata"]["resourceVersion"] = "edited"
    found["metadata"]["generation"] += 1
    world.run(5)

    found = deployment(world, "1")
    assert found["spec"]["template"]["spec"]["containers"][0]["image"].endswith("m:1")
    assert restart.token(found) == "a"
    # Pods that a repair replaces are not of this revision, and do not count as ready.
    assert restart.mark(found) is None


def test_without_a_pod_to_spare_each_ends_before_the_next_one_starts() -> None:
    world = serving()

    world.edit(strategy__restart="a", strategy__maxExtraReplicas=0)
    world.run(5)

    rolling = deployment(world, "1")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 0, "maxUnavailable": 1}


def test_the_token_is_no_part_of_a_revision() -> None:
    world = serving()
    world.edit(strategy__restart="a")
    world.run(60)

    assert names.RESTART_ANNOTATION not in str(world.stored)
