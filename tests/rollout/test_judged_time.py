"""Deadlines count judged time, and nothing is decided on what is known to be old."""

from collections.abc import Callable

import pytest

from tests.rollout.simulated_cluster import World
from tests.rollout.suspension_stories import first

Trouble = Callable[[World], None]
AWAY_S = 600
DEADLINE_S = 360


def operator_away(world: World) -> None:
    """Nobody looks for a while; users and samples go on."""
    for _ in range(AWAY_S // 5):
        world.time += 5
        world.serve()
        world._controllers()
    world.restart()


def operator_restarts(world: World) -> None:
    """It ends and begins again, and was hardly away."""
    world.restart()


def prometheus_away(world: World) -> None:
    """It answers nothing."""
    world.prometheus_up = False
    world.run(AWAY_S)
    world.prometheus_up = True


def held(world: World) -> None:
    """A person holds it."""
    asked = {"version": "2", "action": "Hold", "reason": "INC-1"}
    world.edit(strategy__override=asked)
    world.run(AWAY_S)
    world.edit(strategy__override=None)


def paused(world: World) -> None:
    """A person pauses it."""
    world.edit(paused=True)
    world.run(AWAY_S)
    world.edit(paused=False)


def unscraped(world: World) -> None:
    """Its PodMonitor is deleted."""
    world.unscraped.add("2")
    world.run(AWAY_S)
    world.unscraped.clear()


def slow_gateway(world: World) -> None:
    """The gateway does not take the route."""
    assert world.route is not None
    world.gateway_accepts, world.route["status"] = False, {}
    world.run(AWAY_S)
    world.gateway_accepts = True


TROUBLES: dict[str, Trouble] = {
    each.__name__: each
    for each in (operator_away, prometheus_away, held, paused, unscraped, slow_gateway)
}


def undecided_after(trouble: Trouble) -> float:
    """Seconds from the first users to the deadline."""
    world = first(rate=0.2)
    world.edit(version="2", strategy__deadline="6m", strategy__onDeadline="Rollback")
    world.until("Canary")
    begun = world.time
    world.run(120)
    trouble(world)
    world.until("RolledBack")
    return world.time - begun


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_a_deadline_does_not_count_what_nobody_judged(trouble: Trouble) -> None:
    # Of the operator's own time as much may be lost as since the status that was written last.
    late = undecided_after(trouble) - DEADLINE_S
    assert AWAY_S - 15 <= late <= AWAY_S + (120 if trouble is operator_away else 15)


def test_a_restart_keeps_what_was_counted() -> None:
    assert undecided_after(operator_restarts) <= DEADLINE_S + 120


def test_a_watch_waits_for_whom_it_watches() -> None:
    world = first()
    world.edit(version="2", strategy__watch={"duration": "6m"})
    world.until("Full").run(200)
    prometheus_away(world)
    world.run(60)
    assert "Watching" in {each["type"] for each in world.status["conditions"]}

    world.run(200)

    assert "Watching" not in {each["type"] for each in world.status["conditions"]}


def test_nothing_is_promoted_at_a_deadline_on_old_evidence() -> None:
    world = first()
    world.edit(
        version="2",
        strategy__deadline="10m",
        strategy__canary={"steps": ["50%"], "minStepDuration": "9m30s"},
    )
    world.until("Canary").run(560)
    world.errors["2"] = 0.3
    operator_away(world)
    world.run(60)

    assert world.status["phase"] == "RolledBack"
    assert world.weights == {"v1": 1}


def test_nothing_is_promoted_at_a_deadline_while_the_gateway_splits_otherwise() -> None:
    world = first()
    world.edit(
        version="2",
        strategy__deadline="10m",
        strategy__onDeadline="PromoteWithBound",
        strategy__canary={"steps": ["10%"], "minStepDuration": "9m30s"},
    )
    world.until("Canary").splits = {"1": 1, "2": 1}
    world.until("Undecided")

    assert "SplitNotObserved" in "".join(world.log)
    assert world.weights == {"v1": 1}
    assert "split requests otherwise than the route says" in world.status["history"][0]["message"]


def test_it_says_that_it_is_catching_up_when_that_lasts() -> None:
    world = first()
    world.edit(version="2", strategy__watch={"duration": "6h"})
    world.until("Full").run(60)
    world.measures = None
    for _ in range(12):
        world.time += 5
        world.serve()
        world._controllers()
        world.look()
        world.measures = None

    watching = next(each for each in world.status["conditions"] if each["type"] == "Watching")
    assert watching["reason"] == "CatchingUp"
    assert "old" in watching["message"]
    world.look()
    world.run(30)
    watching = next(each for each in world.status["conditions"] if each["type"] == "Watching")
    assert watching["reason"] == "Watching"


@pytest.mark.parametrize("is_first", [False, True])
def test_a_version_that_becomes_ready_late_serves(is_first: bool) -> None:
    slow = {"1" if is_first else "2": 300.0}
    world = World() if is_first else first()
    world.start_seconds = slow
    version = "1" if is_first else "2"
    world.edit(version=version, strategy__progressDeadline="2m")
    world.until("Starting").run(200)
    assert "Stalled" in {each["type"] for each in world.status["conditions"]}

    world.until("Full")

    assert set(world.weights) == {"v1" if is_first else "v2"}


def test_a_model_that_loads_for_15_minutes_is_not_told_as_stalled() -> None:
    world = first(rate=1.0, start_seconds={"2": 900.0})
    world.edit(version="2")
    world.until("Canary")

    assert not any("Stalled" in line for line in world.log)


def hold_in_starting(world: World) -> None:
    """It is held before it has users."""
    world.run(5)
    held(world)


def unscraped_in_starting(world: World) -> None:
    """Its PodMonitor comes late."""
    unscraped(world)


@pytest.mark.parametrize(
    "trouble", [operator_away, prometheus_away, hold_in_starting, unscraped_in_starting]
)
def test_a_version_with_ready_pods_is_never_stalled(trouble: Trouble) -> None:
    world = first()
    world.edit(version="2", strategy__progressDeadline="2m")
    world.until("Starting")

    trouble(world)

    world.until("Full")
    assert not any("Stalled" in line for line in world.log)
