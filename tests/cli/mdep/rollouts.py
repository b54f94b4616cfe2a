"""Rollouts as the operator tells them: its own plans, carried out in the simulated cluster."""

import copy
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from tests.rollout.simulated_cluster import NOON, World
from tests.rollout.test_stories import first

Object = dict[str, Any]

NAMESPACE, NAME = "flights", "arrival"


@lru_cache
def _told() -> dict[str, tuple[Object, float]]:
    """Each as it is shown, with its time in Unix seconds."""
    world = first(rate=5.0, errors={"1": 0.002, "2": 0.002, "3": 0.05})
    found = {}

    def tell(name: str) -> None:
        found[name] = (copy.deepcopy(_finished(world)), float(NOON + world.time))

    world.edit(version="2")
    world.run(10)
    tell("starting")
    world.until("Canary").run(200)
    tell("canary")
    world.until("Full").run(5)
    tell("promoted")
    world.edit(version="3")
    world.until("RolledBack").run(10)
    tell("rolled back")
    world.edit(paused=True)
    world.run(10)
    tell("paused")
    return found


def _finished(world: World) -> Object:
    """The object with what the API server adds."""
    obj: Object = world.obj
    created = datetime.fromtimestamp(NOON, UTC).isoformat().replace("+00:00", "Z")
    obj["metadata"] |= {"creationTimestamp": created, "resourceVersion": "7"}
    return obj


def told(name: str) -> Object:
    """A rollout: starting, canary, promoted, rolled back or paused."""
    return copy.deepcopy(_told()[name][0])


def when(name: str) -> float:
    """When that was, in Unix seconds."""
    return _told()[name][1]
