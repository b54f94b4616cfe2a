"""What a rollout costs the API server: every write until a version has all users."""

from collections import Counter
from typing import Any

import pytest

from tests.rollout.simulated_cluster import World

STEPS = ["5%", "25%", "50%"]
"""Those of a spec that names none."""


@pytest.mark.parametrize(
    ("shadow", "most"),
    [
        ({"percent": 0}, 18),
        ({"percent": 100, "sideEffects": "None", "minDuration": "5m", "minRequests": 1000}, 24),
    ],
    ids=["without shadow", "with shadow"],
)
def test_a_promotion_takes_few_writes(shadow: dict[str, Any], most: int) -> None:
    world = World()
    world.edit(version="1", strategy__watch={"duration": "10s"})
    world.until("Full").run(60)
    before = len(world.writes)

    canary = {"steps": STEPS, "minStepDuration": "1m"}
    world.edit(version="2", strategy__shadow=shadow, strategy__canary=canary)
    world.until("Full")

    written = Counter(world.writes[before:])
    assert written["HTTPRoute"] >= len(STEPS) + 1
    assert written.total() <= most, written
