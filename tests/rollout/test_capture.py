"""`spec.capture` in a rollout: who has to be rendered anew, and what stable does not tell."""

from typing import Any

from tests.rollout.simulated_cluster import World


def serving(**spec: Any) -> World:
    """Version 1 serves."""
    world = World()
    world.edit(version="1", strategy__watch={"duration": "10s"}, **spec)
    return world.until("Full").run(20)


def told(world: World) -> str | None:
    found = (
        each["message"]
        for each in world.status["conditions"]
        if each["type"] == "StableNotCaptured" and each["status"] == "True"
    )
    return next(found, None)


def test_a_stable_version_that_tells_nothing_is_told_until_another_one_is_promoted() -> None:
    world = serving()
    assert told(world) is None

    world.edit(version="2", capture={"sample": "10%"})
    world.until("Canary").run(5)

    message = told(world)
    assert message is not None
    assert "version 1, which serves, sends no records" in message
    assert told(world.until("Full").run(20)) is None


def test_a_stable_version_that_sends_no_bodies_cannot_be_compared() -> None:
    world = serving(capture={})

    world.edit(version="2", capture={"sample": "10%"})
    world.until("Canary").run(5)

    assert "version 1, which serves, sends no bodies" in (told(world) or "")


def test_what_only_the_observer_reads_makes_no_other_revision() -> None:
    world = serving(capture={"sample": "10%"})
    before = world.status["stable"]["revision"]

    more = {"include": {"outputs": ["species"]}, "retention": "24h"}
    world.edit(capture={"sample": "10.0%", **more})
    world.run(60)
    assert (world.status["phase"], world.status["stable"]["revision"]) == ("Full", before)

    world.edit(capture={"sample": "20%", **more})
    candidate = world.until("Canary").status["candidate"]
    assert (candidate["version"], candidate["revision"] != before) == ("1", True)
