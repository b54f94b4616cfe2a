"""What the status tells of how long requests took: by version, beside stable, and never decided by.

Prometheus is asked beside the passes, and no status is written for a number alone.
"""

from math import inf
from typing import Any

import pytest

from model_rollouts.metrics.spreads import Within, bracket_of
from model_rollouts.rollout.status.latency_words import words
from tests.rollout.simulated_cluster import World

FAST: Within = ((0.02, 600.0), (0.03, 960.0), (0.18, 980.0), (0.2, 1_000.0), (inf, 1_000.0))
SLOW: Within = ((0.02, 0.0), (0.03, 10.0), (0.18, 50.0), (0.2, 95.0), (inf, 110.0))


def in_canary(world: World, **spec: Any) -> World:
    """Version 1 serves, and version 2 has its first users."""
    world.edit(
        strategy__shadow={"percent": 0},
        strategy__canary={"steps": ["10%", "50%"], "minStepDuration": "1m"},
        **spec,
    )
    world.until("Full")
    world.edit(model__version="2")
    return world.until("Canary")


@pytest.mark.parametrize(
    ("within", "share", "bracket", "told"),
    [
        (FAST, 0.50, (0.0, 0.02), "at most 20 ms"),
        (FAST, 0.95, (0.02, 0.03), "between 20 and 30 ms"),
        (FAST, 0.99, (0.18, 0.2), "between 180 and 200 ms"),
        # What took longer than all edges took nobody knows how long.
        (SLOW, 0.99, (0.2, inf), "above 200 ms"),
        (((inf, 5.0),), 0.5, (0.0, inf), "not known"),
        (((0.9, 0.0), (1.5, 7.0), (inf, 7.0)), 0.5, (0.9, 1.5), "between 900 ms and 1.5 s"),
        # Exactly 99 of 100 are within the edge.
        (((0.1, 99.0), (0.2, 100.0), (inf, 100.0)), 0.99, (0.0, 0.1), "at most 100 ms"),
        (((0.1, 98.0), (0.2, 100.0), (inf, 100.0)), 0.99, (0.1, 0.2), "between 100 and 200 ms"),
    ],
)
def test_a_share_of_requests_lies_between_two_edges(
    within: Within, share: float, bracket: tuple[float, float], told: str
) -> None:
    assert bracket_of(within, share) == bracket
    assert words(within, share) == told


def test_versions_are_told_beside_each_other_while_both_have_users() -> None:
    world = in_canary(World(took={"1": FAST, "2": SLOW}), runtime="KServe")

    world.run(150)

    rows = world.status["latency"]
    assert [(each["of"], each["version"], each["traffic"]) for each in rows] == [
        (what, version, "users")
        for what in ("request", "Preprocess", "Predict", "Postprocess")
        for version in ("2", "1")
    ]
    assert rows[0] == {
        "of": "request",
        "version": "2",
        "traffic": "users",
        "requests": 110,
        "p50": "between 180 and 200 ms",
        "p95": "above 200 ms",
        "p99": "above 200 ms",
    }
    assert rows[1]["p99"] == "between 180 and 200 ms"


def test_the_candidate_is_told_of_mirrored_requests_in_shadow() -> None:
    world = World(took={"1": FAST, "2": ((0.1, 12.0), (inf, 12.0))})
    world.until("Full")
    world.edit(model__version="2", strategy__shadow={"sideEffects": "None"})
    world.until("Shadow").run(100)

    candidate, stable = world.status["latency"]
    # Of twelve requests the slowest is no p95 yet.
    assert candidate == {
        "of": "request",
        "version": "2",
        "traffic": "mirrored",
        "requests": 12,
        "p50": "at most 100 ms",
    }
    assert (stable["version"], stable["traffic"]) == ("1", "users")


def test_it_stays_as_it_was_after_the_rollout_until_another_one_begins() -> None:
    world = in_canary(World(took={"1": FAST, "2": SLOW}))
    world.until("Full")
    ended = world.status["latency"]

    world.run(3_600)
    assert ended
    assert world.status["latency"] == ended

    world.edit(model__version="3")
    world.until("Canary")
    assert all(each["version"] != "1" for each in world.status.get("latency", ()))


def test_it_is_asked_ever_more_seldom_and_known_again_after_a_restart() -> None:
    world = in_canary(World(took={"1": FAST, "2": FAST}))
    world.run(200)
    before, asked = world.status["latency"], len(world.latencies_asked)

    counted = max(each.seen_total for each in world.memory.trial.state.evidence)  # type: ignore[union-attr]
    assert asked <= counted.__trunc__().bit_length()
    assert [each.looked for each in world.latencies_asked] == sorted(
        {each.looked for each in world.latencies_asked}
    )

    world.took = {}
    world.restart()
    world.run(200)
    assert world.status["latency"] == before


def test_nobody_is_rolled_back_or_promoted_by_it_and_no_status_is_written_for_it() -> None:
    told, silent = (
        in_canary(World(took=took)).until("Full") for took in ({"1": FAST, "2": SLOW}, {})
    )

    assert told.time == silent.time
    assert told.writes == silent.writes


def test_times_that_change_all_the_time_cost_no_more_writes_than_a_rollout_may() -> None:
    world = World()
    world.edit(version="1", strategy__watch={"duration": "10s"})
    world.until("Full").run(60)
    before = len(world.writes)

    canary = {"steps": ["5%", "25%", "50%"], "minStepDuration": "1m"}
    world.edit(version="2", strategy__shadow={"percent": 0}, strategy__canary=canary)
    for turn in range(360):
        world.took = {"1": FAST, "2": (FAST, SLOW)[turn % 2]}
        world.run(5)
        if world.status["phase"] == "Full" and world.weights == {"v2": 1}:
            break

    assert world.status["latency"]
    assert len(world.writes) - before <= 18
