"""Stories of versions that are judged on copies of requests before they get users."""

from typing import Any

from tests.rollout.world import World

SHADOW: dict[str, Any] = {"sideEffects": "None", "minDuration": "1m"}


def first(**world: object) -> World:
    """A world in which version 1 has served all users for a while, its watch over."""
    made = World(**world)  # type: ignore[arg-type]
    made.edit(version="1", strategy__watch={"duration": "10s"}, strategy__shadow=SHADOW)
    made.until("Full").run(300)
    made.log.clear()
    made.writes.clear()
    return made


def shadow_then_canary() -> World:
    """A good version goes all the way, and a bad one ends before a user saw it."""
    world = first(errors={"1": 0.002, "2": 0.002, "3": 0.05})
    world.edit(version="2")
    world.until("Full").run(15)
    world.edit(version="3")
    world.until("RolledBack").run(15)
    assert world.answers.get("3", 0) == 0
    assert world.copies["3"] > 0
    return world


def stable_suffers() -> World:
    """Copies of all requests are too many: one stage back, judged there, promoted."""
    world = first(errors={"1": 0.002, "2": 0.002}, suffers={100: 0.03})
    world.edit(version="2")
    return world.until("Full")
