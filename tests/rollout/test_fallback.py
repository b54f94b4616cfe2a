"""`spec.fallback` in a rollout: it is tried before the first users, and told while they need it."""

from typing import Any

import pytest

from model_rollouts.rollout.status.service_words import RELIEVED
from tests.rollout.simulated_cluster import World

RULES = {"type": "Service", "service": {"name": "rules", "port": 8000}, "after": "2s"}
SAME = {"type": "Static", "static": {"body": "{}"}, "after": "2s"}
NO_SHADOW = {"percent": 0}
SHADOW = {"sideEffects": "None", "minDuration": "1m", "minRequests": 100}


def rolling_out(fallback: dict[str, Any] | None, **spec: Any) -> World:
    """Version 1 serves without a fallback, and version 2 is on its way with one."""
    world = World()
    world.edit(version="1", strategy__watch={"duration": "10s"})
    world.until("Full").run(20)
    world.edit(version="2", fallback=fallback, **spec)
    return world


def condition(world: World, type: str) -> dict[str, Any]:
    """The condition, empty where it is not true."""
    found = (each for each in world.status["conditions"] if each["type"] == type)
    return next((each for each in found if each["status"] == "True"), {})


@pytest.mark.parametrize("known", [{"2": False}, {}])
def test_a_version_gets_no_users_before_its_fallback_takes_connections(
    known: dict[str, bool],
) -> None:
    world = rolling_out(RULES, strategy__shadow=NO_SHADOW)
    world.reaches = known

    world.run(300)

    assert world.weights == {"v1": 1}
    held = condition(world, "Reconciling")
    assert held["reason"] == "FallbackNotAnswering"
    assert "Service rules, port 8000, the fallback of version 2" in held["message"] or (
        not known and "whether Service rules, port 8000" in held["message"]
    )
    assert world.status["action"] == "Look"

    world.reaches = {"2": True}
    world.until("Canary")
    assert condition(world, "Reconciling")["reason"] != "FallbackNotAnswering"


def test_requests_are_mirrored_meanwhile() -> None:
    world = rolling_out(RULES, strategy__shadow=SHADOW)
    world.reaches = {"2": False}

    world.until("Shadow").run(600)

    assert world.status["phase"] == "Shadow"
    assert condition(world, "Reconciling")["reason"] == "FallbackNotAnswering"
    world.reaches = {"2": True}
    world.until("Canary")


def test_no_deadline_promotes_a_version_whose_fallback_was_not_reached() -> None:
    world = rolling_out(
        RULES,
        strategy__shadow=SHADOW,
        strategy__canary={"steps": ["50%"], "minStepDuration": "1m"},
        strategy__deadline="10m",
        strategy__onDeadline="PromoteWithBound",
    )
    world.reaches = {"2": False}

    world.until("Shadow").run(1200)

    assert (world.status["phase"], world.weights) == ("Shadow", {"v1": 1})


def test_a_fallback_that_fails_later_holds_nothing() -> None:
    world = rolling_out(RULES, strategy__shadow=NO_SHADOW)
    world.reaches = {"2": True}
    world.until("Canary")

    world.reaches = {"2": False}

    assert world.until("Full").weights == {"v2": 1}


@pytest.mark.parametrize(
    "spec",
    [
        {"fallback": SAME, "strategy__shadow": NO_SHADOW},
        {"fallback": RULES, "strategy": {"mode": "Immediate"}},
    ],
)
def test_what_needs_no_try_is_not_held(spec: dict[str, Any]) -> None:
    world = rolling_out(**spec)

    assert world.until("Full").weights == {"v2": 1}


def test_the_first_version_serves_whether_its_fallback_is_there_or_not() -> None:
    world = World()
    world.edit(version="1", fallback=RULES)

    assert world.until("Full").weights == {"v1": 1}


def test_it_is_told_while_users_get_its_answers() -> None:
    world = rolling_out(SAME, strategy__shadow=NO_SHADOW)
    world.until("Canary").run(40)
    assert condition(world, "FallbackActive") == {}

    world.stood_in = {"2": (11.7, 240.2)}
    world.run(120)

    told = condition(world, "FallbackActive")
    assert told["reason"] == "ModelFails"
    begun = told["lastTransitionTime"][11:16]
    assert told["message"].startswith(
        f"Since {begun} UTC users get answers of the fallback: version 2 did not answer 12 of 240 "
        "requests of users in the last 5 min (5 %)."
    )
    assert world.status["fallback"] == {"share": "5%", "answers": 12, "total": 240}
    assert world.status["action"] == "Look"

    # The moment stays, and the numbers move.
    world.stood_in = {"2": (30, 240)}
    world.run(600)
    assert condition(world, "FallbackActive")["lastTransitionTime"] == told["lastTransitionTime"]
    assert f"Since {begun} UTC" in condition(world, "FallbackActive")["message"]

    world.stood_in = {"2": (0, 240)}
    world.run(120)
    assert condition(world, "FallbackActive") == {}


def test_a_version_that_was_rolled_back_needs_its_fallback_no_more() -> None:
    world = rolling_out(SAME, strategy__shadow=NO_SHADOW)
    world.stood_in = {"2": (12, 240)}
    world.until("Canary").run(40)
    assert condition(world, "FallbackActive")["reason"] == "ModelFails"

    world.errors["2"] = 0.5
    world.until("RolledBack").run(10)

    # Prometheus still tells of the last five minutes, and the status has the share of them.
    assert condition(world, "FallbackActive") == {}
    assert world.status["fallback"]["answers"] == 12


def test_a_timeout_in_front_of_the_fallback_is_told_until_it_is_longer() -> None:
    world = rolling_out(SAME, strategy__shadow=NO_SHADOW, route__timeouts={"request": "2s"})
    world.until("Full").run(20)

    told = condition(world, "FallbackAbsent")
    assert told["reason"] == "TimeoutFirst"
    assert told["message"].startswith(
        "spec.route.timeouts.request ends requests after 2s, and spec.fallback.after is 2s: users "
        "get an error of the gateway"
    )
    assert world.status["action"] == "Look"

    world.edit(route__timeouts={"request": "5s"})
    assert condition(world.run(20), "FallbackAbsent") == {}


def test_it_is_told_of_the_version_that_serves_long_after_its_rollout() -> None:
    world = rolling_out(SAME, strategy__shadow=NO_SHADOW)
    world.until("Full").run(3600)

    world.stood_in = {"2": (3, 3)}
    world.run(120)

    assert "version 2 did not answer 3 of 3" in condition(world, "FallbackActive")["message"]
    assert world.status["fallback"]["share"] == "100%"


@pytest.mark.parametrize(
    ("given", "available"), [((240, 240, 0), "True"), ((240, 240, 239), "False"), ((0, 0), "False")]
)
def test_users_are_served_while_the_fallback_answers_all_of_them(
    given: tuple[float, ...], available: str
) -> None:
    world = rolling_out(SAME, strategy__shadow=NO_SHADOW)
    world.until("Full").run(3600)

    world.errors["2"] = 1.0
    world.stood_in = {"2": given}
    world.run(600)

    (told,) = (each for each in world.status["conditions"] if each["type"] == "Available")
    assert told["status"] == available


def test_a_service_that_misses_its_target_is_told_with_what_users_get() -> None:
    world = rolling_out(SAME, strategy__shadow=NO_SHADOW)
    world.until("Full").run(3600)
    world.errors["2"] = 1.0
    world.stood_in = {"2": (240, 240, 0)}
    world.run(600)

    told = condition(world, "ServiceDegraded")["message"]
    assert told.count("That is what the model did itself: the fallback gives users answers") == 1
    assert told.startswith("errors failed ")
    assert told.endswith("Look for a cause outside the model, or apply another version.")

    # The sentence goes with the fallback, and what was told of the model stays.
    world.stood_in = {"2": (0, 240, 240)}
    world.run(120)
    assert condition(world, "ServiceDegraded")["message"] == told.replace(f" {RELIEVED}", "")


def test_a_fallback_to_itself_is_refused_by_the_operator_too() -> None:
    """By an API server with an older definition."""
    world = World()
    world.edit(version="1", strategy__watch={"duration": "10s"})
    model = world.until("Full").status["stable"]["revision"].rpartition("-")[0]
    itself = {**RULES, "service": {"name": f"{model}-0123456789", "port": 80}}

    world.edit(version="2", fallback=itself, strategy__shadow=NO_SHADOW)
    world.run(60)

    message = condition(world, "Stalled")["message"]
    assert f"fallback.service.name: found '{model}-0123456789'" in message
    assert world.weights == {"v1": 1}


def test_nothing_is_asked_of_versions_without_a_fallback() -> None:
    world = rolling_out(None, strategy__shadow=NO_SHADOW)
    world.until("Full").run(600)

    assert world.fallback_asked == []
    assert "fallback" not in world.status


def test_it_is_asked_often_in_a_rollout_and_seldom_after_it() -> None:
    world = rolling_out(SAME, strategy__shadow=NO_SHADOW)
    world.until("Full").run(60)
    assert {each.every for each in world.fallback_asked} == {15, 60}

    before = len(world.fallback_asked)
    world.run(3600)

    assert 55 <= len(world.fallback_asked) - before <= 62
