"""Which answers of a candidate differ most: named in the status, beside the objective."""

from typing import Any

import pytest

from tests.rollout.shadow_stories import compared
from tests.rollout.simulated_cluster import World

IDS = tuple(f"170000000000{number}.arrival-1111111111.request-{number}" for number in range(3))
MORE = (*IDS[1:], "1700000000009.arrival-1111111111.request-9")


def answers(world: World) -> Any:
    """What the status says of the objective."""
    return next(each for each in world.status["objectives"] if each["name"] == "answers")


def differing(**world: Any) -> World:
    """Version 2 is judged, and one in five of its answers differs."""
    made = compared(differing={"2": 0.2}, **world)
    made.worst = {"answers": IDS}
    made.edit(version="2")
    return made


def test_a_version_that_was_rolled_back_says_which_answers_to_look_at() -> None:
    world = differing().until("RolledBack").run(30)

    found = answers(world)
    assert (found["verdict"], tuple(found["worstPredictions"])) == ("Fail", IDS)
    assert found["message"].endswith(f" Furthest apart: {', '.join(IDS)}.")
    assert world.cases_asked[-1].is_last


def test_they_stay_when_observer_and_operator_have_forgotten_them() -> None:
    world = differing().until("RolledBack").run(30)
    world.worst = {}
    world.restart()
    world.edit(replicas=3)
    world.run(600)

    assert tuple(answers(world)["worstPredictions"]) == IDS


def test_what_is_told_last_takes_the_place_of_what_was_before() -> None:
    world = differing()
    while not world.cases_asked:
        world.run(5)
    assert tuple(answers(world)["worstPredictions"]) == IDS
    world.worst = {"answers": MORE}
    world.until("RolledBack").run(30)

    found = answers(world)
    assert tuple(found["worstPredictions"]) == MORE
    assert found["message"].count("Furthest apart") == 1


@pytest.mark.parametrize("worst", [None, {}], ids=["away", "knows none"])
def test_an_observer_that_tells_none_changes_nothing_else(worst: Any) -> None:
    told, silent = differing(), differing()
    silent.worst = worst
    for world in (told, silent):
        world.until("RolledBack").run(30)

    found = answers(silent)
    assert "worstPredictions" not in found
    assert "Furthest" not in found["message"]
    moves = [[line for line in world.log if " status " not in line] for world in (told, silent)]
    assert moves[0] == moves[1]


def test_it_is_asked_each_time_that_twice_as_many_differ_and_not_before_one_does() -> None:
    world = compared(differing={"2": 0.004})
    world.edit(version="2")
    world.until("Full")
    asked = [each.looked for each in world.cases_asked]
    assert asked == sorted(set(asked))
    assert len(asked) < 8

    alike = compared()
    alike.edit(version="2")
    alike.until("Full")
    assert alike.cases_asked == []


def test_another_version_is_not_told_of_with_the_ids_of_the_one_before() -> None:
    world = differing().until("RolledBack").run(30)
    world.worst = None
    world.differing["3"] = 0.2
    world.edit(version="3")
    world.until("RolledBack").run(30)

    assert "worstPredictions" not in answers(world)
