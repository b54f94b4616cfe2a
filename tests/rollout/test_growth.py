"""More pods are asked for: users get answers from those that they had, until the new ones start."""

from typing import Any

import pytest

from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.pods import Trouble
from tests.rollout.simulated_cluster import Ailment, World

LONG = {"duration": "6h"}


def serving(pods: int, stage: str, **world: Any) -> World:
    """Version 1 has so many pods, and version 2 is at a stage beside it."""
    made = World(start_seconds={"1": 30, "2": 5}, **world)
    made.edit(version="1", replicas=pods, strategy__watch=LONG)
    made.until("Full").run(60)
    if stage == "Watch":
        return made
    made.edit(version="1", strategy__watch={"duration": "10s"})
    made.run(90)
    if stage != "Settled":
        made.edit(version="2")
        made.until(stage).run(5)
    return made


def deployment(world: World) -> dict[str, Any]:
    """That of version 1."""
    return world.objects["Deployment", world.revision_of("1")]


def told(world: World) -> tuple[str, str, str]:
    """Whether it is Available, why it is not Ready, and what is to be done."""
    found = {each["type"]: each for each in world.status["conditions"]}
    return found["Available"]["status"], found["Ready"]["reason"], world.status["action"]


@pytest.mark.parametrize(("before", "after"), [(1, 2), (4, 6), (8, 12), (4, 40)])
@pytest.mark.parametrize("stage", ["Watch", "Settled", "Starting", "Canary"])
def test_pods_that_are_added_take_nothing_from_users(before: int, after: int, stage: str) -> None:
    world = serving(before, stage)

    world.edit(replicas=after)
    for _ in range(20):
        world.run(5)
        available, _, action = told(world)
        assert available == "True", world.status
        assert action != "Now"

    assert "StableUnavailable" not in "".join(world.log)
    assert deployment(world)["status"]["availableReplicas"] == after


def test_that_it_grows_is_told_and_holds_a_canary() -> None:
    world = serving(4, "Canary")

    world.edit(replicas=6)
    world.run(10)

    assert told(world) == ("True", "ScalingUp", "Wait")
    assert "Version 1 has 4 of 6 pods ready." in world.status["message"]
    world.run(60)
    assert told(world)[1] != "ScalingUp"


def test_pods_that_cannot_start_are_to_be_looked_at() -> None:
    world = serving(4, "Settled")
    world.ailing["1"] = Ailment(Trouble.UNSCHEDULABLE, "0/3 nodes are available")
    world.start_seconds = {"1": 10_000}

    world.edit(replicas=6)
    world.run(60)

    assert told(world) == ("True", "PodsNotStarting", "Look")
    assert "0/3 nodes are available" in world.status["message"]


def test_pods_that_are_lost_are_missed_also_while_it_grows() -> None:
    world = serving(4, "Settled")
    world.edit(replicas=6)
    world.run(10)

    deployment(world)["status"]["availableReplicas"] = 2
    world.run(5)

    assert told(world)[0] == "False"
    assert told(world)[2] == "Now"


def test_an_operator_that_begins_meanwhile_knows_that_it_grows() -> None:
    world = serving(4, "Settled")
    world.edit(replicas=6)
    world.run(10)

    world.memory = Memory()
    world.run(10)

    assert told(world)[0] == "True"


def test_users_of_what_wakes_get_answers_from_its_first_pod() -> None:
    world = serving(2, "Settled")
    world.edit(replicas=0)
    world.run(120)
    world.edit(replicas=4)
    world.run(10)
    asleep = told(world)[0]
    deployment(world)["status"]["availableReplicas"] = 1
    world.run(5)

    assert asleep == "False"
    assert told(world)[0] == "True"
