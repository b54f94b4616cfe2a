"""Why pods do not serve: one clause for each cause, and the commonest of several."""

from dataclasses import replace
from typing import Any

import pytest

from model_rollouts.rollout.actions import WriteStatus
from model_rollouts.rollout.plan import Plan, make_plan
from model_rollouts.rollout.pods import Ended, Pod, Trouble
from model_rollouts.rollout.state.pod_causes import LONGEST_CAUSE, TROUBLE_SECONDS, cause
from tests.rollout.simulated_cluster import NOON, SETTINGS, World

NOW = 1_800_000_000.0
REVISION = "arrival-0123456789"


def pod(name: str = "one", **facts: Any) -> Pod:
    return Pod(**{"name": name, "uid": name, "revision": REVISION, "began": NOW - 60, **facts})


def told(*pods: Pod) -> str | None:
    found = cause({}, pods, REVISION, NOW)
    return None if found is None else found.words


@pytest.mark.parametrize(
    ("ailing", "words"),
    [
        (
            pod(trouble=Trouble.IMAGE, words="registry.example.com/m:2: not found"),
            "image cannot be pulled: registry.example.com/m:2: not found",
        ),
        (
            pod(trouble=Trouble.UNSCHEDULABLE, words="0/3 nodes are available: 3 Insufficient cpu"),
            "cannot be scheduled: 0/3 nodes are available: 3 Insufficient cpu",
        ),
        (
            pod(trouble=Trouble.CONFIG, words='secret "weights" not found'),
            'cannot be set up: secret "weights" not found',
        ),
        (
            pod(trouble=Trouble.CRASH_LOOP, ended=Ended(3, "Error", "ValueError: no weights.")),
            "model ends with exit code 3: ValueError: no weights",
        ),
        (
            pod(trouble=Trouble.CRASH_LOOP, ended=Ended(137, "OOMKilled")),
            "model runs out of memory (exit code 137)",
        ),
        (pod(trouble=Trouble.CRASH_LOOP), "model crashes"),
        (
            pod(trouble=Trouble.NOT_READY, words="Readiness probe failed: HTTP 503"),
            "readiness probe failed: HTTP 503",
        ),
    ],
)
def test_each_trouble_has_its_words(ailing: Pod, words: str) -> None:
    assert told(ailing) == words


def test_the_commonest_of_several_is_told_with_its_number() -> None:
    crashed = [
        pod(name, trouble=Trouble.CRASH_LOOP, ended=Ended(1, "Error")) for name in ("b", "c")
    ]
    unready = pod("a", trouble=Trouble.NOT_READY, words="Readiness probe failed: HTTP 503")

    assert told(unready, *crashed, pod("d", ready_since=NOW)) == (
        "2 of 4 pods: model ends with exit code 1"
    )


@pytest.mark.parametrize(
    "healthy",
    [
        pod(),
        pod(trouble=Trouble.NOT_READY),
        pod(trouble=Trouble.IMAGE, began=NOW - TROUBLE_SECONDS + 1),
        pod(trouble=Trouble.IMAGE, deleted=True),
        pod(trouble=Trouble.IMAGE, revision="arrival-another"),
        pod(trouble=Trouble.CRASH_LOOP, disruption="EvictionByEvictionAPI"),
    ],
    ids=["starts", "loads", "young", "deleted", "another's", "evicted"],
)
def test_what_takes_its_time_or_is_about_to_go_is_no_cause(healthy: Pod) -> None:
    assert told(healthy) is None


def test_pods_that_are_not_known_have_no_cause() -> None:
    assert cause({}, None, REVISION, NOW) is None


def failing(message: str) -> dict[str, Any]:
    condition = {"type": "ReplicaFailure", "status": "True", "message": message}
    return {"status": {"conditions": [condition]}}


def test_what_the_api_server_refused_comes_first_and_names_no_pod_that_never_was() -> None:
    said = 'pods "arrival-0123456789-abcde" is forbidden: exceeded quota: gpus, used: pods=4'
    ailing = pod(trouble=Trouble.IMAGE)

    assert cause(failing(said), [ailing], REVISION, NOW) == (
        "pods cannot be created: exceeded quota: gpus, used: pods=4",
        True,
    )


def test_a_model_that_loads_is_not_stuck() -> None:
    loads = pod(trouble=Trouble.NOT_READY, words="Readiness probe failed: connection refused")
    found = cause({}, [loads], REVISION, NOW)

    assert found is not None
    assert not found.stuck


def test_a_cause_is_bounded() -> None:
    long = pod(trouble=Trouble.IMAGE, words="x" * 1000)

    assert len(told(long) or "") == LONGEST_CAUSE
    found = cause(failing("no. " * 200), (), REVISION, NOW)
    assert found is not None
    assert len(found.words) == LONGEST_CAUSE


def settled(available: int) -> World:
    """A service of two pods after its watch, so many of them ready."""
    world = World()
    world.edit(version="1", replicas=2, strategy__watch={"duration": "10s"})
    world.until("Full").run(30)
    world.objects["Deployment", world.revision_of("1")]["status"]["availableReplicas"] = available
    return world


def message(plan: Plan) -> str:
    """The sentence that is written."""
    return next(str(a.status["message"]) for a in plan.actions if isinstance(a, WriteStatus))


@pytest.mark.parametrize("available", [0, 1])
def test_a_service_after_its_watch_says_why_its_pods_do_not_serve(available: int) -> None:
    world = settled(available)
    ailing = pod(
        revision=world.revision_of("1"),
        began=NOON,
        trouble=Trouble.CRASH_LOOP,
        ended=Ended(137, "OOMKilled"),
    )

    asks = make_plan(world.seen(), world.memory, NOON + 1e6, SETTINGS)
    told = make_plan(replace(world.seen(), pods=(ailing,)), world.memory, NOON + 1e6, SETTINGS)

    assert asks.follows_pods
    assert "model runs out of memory (exit code 137)" in message(told)


def test_a_service_that_is_well_has_no_pod_looked_at() -> None:
    world = settled(available=2)

    assert not make_plan(world.seen(), world.memory, NOON + 1e6, SETTINGS).follows_pods
