"""The whole operator while it is held, restarted or robbed of its status, on a real API server."""

import json

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.cluster.kinds import EVENT, MODEL_DEPLOYMENT
from model_rollouts.routes import reader
from tests.engine.whole_operator import MARKS, NAME, ON, OPERATOR, Play, Whole, play, promoted
from tests.kubernetes_clients import until

pytestmark = MARKS

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


def test_nothing_moves_while_prometheus_is_down(playing: Play) -> None:
    async def story(whole: Whole) -> None:
        async with whole.operator():
            await in_canary(whole)
            whole.prometheus.down = True
            await whole.told("Canary", "v2", "MetricsUnavailable")
            route = await whole.route()
            asked = whole.prometheus.refused + LONG
            await until(lambda: whole.prometheus.refused >= asked, "Prometheus is not asked")
            held = await whole.route()
            status = await whole.told("Canary", "v2", "MetricsUnavailable")
            whole.prometheus.down = False
            await promoted(whole)
            events = [
                each
                for each in await whole.direct.all(EVENT)
                if each["reason"] == "MetricsUnavailable"
            ]

        assert held["metadata"]["resourceVersion"] == route["metadata"]["resourceVersion"]
        (waits,) = [each for each in status.conditions if each.type == "Reconciling"]
        assert "HTTP 503" in waits.message
        # One for all who wait, on the operator's own pod.
        (event,) = events
        assert (event["regarding"]["kind"], event["regarding"]["name"]) == ("Pod", OPERATOR)
        assert "HTTP 503" in event["note"]

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
