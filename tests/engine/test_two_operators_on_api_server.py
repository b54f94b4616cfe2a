"""Two whole operators on a real API server: one leads, the other takes over where it was."""

import asyncio
from typing import Any

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.cluster.kinds import DEPLOYMENT, LEASE, POD_DISRUPTION_BUDGET, WATCHED
from model_rollouts.engine.leadership import LEASE_S, RETRY_S, DeposedError
from tests.engine.two_operators import counted, in_canary, leader_and_standby, written_down
from tests.engine.whole_operator import MARKS, Play, Running, Whole, play
from tests.kubernetes_clients import until

pytestmark = MARKS

TAKEN_OVER_S = LEASE_S + RETRY_S + 3.0
"""A busy machine needs some seconds more for the same requests."""

HANDED_OVER_S = RETRY_S + 3.0

JUDGED_S = 10.0
"""From when another one leads until users are off a version that fails every request: samples of
a second, the requests of an outage, and a busy machine."""


@pytest.fixture
def playing(api_server: ApiServer, namespace: str) -> Play:
    """Plays a story in a namespace of its own."""
    return lambda story: play(api_server, namespace, story)


async def listed(operator: Running) -> dict[str, float]:
    """How often it read each kind that it watches; budgets of others are listed by who leads."""
    kinds = {kind.plural for kind in WATCHED} - {POD_DISRUPTION_BUDGET.plural}
    return {
        labels["resource"]: value
        for labels, value in await operator.samples("model_rollouts_api_requests_total")
        if labels["verb"] == "GET" and labels["resource"] in kinds
    }


async def pods_of(whole: Whole) -> dict[str, Any]:
    """The pod templates by revision."""
    deployments = await whole.direct.all(DEPLOYMENT)
    return {each["metadata"]["name"]: each["spec"]["template"] for each in deployments}


def test_a_standby_is_warm_and_does_nothing(playing: Play) -> None:
    async def story(whole: Whole) -> None:
        async with leader_and_standby(whole) as (leader, standby):
            await in_canary(whole)
            written = await standby.writes()
            queries = await standby.samples("model_rollouts_query_duration_seconds_count")
            shown = await standby.samples("modeldeployment_phase")
            assert await leader.leads()
            assert not await standby.leads()

        assert written.total() == 0, written
        assert queries == []
        assert shown == []

    playing(story)


def test_a_new_release_takes_over_in_the_middle_of_a_canary_and_changes_nothing(
    playing: Play,
) -> None:
    """A rolling update: the old one ends in order, and all it counted is counted by the new one."""

    async def story(whole: Whole) -> None:
        async with leader_and_standby(whole) as (leader, standby):
            weights = await in_canary(whole)
            pods, reads = await pods_of(whole), await listed(standby)
            judged = whole.prometheus.requests_of("v2")
            leader.stop()
            await until(standby.leads, "the standby did not lead", HANDED_OVER_S)
            assert await whole.weights() == weights
            await whole.reads(3)
            assert await whole.weights() == weights
            assert await listed(standby) == reads, "it listed"
            promoted = await whole.told("Full", "v2")
            last = (await whole.object())["status"]
            await until(lambda: whole.has_seen(last), "the watch lags")
            assert leader.work.exception() is None

        assert await pods_of(whole) == pods
        assert promoted.history[0].outcome == "Promoted"
        # What was counted before the other one led is part of what it promoted on.
        asked = whole.prometheus.requests_of("v2")
        assert asked - judged < counted(whole) <= asked
        phases = [status.get("phase") for _, status in whole.written]
        assert "RolledBack" not in phases
        assert phases.count("Starting") <= 2

    playing(story)


def test_after_a_leader_was_killed_users_leave_a_version_that_fails(playing: Play) -> None:
    async def story(whole: Whole) -> None:
        async with leader_and_standby(whole) as (leader, standby):
            weights = await in_canary(whole)
            await written_down(whole)
            whole.prometheus.errors = {"v2": 1.0}
            await leader.kill()
            await until(standby.leads, "the standby did not lead", TAKEN_OVER_S)
            status = await asyncio.wait_for(whole.told("RolledBack", "v2"), JUDGED_S)

        assert len(weights) == 2
        assert len(await whole.weights()) == 1
        # What the killed one had counted counts on, and once.
        asked = whole.prometheus.requests_of("v2")
        failed = [each for each in status.objectives if each.verdict == "Fail"]
        assert failed
        assert all(each.bad <= each.total <= asked for each in failed)

    playing(story)


def test_a_leader_that_was_deposed_ends(playing: Play) -> None:
    """Somebody puts back an older Lease: whoever that names, it is not this process."""

    async def story(whole: Whole) -> None:
        with pytest.raises(DeposedError):
            async with whole.operator(leased=True) as leader:
                await until(leader.leads, "nobody leads", LEASE_S + 10.0)
                another = {"spec": {"holderIdentity": "another"}}
                await whole.direct.merge(LEASE, "model-rollouts", another)
                await asyncio.wait({leader.work}, timeout=RETRY_S + 3.0)
                assert leader.work.done()

    playing(story)
