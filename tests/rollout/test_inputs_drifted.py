"""Inputs that moved are told by a condition, and nothing else follows."""

from typing import Any

from model_rollouts.rollout import InputMoved
from tests.rollout.simulated_cluster import World

REFERENCE = {"configMap": "arrival-1", "digest": f"sha256:{'0a' * 32}"}
CAPTURE = {"sample": "10%", "include": {"inputs": ["*"]}}
MOVED = (
    InputMoved("hour", "31 % in 4-7, was 6 %"),
    *(InputMoved(name, "5 % missing, was 0 %") for name in ("miles", "carrier", "dest")),
)


def serving(**spec: Any) -> World:
    """Version 1 serves, and some of its inputs moved."""
    world = World()
    world.inputs_moved = MOVED
    world.edit(version="1", capture=CAPTURE, strategy__watch={"duration": "10s"}, **spec)
    return world.until("Full").run(20)


def told(world: World) -> str | None:
    found = (
        each["message"]
        for each in world.status["conditions"]
        if each["type"] == "InputsDrifted" and each["status"] == "True"
    )
    return next(found, None)


def test_the_first_three_are_named_from_what_to_what_and_it_ends_with_them() -> None:
    world = serving(model__reference=REFERENCE)

    assert told(world) == (
        "hour: 31 % in 4-7, was 6 %; miles: 5 % missing, was 0 %; carrier: 5 % missing, was 0 %; "
        "and 1 more. So are 1,680 requests from 2026-11-20 to 2026-11-26, beside "
        "spec.model.reference. Correct what sends or prepares these inputs; if they are right, "
        "train a version on such data and name its reference."
    )
    assert (world.status["phase"], world.status["action"]) == ("Full", "None")

    world.inputs_moved = ()
    world.run(3_600)
    assert told(world) is None


def test_a_version_is_promoted_all_the_same() -> None:
    world = serving(model__reference=REFERENCE)
    before = world.inputs_asked

    world.edit(version="2", model__reference={**REFERENCE, "digest": f"sha256:{'0b' * 32}"})
    world.until("Full").run(20)

    assert world.status["stable"]["version"] == "2"
    assert told(world) is not None
    # Of another reference, and once an hour.
    assert world.inputs_asked - before <= 2


def test_without_a_reference_nothing_is_asked() -> None:
    world = serving()

    assert world.inputs_asked == 0
    assert told(world) is None
