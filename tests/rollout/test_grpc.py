"""Answers of gRPC, of which nobody counts whether they failed: nothing is promoted on them."""

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


@pytest.mark.parametrize("which", ["1", "2"], ids=["stable", "candidate"])
def test_a_candidate_is_held_at_its_first_step_and_says_why(which: str) -> None:
    world = first(grpc=[which])
    world.edit(version="2", strategy__deadline="20m")

    world.until("Canary").run(600)

    assert world.status["phase"] == "Canary"
    assert world.weights["v2"] < 500_000
    assert condition(world, "Reconciling") == ("True", "GrpcNotJudged")
    assert world.status["action"] == "Look"
    assert "gRPC answers are not judged" in world.status["message"]
    assert world.until("Undecided").weights.keys() == {"v1"}


def test_an_interval_without_them_and_a_restart_change_nothing() -> None:
    world = first(grpc=["2"])
    world.edit(version="2")
    world.until("Canary").run(60)

    world.grpc = []
    world.restart()
    world.run(900)

    assert world.status["phase"] == "Canary"
    assert condition(world, "Reconciling") == ("True", "GrpcNotJudged")


def test_a_version_that_fails_otherwise_is_still_rolled_back() -> None:
    world = first(grpc=["1", "2"], errors={"2": 0.5})
    world.edit(version="2")

    assert world.until("RolledBack").run(10).weights.keys() == {"v1"}


def test_one_that_was_checked_by_hand_gets_all_users_and_its_watch_ends() -> None:
    world = first(grpc=["1", "2"])
    world.edit(version="2", strategy__watch={"duration": "10m"})
    world.until("Canary").run(60)

    world.edit(strategy__override={"version": "2", "action": "Promote", "reason": "checked"})
    world.until("Full").run(120)

    assert condition(world, "Watching") == ("True", "GrpcNotJudged")
    assert condition(world, "Ready") == ("True", "Serving")
    world.run(900)
    assert condition(world, "Watching") is None
    assert {version for version, pods in world.pods().items() if pods} == {"v2"}


def test_the_first_version_and_one_without_a_judgement_are_not_held() -> None:
    world = first(grpc=["1", "2"])

    world.edit(version="2", strategy__mode="Immediate")

    assert world.until("Full").weights.keys() == {"v2"}


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

    assert world.until("Full").run(10).status["stable"]["renderedBy"] == "builder 3, in a mesh"
