"""How many pods serve: what autoscalers and people write is followed, and nobody is cut for it."""

import re
from typing import Any

import pytest

from model_rollouts.rollout.plan import make_plan
from model_rollouts.rollout.pods import Pod
from tests.rollout.autoscaler import Autoscaler
from tests.rollout.simulated_cluster import NOON, SETTINGS, World, replace

WATCH = {"duration": "30m"}
SOMEBODY = [{"manager": "gitops", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]
NOBODY = [{"manager": "gitops", "fieldsV1": {"f:spec": {"f:port": {}}}}]
"""Managers of fields of which none has `replicas`."""


def serving(replicas: int, **strategy: Any) -> World:
    """Version 1 has served all users for so long that nothing about them is new."""
    world = World(errors={"1": 0.002, "2": 0.002, "3": 0.002})
    more = {f"strategy__{name}": value for name, value in strategy.items()}
    world.edit(version="1", replicas=replicas, strategy__watch={"duration": "10s"}, **more)
    world.until("Full").run(180)
    world.edit(strategy__watch=WATCH)
    return world.run(10)


def reason(world: World, type: str) -> str | None:
    """That of a condition, None when it is not there."""
    conditions = world.status["conditions"]
    return next((each["reason"] for each in conditions if each["type"] == type), None)


def selected(world: World) -> set[str]:
    """The versions whose pods an autoscaler sees."""
    found = re.findall(r"arrival-[0-9a-f]+", world.status["selector"])
    return {world.version_of(name) for name in found}


def test_fewer_replicas_are_not_followed_while_two_versions_have_users() -> None:
    world = serving(10)
    world.edit(version="2")
    world.until("Canary")
    assert selected(world) == {"v1", "v2"}
    world.edit(replicas=4)
    world.run(20)

    assert world.pods()["v1"] == 10
    assert reason(world, "ScaleDownHeld") == "UsersMoving"
    assert world.status["desiredReplicas"] == 10
    assert world.status["replicas"] == sum(world.pods().values())

    world.until("Full")
    promoted = world.pods()
    world.run(60)

    assert promoted["v2"] == 10
    assert world.pods()["v2"] == 10
    assert selected(world) == {"v2"}

    world.run(90)
    assert (world.pods()["v2"], reason(world, "ScaleDownHeld")) == (8, "Gradual")

    world.run(400)
    assert world.pods() == {"v1": 10, "v2": 4}
    assert reason(world, "ScaleDownHeld") is None

    world.errors["2"] = 0.5
    world.until("RolledBack").run(10)
    assert world.pods()["v1"] == 10


def test_more_replicas_are_followed_in_a_canary_by_both_versions() -> None:
    world = serving(10)
    world.edit(version="2")
    world.until("Canary")
    world.edit(replicas=20)
    world.run(20)

    assert world.pods()["v1"] == 20
    world.until("Full")
    assert world.pods()["v2"] >= 20


def test_a_rollback_lands_on_all_pods_though_fewer_are_asked_for() -> None:
    world = serving(10)
    world.edit(version="2", strategy__canary={"steps": ["50%"], "minStepDuration": "5m"})
    world.until("Canary")
    world.edit(replicas=5)
    world.run(60)
    world.errors["2"] = 0.5
    world.until("RolledBack")

    assert world.pods()["v1"] == 10


@pytest.mark.parametrize("pods", [4, 10, 23])
def test_an_autoscaler_never_overloads_a_pod_through_a_rollout(pods: int) -> None:
    """Without a window of its own, and with metrics that lag."""
    world = serving(pods)
    scaler = Autoscaler(world, load=float(pods))
    scaler.run(60)
    world.edit(version="2")
    scaler.run(900)

    assert world.status["phase"] == "Full"
    assert scaler.worst <= 1.0 + 1 / (pods - 1) + 0.3
    assert world.pods()["v2"] * 1.15 >= pods


def test_an_autoscaler_is_followed_down_when_there_is_less_to_do() -> None:
    world = serving(10)
    scaler = Autoscaler(world, load=10.0)
    world.edit(version="2")
    world.until("Canary")
    scaler.load = 4.0
    scaler.run(1500)

    assert world.pods()["v2"] <= 5
    assert scaler.worst <= 1.3


def test_pods_stay_when_nobody_asks_for_a_number() -> None:
    world = serving(23)
    world.obj["metadata"]["managedFields"] = SOMEBODY
    world.run(10)
    world.obj["metadata"]["managedFields"] = NOBODY
    world.edit(replicas=1)
    world.run(600)

    assert world.pods() == {"v1": 23}
    assert reason(world, "ScaleDownHeld") == "ReplicasOmitted"
    assert world.status["message"].startswith("Version 1 serves all users")

    world.restart()
    world.run(60)
    assert world.pods() == {"v1": 23}

    world.edit(replicas=7)
    world.run(700)
    world.edit(replicas=1)
    world.run(500)
    assert world.pods() == {"v1": 1}


def test_an_autoscaler_that_finds_the_default_does_not_halve_the_pods() -> None:
    """It writes its smallest number, because it takes the default for what runs."""
    world = serving(23)
    scaler = Autoscaler(world, load=23.0, least=3)
    world.obj["metadata"]["managedFields"] = SOMEBODY
    world.run(10)
    world.obj["metadata"]["managedFields"] = NOBODY
    world.edit(replicas=1)
    world.run(30)
    scaler.run(900)

    assert scaler.worst < 1.3
    assert world.pods()["v1"] >= 19


def test_a_fall_to_a_tenth_is_told_and_taken_in_steps() -> None:
    world = serving(20)
    world.edit(replicas=2)
    seen = []
    for _ in range(12):
        world.run(60)
        seen.append(world.pods()["v1"])

    assert seen[:4] == [16, 13, 11, 9]
    assert seen[-1] == 2
    assert any("Normal Gradual: spec.replicas is 2, and 16 pods run" in each for each in world.log)


def test_two_pods_take_a_share_that_keeps_both_busy() -> None:
    world = serving(2)
    world.edit(version="2", strategy__canary={"steps": ["41.5%"], "minStepDuration": "1m"})
    world.until("Canary").run(20)

    assert world.pods()["v2"] == 2


# Scaled to zero


def test_a_service_that_is_scaled_to_zero_says_so_and_comes_back() -> None:
    world = serving(1)
    world.edit(replicas=0)
    world.run(120)

    assert world.pods() == {"v1": 0}
    assert reason(world, "Available") == "ScaledToZero"
    assert reason(world, "Ready") == "Serving"
    assert world.status["action"] == "None"
    assert "no pod runs, because spec.replicas is 0" in world.status["message"]

    world.edit(replicas=1)
    world.run(60)
    assert world.pods() == {"v1": 1}
    assert reason(world, "Available") == "StableReady"


def test_a_version_waits_while_the_service_is_scaled_to_zero_and_is_judged_then() -> None:
    world = serving(1)
    world.edit(replicas=0)
    world.run(120)
    world.edit(version="2")
    world.run(3600)

    assert set(world.weights) == {"v1"}
    assert not any(world.pods().values())
    assert reason(world, "Reconciling") == "ScaledToZero"

    world.edit(replicas=1)
    world.until("Canary", 300)
    assert world.status["candidate"]["version"] == "2"
    world.until("Full")
    assert world.answers["2"] > 0


@pytest.mark.parametrize("mode", ["Progressive", "Immediate"])
def test_a_first_version_without_pods_waits(mode: str) -> None:
    world = World()
    world.edit(version="1", replicas=0, strategy__mode=mode)
    world.run(1200)

    assert world.route is None
    assert reason(world, "Reconciling") == "ScaledToZero"

    world.edit(replicas=1)
    world.until("Full", 120)
    assert world.pods() == {"v1": 1}


# Replaced in place


def test_with_no_pod_to_spare_stable_lends_one_and_the_version_is_judged() -> None:
    world = serving(4, maxExtraReplicas=0)
    world.edit(version="2")
    most = 0
    told = set()
    while world.status["phase"] != "Full" or "v2" not in world.weights:
        world.run(5)
        most = max(most, sum(world.pods().values()))
        told.add(reason(world, "CapacityReduced"))
        assert world.time < 7200, world.log[-20:]
    world.run(60)

    assert most == 4
    assert "ReplacingInPlace" in told
    assert world.pods() == {"v1": 0, "v2": 4}
    assert reason(world, "CapacityReduced") is None
    assert world.status["history"][0]["outcome"] == "Promoted"
    assert world.answers["2"] > 0


def test_a_bad_version_that_replaces_in_place_is_rolled_back_and_the_pod_returned() -> None:
    world = serving(4, maxExtraReplicas=0)
    world.errors["2"] = 0.3
    world.edit(version="2")
    world.until("RolledBack").run(60)

    assert set(world.weights) == {"v1"}
    assert world.pods() == {"v1": 4, "v2": 0}
    assert world.bad_answers["2"] < 60


def test_a_single_pod_is_replaced_after_the_outage_was_told() -> None:
    world = serving(1, maxExtraReplicas=0)
    world.edit(version="2")
    world.until("Full", 300).run(30)

    assert world.pods() == {"v1": 0, "v2": 1}
    assert set(world.weights) == {"v2"}
    told = next(at for at, line in enumerate(world.log) if "Warning ReplacingInPlace" in line)
    ended = next(at for at, line in enumerate(world.log) if "scales v1 to 0" in line)
    assert told < ended
    assert any("[Reconciling" in line and "no version serves" in line.lower() for line in world.log)

    world.errors["2"] = 0.5
    world.until("RolledBack", 300).run(60)
    assert world.pods() == {"v1": 1, "v2": 0}
    assert set(world.weights) == {"v1"}
    assert reason(world, "Available") == "StableReady"


def test_a_single_pod_comes_back_where_the_next_one_does_not_start() -> None:
    world = serving(1, maxExtraReplicas=0, progressDeadline="3m")
    world.broken.add("2")
    world.edit(version="2")
    world.run(60)
    assert reason(world, "Available") == "ReplacingInPlace"
    assert world.status["action"] == "Now"

    world.run(300)
    assert world.pods() == {"v1": 1, "v2": 0}
    assert set(world.weights) == {"v1"}
    assert reason(world, "Available") == "StableReady"
    assert reason(world, "Stalled") == "ProgressDeadlineExceeded"


def test_the_outage_is_forecast_by_how_long_pods_took_to_start() -> None:
    world = serving(1, maxExtraReplicas=0)
    world.edit(version="2")
    name = world.revision_of("1")
    pod = Pod("p", "u", name, began=NOON, ready_since=NOON + 42.0)
    for _ in range(40):
        world._controllers()
        seen = replace(world.seen(), pods=(pod,))
        found = make_plan(seen, world.memory, NOON + world.time, SETTINGS)
        world._carry_out(found)
        world.memory = found.done or found.memory
        if found.needs:
            world._answer(found)
        if "42 s" in world.status["message"]:
            break
        world.time += 5

    assert "No version serves for about 42 s, and up to 45 s more" in world.status["message"]


@pytest.mark.parametrize(("grace", "words"), [(None, "45 s"), (600, "10 min")])
def test_the_outage_is_told_with_the_time_that_the_first_pod_may_take_to_end(
    grace: int | None, words: str
) -> None:
    world = World(start_seconds={"2": 40}, knows_pods=False)
    given = {} if grace is None else {"template__spec__terminationGracePeriodSeconds": grace}
    world.edit(version="1", replicas=1, strategy__maxExtraReplicas=0, **given)
    world.until("Full").run(30)
    world.edit(version="2")
    world.until("Starting").run(10)

    found = {each["type"]: each["message"] for each in world.status["conditions"]}
    assert f"The first takes up to {words} to end." in found["CapacityReduced"]


# Drains


def test_one_disruption_budget_is_over_all_pods_and_written_once() -> None:
    world = serving(2)
    world.edit(version="2")
    world.until("Full").run(60)

    budget = world.objects["PodDisruptionBudget", "arrival-pods"]
    assert world.writes.count("PodDisruptionBudget") == 1
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"]["matchLabels"] == {"modelrollouts.dev/model": "arrival"}
    assert budget["metadata"]["ownerReferences"][0]["uid"] == "u-1"


def test_a_budget_that_something_changed_is_repaired() -> None:
    world = serving(2)
    budget = world.objects["PodDisruptionBudget", "arrival-pods"]
    budget["spec"]["maxUnavailable"] = 0
    world.changed(budget)
    world.run(10)

    assert world.objects["PodDisruptionBudget", "arrival-pods"]["spec"]["maxUnavailable"] == 1


def test_a_version_that_never_starts_does_not_keep_a_node_from_being_drained() -> None:
    world = serving(2, progressDeadline="3m")
    world.broken.add("2")
    world.edit(version="2")
    world.run(300)

    def left_out() -> Any:
        return world.objects["PodDisruptionBudget", "arrival-pods"]["spec"]["selector"]

    (rule,) = left_out()["matchExpressions"]
    assert (rule["operator"], rule["values"]) == ("NotIn", [world.revision_of("2")])

    world.edit(version="1")
    world.run(30)
    assert left_out()["matchExpressions"] == []


@pytest.mark.parametrize("pods", [2, 3, 5])
@pytest.mark.parametrize("errors", [0.0, 0.3], ids=["promoted", "rolled back"])
def test_several_pods_replaced_in_place_are_available_until_all_are_back(
    pods: int, errors: float
) -> None:
    world = serving(pods, maxExtraReplicas=0)
    world.errors["2"] = errors
    begun = len(world.log)
    world.edit(version="2")
    world.until("RolledBack" if errors else "Full").run(120)

    statuses = [line for line in world.log[begun:] if " status " in line]
    assert statuses
    assert not [line for line in statuses if "Available" not in line]
    assert reason(world, "CapacityReduced") is None
    assert reason(world, "Available") == "StableReady"
