"""Stable is asked again where answers are held against its own agreement: the second mirror."""

from typing import Any

from tests.rollout.shadow_stories import COMPARES, SHADOW, compared
from tests.rollout.simulated_cluster import World

ERRORS, ANSWERS = COMPARES
ITSELF = {**ANSWERS, "disagreement": {**ANSWERS["disagreement"], "against": "Self"}}


def shadowed(against: str, **world: Any) -> World:
    """Version 2 gets copies of all requests, for a long time."""
    made = compared(against=against, sample=1.0, **world)
    made.edit(version="2", strategy__shadow={**SHADOW, "minDuration": "1h"})
    while made.mirror < 100:
        made.run(5)
    return made


def asked_twice(world: World) -> list[int]:
    """The shares that stable was asked again, in the order of the writes."""
    told = (line for line in world.log if "operator Mirror" in line or "operator Ease" in line)
    return [
        int(line.rpartition("stable of ")[2].split(" ")[0]) if "stable of" in line else 0
        for line in told
    ]


def test_a_tenth_of_the_copies_goes_to_stable_again_stage_by_stage() -> None:
    assert asked_twice(shadowed("Self")) == [0, 1, 10]
    assert asked_twice(shadowed("Stable")) == [0, 0, 0]


def test_it_begins_and_ends_with_the_objective() -> None:
    world = shadowed("Stable")
    world.edit(objectives=[ERRORS, ITSELF])
    world.run(120)
    assert (world.mirror, world.itself, world.status["phase"]) == (100, 10, "Shadow")

    world.edit(objectives=[ERRORS, ANSWERS])
    world.run(120)
    assert (world.mirror, world.itself, world.status["phase"]) == (100, 0, "Shadow")
    assert not [line for line in world.log if "RouteRepaired" in line]


def test_it_ends_with_the_shadow_and_comes_back_with_what_somebody_took_away() -> None:
    world = shadowed("Self")
    assert world.route is not None
    world.route["spec"]["rules"][0]["filters"].pop()
    world.tell("stranger", "takes stable's second mirror away")
    world.run(10)
    assert (world.mirror, world.itself) == (100, 10)

    world.route["metadata"]["annotations"] = {}
    world.tell("stranger", "removes the record")
    world.run(60)
    assert (world.mirror, world.itself) == (100, 10)

    world.edit(strategy__shadow={**SHADOW, "minDuration": "1s"})
    world.until("Canary").run(5)
    assert (world.mirror, world.itself) == (0, 0)


def test_stable_that_suffers_is_asked_less() -> None:
    world = compared(against="Self", sample=1.0, rate=200.0, suffers={100: 0.3})
    world.edit(version="2", strategy__shadow={**SHADOW, "minDuration": "1h"})
    while "ShadowHurtsStable" not in str(world.status):
        world.run(5)

    assert (world.mirror, world.itself) == (10, 1)


def test_another_operator_goes_on_with_both_mirrors() -> None:
    world = shadowed("Self")
    before = world.itself
    world.restart()
    world.run(60)

    assert (world.mirror, world.itself) == (100, before)
    assert not [line for line in world.log if "RouteRepaired" in line]
