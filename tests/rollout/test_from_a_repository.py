"""What a repository writes: an attempt that `git revert` lowers, an override that names a version.

A repository knows versions, and neither hashes nor how often something was tried.
"""

from typing import Any

import pytest

from tests.rollout.simulated_cluster import World

BAD: dict[str, float] = {"2": 0.3}


def canary(**world: Any) -> World:
    """Version 1 serves, version 2 is in its canary at its second attempt."""
    made = World(**world)
    made.edit(version="1", strategy__watch={"duration": "10s"})
    made.until("Full").run(20)
    made.edit(version="2", strategy__attempt=2)
    return made.until("Canary").run(10)


def rolled_back() -> World:
    """Version 2 was rolled back at its second attempt."""
    return canary(errors=dict(BAD)).until("RolledBack").run(15)


def condition(world: World, type: str) -> dict[str, Any] | None:
    return next((each for each in world.status["conditions"] if each["type"] == type), None)


def test_a_lower_attempt_does_not_begin_a_canary_anew() -> None:
    world = canary()
    before, counted = world.route, world.memory.trial
    assert before is not None and counted is not None

    world.edit(strategy__attempt=1)
    world.run(5)

    after = world.memory.trial
    assert after is not None and world.route is not None
    assert (after.attempt, after.started_ms) == (2, counted.started_ms)
    assert world.route["spec"] == before["spec"]
    assert world.until("Full").status["history"][0]["attempt"] == 2


def test_a_lower_attempt_does_not_try_again_and_survives_a_restart() -> None:
    world = rolled_back()

    world.edit(strategy__attempt=1)
    world.run(30)
    world.restart()
    world.run(30)

    assert world.status["phase"] == "RolledBack"
    assert world.weights == {"v1": 1}
    assert "raise strategy.attempt above 2" in world.status["message"]


@pytest.mark.parametrize(("attempt", "phase"), [(2, "RolledBack"), (3, "Full")])
def test_only_a_number_above_the_one_that_was_tried_tries_again(attempt: int, phase: str) -> None:
    world = rolled_back()
    world.edit(strategy__attempt=1)
    world.run(15)
    world.errors.clear()

    world.edit(strategy__attempt=attempt)

    assert world.until(phase).run(60).status["phase"] == phase


def test_another_version_begins_with_the_attempt_that_is_written() -> None:
    world = rolled_back()

    world.edit(version="3", strategy__attempt=1)
    world.until("Canary")

    assert world.memory.trial is not None
    assert world.memory.trial.attempt == 1


def of_the_same_version() -> World:
    """Version 2 serves and is watched, and pods of the same version with more memory are judged."""
    world = World()
    world.edit(version="1", strategy__watch={"duration": "10s"})
    world.until("Full").run(20)
    world.edit(version="2", strategy__watch={"duration": "6h"})
    world.until("Full").run(30)
    container = {
        "name": "model",
        "image": "registry.example.com/m:1",
        "resources": {"requests": {"memory": "2Gi"}},
    }
    world.edit(template={"spec": {"containers": [container]}})
    return world.until("Canary").run(10)


def test_of_two_revisions_with_the_version_the_candidate_is_meant() -> None:
    world = of_the_same_version()
    stable = world.status["stable"]["revision"]

    world.edit(strategy__override={"version": "2", "action": "Rollback", "reason": "INC-1"})
    world.until("RolledBack").run(60)

    # The one that serves has the same version, and is left alone by the same override.
    assert world.status["stable"]["revision"] == stable
    assert world.status["phase"] == "RolledBack"
    assert world.weights == {"v2": 1}


def test_without_a_candidate_what_serves_is_meant() -> None:
    world = World()
    world.edit(version="1", strategy__watch={"duration": "10s"})
    world.until("Full").run(20)
    world.edit(version="2", strategy__watch={"duration": "6h"})
    world.until("Full").run(30)

    world.edit(strategy__override={"version": "2", "action": "Rollback", "reason": "INC-1"})
    world.until("RolledBack").run(60)

    assert world.weights == {"v1": 1}


def test_a_version_that_no_revision_has_is_told_and_changes_nothing() -> None:
    world = canary()
    before = world.weights

    world.edit(strategy__override={"version": "v2", "action": "Rollback", "reason": "INC-1"})
    world.run(10)

    told = condition(world, "OverrideIgnored")
    assert told is not None
    assert (told["status"], told["reason"]) == ("True", "VersionUnknown")
    assert "no revision has version v2. Known versions are 2, 1." in told["message"]
    assert world.status["action"] == "Look"
    assert world.weights == before

    world.edit(strategy__override={"version": "2", "action": "Hold", "reason": "INC-1"})
    world.run(10)

    assert condition(world, "OverrideIgnored") is None


def test_an_override_may_come_with_its_version() -> None:
    world = World()
    world.edit(version="1", strategy__watch={"duration": "10s"})
    world.until("Full").run(20)
    promoted = {"version": "2", "action": "Promote", "reason": "INC-1"}

    world.edit(version="2", strategy__override=promoted)
    world.run(5)

    assert condition(world, "OverrideIgnored") is None
    assert world.until("Full").run(5).weights == {"v2": 1}
