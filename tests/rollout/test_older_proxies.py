"""What the proxies of an earlier release do not count, and whether a version is in a mesh."""

from typing import Any

import pytest

from model_rollouts.resources import controller_revision
from tests.rollout.simulated_cluster import World


def first(**changes: Any) -> World:
    """A world in which version 1 serves all users."""
    world = World(**changes)
    world.edit(version="1")
    return world.until("Full").run(10)


def condition(world: World, type: str) -> tuple[str, str] | None:
    """Status and reason of a condition, None when there is none."""
    found = (each for each in world.status["conditions"] if each["type"] == type)
    return next(((each["status"], each["reason"]) for each in found), None)


def test_pods_of_an_older_release_are_judged_as_before_and_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their proxy counts no answers of gRPC: an upgrade must not hold every rollout for that."""
    monkeypatch.setattr(controller_revision, "BUILDER_VERSION", 2)
    world = first()
    world.edit(version="2")
    world.until("Canary").run(60)
    monkeypatch.undo()

    world.restart()
    world.run(10)

    assert condition(world, "ProxyOutdated") == ("True", "OlderBuilder")
    assert world.status["candidate"]["renderedBy"] == "builder 2"
    world.until("Full")
    # Its watch is judged by the same counts.
    assert condition(world.run(10), "ProxyOutdated") == ("True", "OlderBuilder")
    world.edit(version="3")
    assert condition(world.until("Canary").run(10), "ProxyOutdated") is None


def test_a_version_in_a_mesh_says_so() -> None:
    world = World()
    labels = {"sidecar.istio.io/inject": "true"}
    world.edit(version="1", template__metadata={"labels": labels})

    assert (
        world.until("Full").run(10).status["stable"]["renderedBy"]
        == f"builder {controller_revision.BUILDER_VERSION}, in a mesh"
    )
