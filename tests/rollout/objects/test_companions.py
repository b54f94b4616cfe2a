"""What the administrator wants beside Services: written once for each, and again for a new one."""

from dataclasses import replace

import pytest

from model_rollouts.resources import companions
from model_rollouts.rollout.actions import Accompany
from model_rollouts.rollout.plan import Settings
from tests.resources.test_companions import CHECK
from tests.rollout.simulated_cluster import SETTINGS, World


def settings(**only: list[str]) -> Settings:
    return replace(SETTINGS, companions=companions.parse([{**CHECK, **only}]))


def beside(world: World) -> list[str]:
    """The objects there are, by name."""
    return sorted(name for kind, name in world.objects if kind == "HealthCheckPolicy")


@pytest.mark.parametrize("only", [{}, {"services": ["live"]}, {"services": ["shadow"]}])
def test_each_service_of_a_version_with_pods_has_one(only: dict[str, list[str]]) -> None:
    world = World(settings=settings(**only))
    world.edit(version="1")
    world.until("Full").run(30)
    world.edit(version="2")
    world.until("Canary")

    expected = [
        f"{world.revision_of(version)}{suffix}"
        for version in ("1", "2")
        for kind, suffix in (("live", ""), ("shadow", "-shadow"))
        if kind in only.get("services", ["live", "shadow"])
    ]
    assert beside(world) == sorted(expected)
    assert world.writes.count("HealthCheckPolicy") == len(expected)


def test_it_is_there_before_the_first_user() -> None:
    world = World(settings=settings())
    world.edit(version="1")
    world.until("Full")

    first = world.writes.index("HealthCheckPolicy")
    assert first < world.writes.index("HTTPRoute")


def test_no_version_gets_users_without_it_and_those_that_have_them_keep_them() -> None:
    world = World(settings=settings(), errors={"2": 0.5})
    world.edit(version="1")
    world.until("Full").run(30)
    world.refuses = lambda action: isinstance(action, Accompany)
    world.edit(version="2")

    world.run(120)

    assert world.status["phase"] == "Starting"
    told = {each["reason"]: each["message"] for each in world.status["conditions"]}
    assert "HealthCheckPolicy" in told["CompanionMissing"]
    assert "Accompany: HTTP 500" in told["WriteRefused"]
    assert list(world.weights) == ["v1"]

    world.refuses = None
    world.until("RolledBack")


def test_a_rollback_waits_for_none() -> None:
    world = World(settings=settings(), errors={"2": 0.5})
    world.edit(version="1")
    world.until("Full").run(30)
    world.edit(version="2")
    world.until("Canary")
    world.refuses = lambda action: isinstance(action, Accompany)
    world.restart()

    world.until("RolledBack")


def test_a_new_operator_writes_them_once_more() -> None:
    world = World(settings=settings())
    world.edit(version="1")
    world.until("Full").run(30)
    before = world.writes.count("HealthCheckPolicy")

    world.restart()
    world.run(60)

    assert before == 2
    assert world.writes.count("HealthCheckPolicy") == 4


def test_a_service_that_was_made_anew_gets_a_new_one() -> None:
    world = World(settings=settings())
    world.edit(version="1")
    world.until("Full").run(30)
    name = world.revision_of("1")
    del world.objects["Service", name]
    del world.objects["HealthCheckPolicy", name]

    world.run(30)

    service = world.objects["Service", name]["metadata"]["uid"]
    (owner,) = world.objects["HealthCheckPolicy", name]["metadata"]["ownerReferences"]
    assert owner["uid"] == service
