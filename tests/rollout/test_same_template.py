"""A template that is written in another way is the same revision where it is stored the same."""

import copy
from typing import Any

import pytest

from model_rollouts.resources.canonical import canonical_template
from tests.rollout.simulated_cluster import World

Template = dict[str, Any]


def stores(template: Template) -> Template:
    """An API server with a default that the operator does not know."""
    form = copy.deepcopy(canonical_template(template))
    if form["spec"].get("hostUsers") is True:
        del form["spec"]["hostUsers"]
    return form


def rewritten(world: World, **fields: Any) -> Template:
    """The template of version 2 with more fields of the pod."""
    image = {"name": "model", "image": "registry.example.com/m:2"}
    return {"spec": {"containers": [image], **fields}}


def at(phase: str) -> World:
    """Version 1 serves, and version 2 is in that phase."""
    world = World()
    world.stores = stores
    world.edit(version="1", strategy__watch={"duration": "10s"})
    world.until("Full").run(20)
    world.edit(version="2", strategy__watch={"duration": "6h"})
    return world.until(phase).run(20)


@pytest.mark.parametrize("phase", ["Canary", "Full"])
@pytest.mark.parametrize("restarts", [False, True])
def test_what_would_be_stored_the_same_is_the_same_revision(phase: str, restarts: bool) -> None:
    world = at(phase)
    revision, weights, stored = world.revision_of("2"), world.weights, len(world.stored)

    world.edit(template=rewritten(world, hostUsers=True))
    if restarts:
        world.restart()
    # What is about to pass after a start, such as the first samples, is told only if it does not.
    world.run(15 if restarts else 5)

    assert world.status["phase"] == phase
    assert (world.revision_of("2"), world.weights) == (revision, weights)
    assert len(world.stored) == stored
    assert world.status["observedGeneration"] == world.obj["metadata"]["generation"]
    assert world.until("Full").weights == {"v2": 1}


def test_what_was_counted_stays() -> None:
    world = at("Canary")
    before = world.memory.trial
    assert before is not None

    world.edit(template=rewritten(world, hostUsers=True))
    world.run(5)

    after = world.memory.trial
    assert after is not None
    assert (after.revision, after.started_ms) == (before.revision, before.started_ms)


def test_what_would_be_stored_otherwise_is_judged() -> None:
    world = at("Full")
    revision = world.revision_of("2")

    world.edit(template=rewritten(world, hostUsers=False))
    world.until("Canary")

    assert world.status["stable"]["revision"] == revision
    assert world.status["candidate"]["revision"] != revision
    assert world.status["candidate"]["version"] == "2"


def test_it_is_told_of_no_generation_before_it_is_known() -> None:
    """`kubectl wait` would take Ready of the version before for that of a new one."""
    world = at("Full")
    world.silent = True

    world.edit(template=rewritten(world, hostUsers=False))
    world.run(4)

    assert world.status["observedGeneration"] < world.obj["metadata"]["generation"]

    world.run(10)

    assert world.status["phase"] == "Admission"
    assert "not answered" in world.status["message"]


def test_one_that_serves_no_more_is_found_too() -> None:
    world = at("Full")
    world.edit(version="3", strategy__watch={"duration": "10s"})
    world.until("Full").run(30)
    known = world.status["history"][1]["revision"]

    world.edit(version="2", template=rewritten(world, hostUsers=True))
    world.until("Full").run(20)

    # It served all users before, and is not judged again.
    assert world.status["stable"]["revision"] == known
    assert world.status["history"][0]["revision"] == known
