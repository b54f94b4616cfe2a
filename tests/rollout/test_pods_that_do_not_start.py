"""A version whose pods do not start: its status says why, and nothing waits for what is known."""

from typing import Any

import pytest

from model_rollouts.api.conditions import ConditionType, find_condition
from model_rollouts.rollout.pods import Ended, Trouble
from model_rollouts.rollout.status.message import LONGEST_SENTENCE
from tests.rollout.simulated_cluster import Ailment, World

AILMENTS = {
    "image": (
        Ailment(Trouble.IMAGE, "registry.example.com/m:2: not found"),
        "image cannot be pulled: registry.example.com/m:2: not found",
    ),
    "unschedulable": (
        Ailment(Trouble.UNSCHEDULABLE, "0/3 nodes are available: 3 Insufficient nvidia.com/gpu"),
        "cannot be scheduled: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu",
    ),
    "crash loop": (
        Ailment(Trouble.CRASH_LOOP, ended=Ended(1, "Error", "ValueError: no weights")),
        "model ends with exit code 1: ValueError: no weights",
    ),
    "out of memory": (
        Ailment(Trouble.CRASH_LOOP, ended=Ended(137, "OOMKilled")),
        "model runs out of memory (exit code 137)",
    ),
    "probe": (
        Ailment(Trouble.NOT_READY, "Readiness probe failed: HTTP 503"),
        "readiness probe failed: HTTP 503",
    ),
    "missing Secret": (
        Ailment(Trouble.CONFIG, 'secret "weights" not found'),
        'cannot be set up: secret "weights" not found',
    ),
}


def starting(ailment: Ailment | None, **world: Any) -> World:
    """Version 1 serves, and version 2 was applied a minute ago."""
    found = World(**world)
    found.edit(version="1")
    found.until("Full")
    found.broken.add("2")
    if ailment is not None:
        found.ailing["2"] = ailment
    found.edit(version="2", strategy__progressDeadline="5m")
    return found.until("Starting").run(120)


@pytest.mark.parametrize(("ailment", "words"), AILMENTS.values(), ids=AILMENTS)
def test_the_status_says_why_in_one_sentence(ailment: Ailment, words: str) -> None:
    world = starting(ailment)

    message = world.status["message"]
    assert words[:50] in message
    assert message.endswith("; version 1 serves all users.")
    assert message.startswith("Starting version 2: 0 of ")
    assert len(message) <= LONGEST_SENTENCE
    stuck = ailment.trouble is not Trouble.NOT_READY
    reconciling = find_condition(world.deployment.status.conditions, ConditionType.RECONCILING)
    assert reconciling is not None
    assert reconciling.reason == ("PodsNotStarting" if stuck else "Starting")
    assert words in reconciling.message
    assert world.status["action"] == ("Look" if stuck else "Wait")


@pytest.mark.parametrize(("ailment", "words"), AILMENTS.values(), ids=AILMENTS)
def test_so_does_the_condition_once_the_deadline_has_come(ailment: Ailment, words: str) -> None:
    world = starting(ailment).run(300)

    stalled = find_condition(world.deployment.status.conditions, ConditionType.STALLED)
    assert stalled is not None
    assert words in stalled.message
    assert words[:30] in world.status["message"]


def test_nothing_is_said_of_pods_that_may_not_be_read() -> None:
    world = starting(AILMENTS["image"][0], knows_pods=False)

    assert world.status["message"].startswith("Starting version 2: 0 of ")
    assert "image" not in world.status["message"]


def refused_more_than(world: World, most: int) -> None:
    """A quota refuses more pods of a Deployment than that."""
    said = 'pods "x-1" is forbidden: exceeded quota: gpus, requested: pods=1, used: pods=4'
    failure = {"type": "ReplicaFailure", "status": "True", "message": said}
    for (kind, name), obj in world.objects.items():
        if kind == "Deployment" and world.version_of(name) == "v2":
            obj["status"] = {**obj["status"], "availableReplicas": most, "conditions": [failure]}


def test_a_quota_that_is_hit_in_the_middle_of_a_canary_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.edit(version="1", replicas=10)
    world.until("Full")
    world.edit(version="2")
    world.until("Canary")
    start = world._start_pods

    def bounded(name: str, obj: dict[str, Any]) -> None:
        start(name, obj)
        refused_more_than(world, 1)

    monkeypatch.setattr(world, "_start_pods", bounded)
    world.run(300)

    reconciling = find_condition(world.deployment.status.conditions, ConditionType.RECONCILING)
    assert reconciling is not None
    assert reconciling.reason == "CapacityPending"
    assert "pods cannot be created: exceeded quota: gpus" in reconciling.message
    assert "pods are ready" not in world.status["message"]
    assert "pods ready: pods cannot be created: exceeded quota" in world.status["message"]
    assert world.weights["v2"] > 0


def test_that_no_request_came_is_not_said_of_a_version_that_nobody_could_ask() -> None:
    world = World(rate=0.0)
    world.edit(version="1")
    world.until("Full")
    world.broken.add("1")
    world.ailing["1"] = AILMENTS["crash loop"][0]
    world.run(600)

    watching = find_condition(world.deployment.status.conditions, ConditionType.WATCHING)
    assert watching is not None
    assert "no request" not in watching.message.lower()
