"""The whole operator from the spec to the users, on a real API server."""

import json

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.cluster.kinds import DEPLOYMENT, MODEL_DEPLOYMENT
from model_rollouts.routes import reader
from tests.engine.whole_operator import MARKS, NAME, ON, Play, Whole, play
from tests.kubernetes_clients import until

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


async def in_canary(whole: Whole, *, steps: tuple[str, ...] = ("50%",)) -> dict[str, int]:
    """Version 2 has its first users beside version 1; the weights of the route."""
    await whole.apply("v1", steps)
    await whole.told("Full", "v1")
    await whole.apply("v2", steps)
    await whole.told("Canary", "v2")
    return await whole.weights()


async def promoted(whole: Whole, version: str = "v2") -> None:
    """Wait for the end of the story: all users have the version, and the history tells it."""
    status = await whole.told("Full", version)
    assert status.stable is not None
    assert status.stable.version == version
    assert list(await whole.weights()) == [status.stable.revision]
    assert [(past.version, past.outcome) for past in status.history[:2]] == [
        (version, "Promoted"),
        ("v1", "Promoted"),
    ]


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


def test_a_status_that_is_wiped_in_shadow_is_found_again(playing: Play) -> None:
    async def story(whole: Whole) -> None:
        async with whole.operator():
            await whole.apply("v1")
            await whole.told("Full", "v1")
            await whole.apply("v2", shadow=ON)
            await whole.told("Shadow", "v2")
            whole.prometheus.rate = 0.0
            before = reader.mirror(await whole.route())
            await whole.direct.tell(MODEL_DEPLOYMENT, NAME, None)
            await whole.told("Shadow", "v2")
            after = reader.mirror(await whole.route())
            whole.prometheus.rate = 1_000.0
            await whole.told("Full", "v2")

        assert before is not None
        assert after is not None
        assert after[0] == before[0]

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


def test_nothing_moves_while_prometheus_is_down(playing: Play) -> None:
    async def story(whole: Whole) -> None:
        async with whole.operator():
            await in_canary(whole)
            whole.prometheus.down = True
            await whole.told("Canary", "v2", "MetricsUnavailable")
            route = await whole.route()
            await whole.reads(LONG)
            held = await whole.route()
            status = await whole.told("Canary", "v2", "MetricsUnavailable")
            whole.prometheus.down = False
            await promoted(whole)

        assert held["metadata"]["resourceVersion"] == route["metadata"]["resourceVersion"]
        (waits,) = [each for each in status.conditions if each.type == "Reconciling"]
        assert "HTTP 503" in waits.message

    playing(story)


def test_a_candidate_that_cannot_be_judged_is_held(playing: Play) -> None:
    async def story(whole: Whole) -> None:
        whole.prometheus.unscraped, whole.prometheus.doubled = {"v2"}, {"v2"}
        async with whole.operator():
            await whole.apply("v1")
            first = await whole.told("Full", "v1")
            await whole.apply("v2")
            await whole.told("Starting", "v2", "ScrapeMissing")
            await whole.reads(1)
            assert first.stable is not None
            assert list(await whole.weights()) == [first.stable.revision]
            assert whole.prometheus.requests_of("v2") == 0

            whole.prometheus.unscraped = set()
            await whole.told("Canary", "v2", "DuplicateTargets")
            given = await whole.weights()
            await whole.reads(LONG)
            await whole.told("Canary", "v2", "DuplicateTargets")
            held = await whole.weights()
            whole.prometheus.doubled = set()
            await promoted(whole)

        assert sorted(given.values()) == [50, 50]
        assert held == given

    playing(story)


def test_a_scrape_that_stops_in_a_canary_holds_it_and_is_named(playing: Play) -> None:
    async def story(whole: Whole) -> None:
        async with whole.operator():
            await in_canary(whole)
            whole.prometheus.unscraped = {"v2"}
            await whole.told("Canary", "v2", "ScrapeMissing")
            route = await whole.route()
            await whole.reads(LONG)
            await whole.told("Canary", "v2", "ScrapeMissing")
            held = await whole.route()
            whole.prometheus.unscraped = set()
            await promoted(whole)

        assert held["metadata"]["resourceVersion"] == route["metadata"]["resourceVersion"]

    playing(story)


def test_a_status_that_is_wiped_in_a_canary_is_found_again(playing: Play) -> None:
    async def story(whole: Whole) -> None:
        async with whole.operator():
            given = await in_canary(whole)
            # Without users nothing is decided until the status is back.
            whole.prometheus.rate = 0.0
            before = await whole.status()
            await whole.direct.tell(MODEL_DEPLOYMENT, NAME, None)
            again = await whole.told("Canary", "v2")
            held = await whole.weights()
            whole.prometheus.rate = 1_000.0
            end = await whole.told("Full", "v2")

        assert held == given
        assert (again.stable, again.candidate) == (before.stable, before.candidate)
        assert end.stable is not None
        assert set(await whole.weights()) == {end.stable.revision}

    playing(story)


def test_another_operator_goes_on_in_the_middle_of_a_canary(playing: Play) -> None:
    async def story(whole: Whole) -> None:
        async with whole.operator():
            await in_canary(whole, steps=("20%", "50%"))

            async def second_step() -> bool:
                return (await whole.status()).step == 2

            await until(second_step, "the second step was never told")
        middle = await whole.status()
        assert middle.phase == "Canary"
        written = len(whole.written)
        async with whole.operator():
            await promoted(whole)

        in_canary_told = [status for _, status in whole.written if status["phase"] == "Canary"]
        # One trial from the first user to the last, so that no evidence was begun anew.
        assert len({str(json.loads(each["evidence"])["trial"]) for each in in_canary_told}) == 1
        totals = [
            objective["total"]
            for status in in_canary_told
            for objective in status["objectives"]
            if objective["name"] == "errors"
        ]
        assert totals == sorted(totals), "evidence was lost"
        assert totals[-1] > 0
        assert len(whole.written) > written

    playing(story)
