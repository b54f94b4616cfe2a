"""What is known of the service: by whom it begins anew, at which pace it is counted."""

import pytest

from model_rollouts.rollout.memory import Service
from tests.rollout.simulated_cluster import NOON, SPEC, World

STRICTER = [{**SPEC["objectives"][0], "availability": {"target": "99.9%"}}]


def serving(**world: object) -> World:
    """Version 1 serves all users, its watch over."""
    made = World(rate=10.0, **world)  # type: ignore[arg-type]
    made.edit(version="1", strategy__watch={"duration": "0s"})
    return made.until("Full").run(300)


def known(world: World) -> Service:
    assert world.memory.service is not None
    return world.memory.service


def sparing(world: World) -> bool:
    """Whether what is counted is counted at the slow pace."""
    found: bool = world.measures.rollout.sparing
    return found


def test_nothing_is_known_before_anything_serves() -> None:
    world = World()
    world.edit(version="1")
    world.until("Starting")

    assert world.memory.service is None
    assert world.measures is None


def test_what_serves_alone_is_counted_by_the_minute_and_all_else_by_the_scrape() -> None:
    world = serving(errors={"2": 0.3})
    paces = [sparing(world)]
    world.edit(version="2", strategy__watch={"duration": "1h"})
    world.until("Starting")
    paces.append(sparing(world))
    world.until("Canary").run(5)
    paces.append(sparing(world))
    world.until("RolledBack").run(5)
    paces.append(sparing(world))
    world.errors.clear()
    world.edit(strategy__attempt=2)
    world.until("Full").run(5)
    paces.append(sparing(world))

    # Settled, a candidate that starts, its canary, rolled back, and the watch of it.
    assert paces == [True, True, False, True, False]


def test_what_was_counted_stays_through_a_canary_that_is_rolled_back() -> None:
    world = serving(errors={"2": 0.3})
    before = known(world)
    world.edit(version="2")
    world.until("RolledBack").run(120)

    assert known(world).revision == before.revision
    assert known(world).began_ms == before.began_ms
    assert known(world).until_ms > before.until_ms


def test_another_version_begins_anew() -> None:
    world = serving()
    world.edit(version="2")
    world.until("Full").run(60)

    began_ms = known(world).began_ms
    assert known(world).revision == world.revision_of("2")
    assert began_ms is not None
    assert began_ms > 1000 * (NOON + world.time - 180)


def test_other_promises_begin_anew_and_an_outage_stays_one() -> None:
    world = serving()
    world.errors["1"] = 1.0
    world.run(600)
    assert (known(world).failing, known(world).degraded) == (True, True)
    until_ms = known(world).until_ms

    world.edit(objectives=STRICTER)
    world.reconcile()

    assert (known(world).failing, known(world).degraded) == (True, False)
    assert known(world).spent == ()
    assert known(world).until_ms == until_ms


def test_a_change_that_promises_nothing_else_loses_nothing() -> None:
    world = serving()
    before = known(world)
    world.edit(replicas=3)
    world.reconcile()

    assert known(world).spent == before.spent
    assert known(world).generation == before.generation + 1


@pytest.mark.parametrize("errors", [0.0, 0.1, 1.0])
def test_an_operator_that_starts_again_writes_nothing_until_something_begins_or_ends(
    errors: float,
) -> None:
    world = serving()
    world.errors["1"] = errors
    world.run(300)
    written, told = len(world.writes), world.status
    world.restart()
    world.run(300)

    assert len(world.writes) == written
    assert world.status == told
    assert {each["type"] for each in told["conditions"] if each["status"] == "True"} == {
        "Ready",
        *(["Available"] if errors < 1 else []),
        *(["ServiceDegraded"] if errors else []),
    }


def test_without_prometheus_a_settled_service_stays_as_it_was() -> None:
    world = serving()
    world.errors["1"] = 1.0
    world.run(300)
    written = len(world.writes)
    world.prometheus_up = False
    world.run(600)
    world.errors.clear()
    world.run(120)

    assert len(world.writes) == written
    assert known(world).failing
    world.prometheus_up = True
    world.run(120)
    assert not known(world).failing


def test_counts_of_a_settled_service_are_written_nowhere() -> None:
    world = serving()
    written = len(world.writes)
    world.run(1_800)

    assert len(world.writes) == written
    assert "evidence" not in world.status
    assert world.wake_at is None
