"""Infrastructure is no verdict: a candidate without pods, or without requests, loses its users."""

from collections.abc import Callable

import pytest

from model_rollouts.rollout.pods import Ended, Pod, Trouble
from model_rollouts.routes import record
from model_rollouts.routes.record import RouteRecord
from tests.rollout.simulated_cluster import NOON, World
from tests.rollout.suspension_stories import drained, first, in_canary, in_watch

SLOW_STEPS = {"steps": ["50%"], "minStepDuration": "10m"}


def moves(world: World) -> list[str]:
    """The writes of the route, without what users get."""
    kinds = ("Begin", "Advance", "Ease", "Resume", "RollBack", "Promote")
    words = [line.split()[2].rstrip(":") for line in world.log if " operator " in line]
    return [word for word in words if word in kinds]


def reasons(world: World) -> set[str]:
    return {each["reason"] for each in world.status["conditions"]}


def told_pods(world: World, **pod: object) -> Callable[[], tuple[Pod, ...]]:
    made = Pod("v2-a", "u-2", world.revision_of("2"), float(NOON), **pod)  # type: ignore[arg-type]
    return lambda: (made,)


def test_a_drained_node_costs_users_nothing_and_the_version_no_evidence() -> None:
    world = in_canary(50)
    trial = world.memory.trial
    assert trial is not None
    counted = max(each.seen_total for each in trial.state.evidence)

    drained(world)

    assert world.weights == {"v1": 1}
    assert world.status["phase"] == "Canary"
    assert world.pods()["v2"] == 2
    assert world.memory.trial is not None
    assert world.memory.trial.started_ms == trial.started_ms
    assert max(each.seen_total for each in world.memory.trial.state.evidence) >= counted
    assert "CandidateUnavailable" in reasons(world)
    world.run(5)
    assert world.weights == {"v1": 50, "v2": 50}
    world.until("Full")
    assert moves(world)[-3:] == ["Ease", "Resume", "Promote"]


def test_the_first_write_after_the_loss_takes_all_users_off() -> None:
    world = in_canary(50)
    world.broken.add("2")
    world.run(5)

    assert moves(world)[-1] == "Ease"
    assert world.unserved.get("2", 0) == 0


@pytest.mark.parametrize("restarts", [False, True])
def test_the_third_loss_is_a_verdict_also_for_an_operator_that_has_just_begun(
    restarts: bool,
) -> None:
    world = in_canary(50, strategy__canary=SLOW_STEPS)
    for _ in range(3):
        drained(world)
        if restarts:
            world.restart()
        world.run(90)

    assert world.status["phase"] == "RolledBack"
    assert "no ready pod 3 times" in world.status["history"][0]["message"]
    world.run(600)
    assert world.weights == {"v1": 1}


def test_it_is_no_verdict_while_pods_of_stable_go_too() -> None:
    world = in_canary(50, strategy__canary=SLOW_STEPS)
    for _ in range(4):
        stable = world.objects["Deployment", world.revision_of("1")]
        world.start_seconds = {"1": 30.0}
        stable["spec"]["replicas"] = 3
        world.changed_at[world.revision_of("1")] = world.time
        drained(world)
        world.run(600)

    assert world.status["phase"] == "Canary"


def test_what_the_cluster_says_it_ended_itself_is_never_a_verdict() -> None:
    world = in_canary(50, strategy__canary=SLOW_STEPS)
    world.pods_known = told_pods(world, disruption="EvictionByEvictionAPI", deleted=True)
    for _ in range(5):
        drained(world)
        world.run(600)

    assert moves(world).count("RollBack") == 0
    assert moves(world).count("Ease") >= 4


@pytest.mark.parametrize("later", [False, True], ids=["at once", "while it has no users"])
def test_pods_that_crash_in_a_loop_are_a_verdict(later: bool) -> None:
    world = in_canary(50, strategy__canary=SLOW_STEPS)
    crashing = told_pods(
        world, trouble=Trouble.CRASH_LOOP, ended=Ended(137, "OOMKilled"), restarts=3
    )
    if not later:
        world.pods_known = crashing
    drained(world, 10)
    world.broken.add("2")
    world.pods_known = crashing
    world.run(10)

    assert world.status["phase"] == "RolledBack"
    assert "exit code 137" in world.status["history"][0]["message"]


def test_pauses_grow_and_a_flapping_candidate_writes_little() -> None:
    world = in_canary(50, strategy__canary=SLOW_STEPS)
    world.pods_known = told_pods(world, disruption="PreemptionByScheduler", deleted=True)
    begun = world.time
    while world.time - begun < 7_200:
        drained(world, 10)
        world.run(10)

    assert moves(world).count("Ease") <= 9


def test_some_pods_less_are_enough_when_the_rest_cannot_carry_its_users() -> None:
    world = first()
    world.edit(version="2", replicas=8, strategy__canary=SLOW_STEPS)
    while "v2" not in world.weights:
        world.run(5)
    world.run(15)
    deployment = world.objects["Deployment", world.revision_of("2")]

    def ready(pods: int) -> None:
        world.start_seconds = {"2": 1e9}
        world.changed_at[world.revision_of("2")] = world.time
        deployment["status"]["availableReplicas"] = pods
        world.run(5)

    ready(3)
    assert world.weights == {"v1": 50, "v2": 50}
    ready(2)
    assert world.weights == {"v1": 1}
    world.start_seconds = {}
    world.run(10)
    assert world.weights == {"v1": 50, "v2": 50}


def test_a_rolled_back_version_does_not_resume() -> None:
    world = in_canary(50)
    world.errors["2"] = 1.0
    drained(world, 5)
    world.until("RolledBack").run(300)

    assert world.weights == {"v1": 1}
    assert "Resume" not in moves(world)[moves(world).index("RollBack") :]


def test_users_are_off_within_a_minute_when_no_request_arrives() -> None:
    world = in_canary(50)
    world.cut_off.add("2")
    world.run(60)

    assert world.weights == {"v1": 1}
    assert world.status["phase"] == "Canary"
    assert "CandidateUnreachable" in reasons(world)


def test_little_traffic_is_no_traffic() -> None:
    world = first(rate=1.0)
    world.edit(version="2")
    world.until("Canary")
    world.cut_off.add("2")
    world.run(120)

    assert set(world.weights) == {"v1", "v2"}
    assert "CandidateUnreachable" not in reasons(world)


def test_a_gateway_that_is_slow_is_waited_for() -> None:
    world = first()
    world.edit(version="2")
    while "v2" not in world.weights:
        world.run(5)
    assert world.route is not None
    world.gateway_accepts = False
    world.route["status"] = {}
    world.cut_off.add("2")
    world.run(120)
    assert set(world.weights) == {"v1", "v2"}
    world.gateway_accepts = True
    world.cut_off.clear()

    world.until("Full")

    assert "Ease" not in moves(world)


def test_a_person_decides_at_once() -> None:
    world = in_canary(50)
    world.cut_off.add("2")
    world.run(60)
    world.cut_off.clear()

    world.edit(strategy__override={"version": "2", "action": "Promote", "reason": "INC-9"})
    world.run(10)

    assert world.weights == {"v2": 1}


def test_a_restart_does_not_forget_why_there_are_no_users() -> None:
    world = in_canary(10)
    world.cut_off.add("2")
    world.run(60)
    world.restart()
    world.run(10)

    assert world.weights == {"v1": 1}
    assert "CandidateUnreachable" in reasons(world)


def test_an_override_of_another_attempt_begins_at_the_first_step() -> None:
    world = in_canary(50)
    world.cut_off.add("2")
    world.run(60)
    world.cut_off.clear()

    world.edit(strategy__attempt=2)
    world.run(10)

    assert world.weights == {"v1": 90, "v2": 10}


def test_the_watched_version_keeps_users_while_there_is_nothing_better() -> None:
    world = first()
    world.edit(version="2", strategy__watch={"duration": "6h"})
    world.until("Full").run(30)
    world.broken |= {"1", "2"}
    world.run(300)

    assert world.weights == {"v2": 1}


def test_a_drained_node_in_the_watch_costs_users_nothing_and_is_no_rollback() -> None:
    world = in_watch()
    drained(world, 40)

    assert world.weights == {"v1": 1}
    assert world.unserved.get("2", 0) == 0
    assert "CandidateUnavailable" in reasons(world)
    assert world.pods() == {"v1": 2, "v2": 2}
    world.run(10)
    assert world.weights == {"v2": 1}
    assert world.status["phase"] == "Full"
    assert moves(world)[-3:] == ["Promote", "Ease", "Promote"]
    assert [each["outcome"] for each in world.status["history"]] == ["Promoted", "Promoted"]


def test_few_pods_of_the_version_before_are_better_than_none() -> None:
    world = in_watch()
    ready(world, "1", 1)
    drained(world, 5)

    assert world.weights == {"v1": 1}


@pytest.mark.parametrize("restarts", [False, True])
def test_losses_in_the_watch_count_together_and_with_those_of_the_canary(restarts: bool) -> None:
    world = in_canary(50, strategy__watch={"duration": "6h"})
    drained(world)
    world.until("Full").run(10)
    drained(world).run(20)
    if restarts:
        world.restart()
    assert world.weights == {"v1": 1}
    world.until("Full").run(10)
    drained(world).run(10)

    assert world.status["phase"] == "RolledBack"
    assert "no ready pod 3 times" in world.status["history"][0]["message"]
    assert world.weights == {"v1": 1}


def test_losses_are_forgotten_when_the_watch_is_over() -> None:
    world = in_canary(50, strategy__watch={"duration": "1m"})
    drained(world)
    world.until("Full").run(10)
    assert record_of(world).suspension is not None

    world.run(600)

    assert record_of(world).verdict == "Settled"
    assert record_of(world).suspension is None


def test_pods_that_crash_in_the_watch_are_a_verdict() -> None:
    world = in_watch()
    world.pods_known = told_pods(
        world, trouble=Trouble.CRASH_LOOP, ended=Ended(137, "OOMKilled"), restarts=3
    )
    drained(world, 5)

    assert world.status["phase"] == "RolledBack"
    assert "exit code 137" in world.status["history"][0]["message"]


def test_nothing_changes_while_it_is_paused() -> None:
    world = in_watch()
    world.edit(paused=True)
    drained(world, 40)

    assert world.weights == {"v2": 1}


def test_what_a_person_decided_before_waits_for_the_pause_and_a_new_decision_does_not() -> None:
    world = in_watch(strategy__mode="Immediate")
    for _ in range(2):
        drained(world, 10).run(10)
    assert world.weights == {"v1": 1}

    world.edit(strategy__override={"version": "2", "action": "Promote", "reason": "INC-9"})
    world.run(10)

    assert world.weights == {"v2": 1}


def ready(world: World, version: str, pods: int) -> None:
    """So many pods of a version are ready, and no others become so."""
    name = world.revision_of(version)
    world.start_seconds = {version: 1e9}
    world.changed_at[name] = world.time
    world.objects["Deployment", name]["status"]["availableReplicas"] = pods


def record_of(world: World) -> RouteRecord:
    assert world.route is not None
    found = record.read(world.route)
    assert found is not None
    return found
