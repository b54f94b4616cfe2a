"""Rollouts with slices: parts of the requests that are judged on their own."""

from typing import Any

import pytest

from tests.rollout.simulated_cluster import World

LONG_HAUL = {"name": "long-haul", "header": "x-haul", "value": "long"}
ERRORS = {"name": "errors", "type": "Availability", "availability": {"target": "99%"}}
OF_LONG_HAUL = {**ERRORS, "name": "long-errors", "slice": "long-haul"}


def in_canary(world: World, *objectives: dict[str, Any], before: bool = True) -> World:
    """Version 1 serves, and version 2 has its first users; `before`: 1 counts the slice too."""
    sliced: dict[str, Any] = {"objectives": [ERRORS, *objectives]}
    if objectives:
        sliced["slices"] = [LONG_HAUL]
    world.edit(
        **(sliced if before else {}),
        strategy__canary={"steps": ["10%", "50%"], "minStepDuration": "1m"},
    )
    world.until("Full")
    world.edit(**sliced, model__version="2")
    return world.until("Canary")


def condition(world: World, type: str) -> dict[str, Any] | None:
    return next((each for each in world.status["conditions"] if each["type"] == type), None)


def objective(world: World, name: str) -> dict[str, Any]:
    (found,) = (each for each in world.status["objectives"] if each["name"] == name)
    return dict(found)


def bad_for_long_haul() -> World:
    """One request in fifty is long-haul; version 2 fails a third of these, and no other."""
    return World(slices={"long-haul": 0.02}, sliced_errors={"2": {"long-haul": 0.34}})


def test_a_version_that_fails_the_few_in_a_slice_is_rolled_back_by_the_slice() -> None:
    """Of all requests 0.7 % fail, which is allowed: 34 % of those that are long-haul do."""
    world = in_canary(bad_for_long_haul(), OF_LONG_HAUL)

    world.until("RolledBack")

    assert world.weights == {"v1": 1}
    found = objective(world, "long-errors")
    assert found["slice"] == "long-haul"
    assert found["verdict"] == "Fail"
    # All of the harmed users are counted, and they are few.
    assert found["bad"] == world.bad_answers["2"] <= 25
    said = f"version 2 failed {found['bad']} of {found['total']}"
    promise = "99 % of requests of slice long-haul must succeed"
    assert f"long-errors failed: {promise}; {said}" in found["message"]
    said = f"long-errors failed {found['bad']} of {found['total']} requests of slice long-haul"
    assert said in world.status["message"]
    assert objective(world, "errors")["verdict"] != "Fail"
    assert "slice" not in objective(world, "errors")


def test_without_the_slice_the_same_version_is_promoted() -> None:
    world = in_canary(bad_for_long_haul())

    world.until("Full")

    assert world.weights == {"v2": 1}
    world.run(1_800)
    assert world.bad_answers["2"] > 400


def test_in_shadow_no_user_is_harmed() -> None:
    world = bad_for_long_haul()
    world.edit(
        slices=[LONG_HAUL],
        objectives=[ERRORS, OF_LONG_HAUL],
        strategy__shadow={"sideEffects": "None", "minRequests": 1_000, "minDuration": "1m"},
    )
    world.until("Full")

    world.edit(model__version="2")
    world.until("RolledBack")

    assert "long-errors failed" in world.status["message"]
    assert world.answers.get("2", 0) == 0


def test_a_service_that_is_bad_for_a_slice_itself_holds_no_version_up() -> None:
    world = World(slices={"long-haul": 0.1})
    world.sliced_errors = {version: {"long-haul": 0.2} for version in ("1", "2")}
    in_canary(world, OF_LONG_HAUL)

    world.until("Full", most=40_000)

    assert world.weights == {"v2": 1}


def test_a_stable_that_was_made_before_the_slice_is_not_compared_with() -> None:
    world = in_canary(World(slices={"long-haul": 0.2}), OF_LONG_HAUL, before=False)
    world.run(120)

    told = objective(world, "long-errors")["message"]
    assert "Stable's pods were made before and do not count it: the target alone decides." in told
    # Stable has none of its requests, which is no difference of users.
    assert world.status["conditions"][0]["reason"] != "ArmsDiffer"
    world.until("Full")
    assert world.weights == {"v2": 1}


def test_a_gate_on_a_slice_that_hardly_comes_is_forecast_as_that() -> None:
    world = in_canary(World(rate=5.0, slices={"long-haul": 0.0005}), OF_LONG_HAUL)

    world.run(900)

    told = condition(world, "Underpowered")
    assert told is not None
    assert "Slice long-haul is too rare for long-errors: it has 0.0" in told["message"]
    assert "req/s." in told["message"]


def test_a_slice_that_comes_often_is_not() -> None:
    world = in_canary(World(slices={"long-haul": 0.2}), OF_LONG_HAUL)

    world.run(120)

    assert condition(world, "Underpowered") is None


def drawn(world: World) -> World:
    """All long-haul users come to stable."""
    world.slices = {"long-haul": 0.3}
    world.drawn = {"2": {"long-haul": 0.0}}
    return world


def test_versions_that_have_different_users_are_held_with_the_numbers() -> None:
    world = in_canary(drawn(World()), {**OF_LONG_HAUL, "role": "Guard"})

    world.run(600)

    held = condition(world, "Ready")
    assert held is not None
    assert held["reason"] == "ArmsDiffer"
    assert "Slice long-haul has 0 of " in held["message"]
    assert "of stable (31 %). Both have different users" in held["message"]
    assert world.status["phase"] == "Canary"
    # It ends once both have the same users, when the counts say so.
    world.drawn = {}
    world.until("Full", most=40_000)


def test_a_bad_version_is_rolled_back_while_both_have_different_users() -> None:
    world = in_canary(drawn(World()), {**OF_LONG_HAUL, "role": "Guard"})
    world.run(300)
    assert condition(world, "Ready")["reason"] == "ArmsDiffer"  # type: ignore[index]

    world.errors = {"2": 0.2}
    world.until("RolledBack")

    assert "errors failed" in world.status["message"]


def test_the_deadline_promotes_nothing_while_both_have_different_users() -> None:
    world = drawn(World())
    world.edit(strategy__deadline="30m", strategy__onDeadline="PromoteWithBound")
    in_canary(world, {**OF_LONG_HAUL, "role": "Guard"})

    world.until("Undecided")

    assert world.weights == {"v1": 1}
    assert "both versions had different users" in world.status["history"][0]["message"]


def test_another_definition_of_a_slice_is_another_revision() -> None:
    world = World(slices={"long-haul": 0.2})
    world.edit(slices=[LONG_HAUL], objectives=[ERRORS, OF_LONG_HAUL])
    world.until("Full")
    before = world.route

    world.edit(slices=[{**LONG_HAUL, "value": "longer"}])
    world.until("Canary")
    world.run(60)

    assert world.route != before
    told = objective(world, "long-errors")["message"]
    assert "Stable's pods were made before and do not count it" in told


@pytest.mark.parametrize("before", [True, False])
def test_the_past_of_a_slice_is_asked_of_the_versions_that_counted_it(before: bool) -> None:
    world = in_canary(World(slices={"long-haul": 0.2}), OF_LONG_HAUL, before=before)

    query = world.histories_asked[-1]

    ((past, counted_by),) = query.others
    assert (past.key, past.slice) == ("errors of slice long-haul", "long-haul")
    assert [world.version_of(each) for each in counted_by] == (["v1"] if before else [])
