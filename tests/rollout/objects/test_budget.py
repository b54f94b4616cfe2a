"""One PodDisruptionBudget over the pods: the operator's, or the one that somebody else has."""

from typing import Any

import pytest

from model_rollouts.rollout import OtherBudget
from tests.rollout.simulated_cluster import World

OURS = "PodDisruptionBudget", "arrival-pods"
ALL = OtherBudget("team-a", {})
BY_NAME = OtherBudget("team-b", {"matchLabels": {"modelrollouts.dev/model": "arrival"}})
ELSEWHERE = OtherBudget("team-c", {"matchLabels": {"modelrollouts.dev/model": "departure"}})
NOTHING = OtherBudget("team-d", None)


def serving(*budgets: OtherBudget) -> World:
    world = World(other_budgets=budgets)
    world.edit(version="1", replicas=2)
    return world.until("Full").run(60)


def omitted(world: World) -> Any:
    """The condition that says why the operator has none."""
    found = {each["type"]: each for each in world.status["conditions"]}
    return found.get("DisruptionBudgetOmitted")


@pytest.mark.parametrize("budgets", [(), (ELSEWHERE,), (NOTHING,), (ELSEWHERE, NOTHING)])
def test_what_selects_other_pods_changes_nothing(budgets: tuple[OtherBudget, ...]) -> None:
    world = serving(*budgets)

    assert OURS in world.objects
    assert omitted(world) is None


@pytest.mark.parametrize("budget", [ALL, BY_NAME])
def test_none_is_made_beside_one_of_somebody_else(budget: OtherBudget) -> None:
    world = serving(ELSEWHERE, budget)

    assert OURS not in world.objects
    assert "PodDisruptionBudget" not in world.writes
    assert omitted(world)["reason"] == "OtherBudget"
    assert f"PodDisruptionBudget {budget.name} decides" in omitted(world)["message"]
    assert world.status["action"] == "None"
    assert "Normal OtherBudget" in "".join(world.log)


def test_ours_makes_room_for_one_that_comes_and_is_back_when_it_goes() -> None:
    world = serving()
    world.other_budgets = (BY_NAME,)
    world.run(20)
    made_room = OURS not in world.objects
    told = omitted(world)
    world.other_budgets = ()
    world.run(20)

    assert made_room
    assert told is not None
    assert OURS in world.objects
    assert omitted(world) is None


def test_two_of_others_over_the_same_pods_are_to_be_looked_at() -> None:
    world = serving(ALL, BY_NAME)

    assert omitted(world)["reason"] == "BudgetsOverlap"
    assert (
        "PodDisruptionBudgets team-a and team-b select the same pods" in omitted(world)["message"]
    )
    assert world.status["action"] == "Look"


def test_while_others_are_not_known_none_is_made_and_what_there_is_stays() -> None:
    world = World(other_budgets=None)
    world.edit(version="1", replicas=2)
    world.until("Full").run(30)
    waits = OURS not in world.objects
    world.other_budgets = ()
    world.run(10)
    world.other_budgets = None
    world.run(30)

    assert waits
    assert OURS in world.objects
    assert omitted(world) is None
