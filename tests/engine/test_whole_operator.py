"""The whole operator from the spec to the users, on a real API server."""

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.cluster.kinds import DEPLOYMENT
from tests.engine.whole_operator import MARKS, ON, Play, Whole, play, promoted

pytestmark = MARKS

MOST_WRITES = 18
"""Of one promotion, with the objects of the new version and what is only tried; Events apart, which
come late."""

SHADOW_WRITES = 3
"""More of a promotion with shadow: one of the status for each stage of the mirror."""

LONG = 3
"""Times that samples are read: more than a canary takes that nothing holds."""


@pytest.fixture
def playing(api_server: ApiServer, namespace: str) -> Play:
    """Plays a story in a namespace of its own."""
    return lambda story: play(api_server, namespace, story)


def test_a_good_version_is_promoted_and_a_bad_one_is_rolled_back(playing: Play) -> None:
    async def story(whole: Whole) -> None:
        whole.prometheus.errors = {"v3": 0.2}
        async with whole.operator() as operator:
            await whole.apply("v1")
            await whole.told("Full", "v1")
            before = await operator.writes()
            await whole.apply("v2")
            await promoted(whole)
            written = await operator.writes() - before
            serving = await whole.weights()
            await whole.apply("v3")
            status = await whole.told("RolledBack", "v3")

        assert written.total() - written["events"] <= MOST_WRITES, written
        assert await whole.weights() == serving
        assert [(past.version, past.outcome) for past in status.history] == [
            ("v3", "RolledBack"),
            ("v2", "Promoted"),
            ("v1", "Promoted"),
        ]
        (failed,) = [each for each in status.objectives if each.verdict == "Fail"]
        assert failed.name == "errors"
        assert 0.15 < failed.bad / failed.total < 0.25
        assert whole.prometheus.requests_of("v3") > 0

    playing(story)


def test_a_version_is_judged_in_shadow_before_any_user_sees_it(playing: Play) -> None:
    async def story(whole: Whole) -> None:
        whole.prometheus.errors = {"v3": 0.3}
        async with whole.operator() as operator:
            await whole.apply("v1", shadow=ON)
            await whole.told("Full", "v1")
            before = await operator.writes()
            await whole.apply("v2", shadow=ON)
            shadowed = await whole.told("Shadow", "v2")
            unseen = whole.prometheus.requests_of("v2")
            await promoted(whole)
            written = await operator.writes() - before
            copied = await whole.status()
            await whole.apply("v3", shadow=ON)
            ended = await whole.told("RolledBack", "v3")

        assert unseen == 0
        assert shadowed.shadow is not None
        assert shadowed.candidate is not None
        assert shadowed.candidate.weight == "0%"
        assert whole.prometheus.copies_of("v2") >= 1_000
        assert copied.shadow is None or copied.shadow.copies >= 1_000
        assert written.total() - written["events"] <= MOST_WRITES + SHADOW_WRITES, written
        assert whole.prometheus.copies_of("v3") > 0
        assert whole.prometheus.requests_of("v3") == 0
        assert ended.history[0].outcome == "RolledBack"

    playing(story)


def test_a_version_that_is_slow_in_the_tail_is_rolled_back(playing: Play) -> None:
    """One answer in five takes three times as long as it may, and none has an error."""
    within = {"within": "320ms", "share": "99%"}
    latency = {"name": "latency", "type": "Latency", "latency": within}

    async def story(whole: Whole) -> None:
        whole.prometheus.slow = {"v2": {0.35: 0.002}, "v3": {1.0: 0.2}}
        async with whole.operator() as operator:
            await whole.apply("v1")
            await whole.told("Full", "v1")
            before = await operator.writes()
            # Version 1 was made without the objective, and has no edge at its time.
            await whole.apply("v2", ("50%",), latency)
            await whole.told("Canary", "v2")
            await promoted(whole)
            written = await operator.writes() - before
            serving = await whole.weights()
            await whole.apply("v3", ("50%",), latency)
            status = await whole.told("RolledBack", "v3")

        assert written.total() - written["events"] <= MOST_WRITES, written
        assert await whole.weights() == serving
        (failed,) = [each for each in status.objectives if each.verdict == "Fail"]
        assert failed.name == "latency"
        assert 0.1 < failed.bad / failed.total < 0.3
        assert "99 % of requests must take at most 320 ms" in failed.message
        told = {each["type"] for _, body in whole.written for each in body["conditions"]}
        assert "NoBucketBoundary" in told

    playing(story)


def test_a_version_that_fails_after_its_watch_is_told_and_told_when_it_is_over(
    playing: Play,
) -> None:
    async def story(whole: Whole) -> None:
        async with whole.operator() as operator:
            await whole.apply("v1")
            settled = await whole.told("Full", "v1", "StableReady")
            before = await operator.writes()
            await whole.reads(LONG)
            written = await operator.writes() - before
            whole.prometheus.errors = {"v1": 1.0}
            failing = await whole.told("Full", "v1", "NotAnswering")
            whole.prometheus.errors = {}
            over = await whole.told("Full", "v1", "StableReady")

        assert "Watching" not in {each.type for each in settled.conditions}
        assert written.total() == written["events"], written
        assert (failing.action, over.evidence) == ("Now", None)
        (lost,) = [each for each in failing.conditions if each.type == "Available"]
        assert lost.status == "False"
        assert "Stable fails most requests" in lost.message
        assert not whole.unsound()

    playing(story)


def test_with_one_pod_to_spare_users_move_with_the_pods(playing: Play) -> None:
    async def story(whole: Whole) -> None:
        async with whole.operator():
            await whole.apply("v1", replicas=3, extra=1)
            await whole.told("Full", "v1")
            await whole.apply("v2", replicas=3, extra=1)
            canary = await whole.told("Canary", "v2")
            exchange = await whole.told("Canary", "v2", reason="Exchanging")
            await promoted(whole)

        assert canary.candidate is not None
        assert exchange.candidate is not None
        assert canary.candidate.weight == "27%"
        assert exchange.candidate.weight in ("33.3333%", "66.6667%")
        pods = {
            deployment["metadata"]["name"]: deployment["spec"]["replicas"]
            for deployment in await whole.direct.all(DEPLOYMENT)
        }
        (serving,) = await whole.weights()
        assert pods.pop(serving) == 3
        assert list(pods.values()) in ([0], [1])  # the watch is just over, or not yet

    playing(story)
