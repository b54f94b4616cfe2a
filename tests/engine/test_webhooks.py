"""The whole operator behind a real admission webhook that fails, refuses or changes what it writes.

The histories of tests/faults once more, where the API server, its webhooks and its dry runs are the
real ones.
"""

import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.cluster.kinds import DEPLOYMENT, EVENT
from tests.engine.admission_webhook import ALLOWED, Answer, Review, Webhook, denied, patched
from tests.engine.whole_operator import MARKS, Whole, play, promoted
from tests.kubernetes_clients import until

pytestmark = MARKS

Story = Callable[[Whole, Webhook], Awaitable[None]]
Play = Callable[[Story], None]

GONE_S = 15.0
"""How long users may have a version that fails every request, with everything that starts for it
on a busy machine; without a fault it takes about five scrapes of a second."""


@pytest.fixture
def playing(api_server: ApiServer, namespace: str) -> Play:
    """Plays a story in a namespace of its own, in which the API server asks a webhook."""

    def go(story: Story) -> None:
        async def told(whole: Whole) -> None:
            webhook = Webhook(clock=time.monotonic)
            async with webhook.running(api_server, namespace):
                await story(whole, webhook)

        play(api_server, namespace, told)

    return go


async def two_in_canary(whole: Whole) -> None:
    """Version 1 serves, and version 2 has its first users and is good."""
    await whole.apply("v1", ("10%", "50%"))
    await whole.told("Full", "v1")
    await whole.apply("v2", ("10%", "50%"))
    await whole.told("Canary", "v2")


async def gone(whole: Whole, version: str = "v2") -> None:
    """Users have left the version."""
    revision = next(pod.revision for pod in _pods(whole) if pod.version == version)

    async def left() -> bool:
        return revision not in await whole.weights()

    await until(left, f"users stayed on {version}", GONE_S)


def _pods(whole: Whole) -> list[Any]:
    return [*whole.prometheus.pods.values(), *whole.prometheus.ended]


async def reason(whole: Whole, word: str) -> str:
    """The message of the condition with that reason, once there is one."""

    async def found() -> str | None:
        conditions = (await whole.status()).conditions
        return next((each.message for each in conditions if each.reason == word), None)

    message: str = await until(found, f"no condition told {word}", 10.0)
    return message


def resource(review: Review) -> str:
    """What is written, with its subresource."""
    of = review["resource"]["resource"]
    return f"{of}/{review['subResource']}" if review.get("subResource") else of


def is_scaling(review: Review) -> bool:
    """Whether a Deployment is given another number of pods, and nothing else."""
    return bool(review["options"]["fieldManager"].endswith("-scale"))


def test_a_version_is_rolled_back_while_pods_cannot_be_scaled(playing: Play) -> None:
    async def story(whole: Whole, webhook: Webhook) -> None:
        webhook.rule = lambda review: 500 if is_scaling(review) else ALLOWED
        whole.prometheus.errors = {"v2": 1.0}
        async with whole.operator():
            await whole.apply("v1", ("50%",), replicas=3)
            await whole.told("Full", "v1")
            await whole.apply("v2", ("10%", "50%"), replicas=3)
            await until(lambda: any(p.version == "v2" for p in _pods(whole)), "v2 never started")
            await until(lambda: whole.prometheus.requests_of("v2") > 0, "v2 got no users", 20)
            await gone(whole)

    playing(story)


def test_a_version_is_rolled_back_while_no_status_can_be_written(playing: Play) -> None:
    async def story(whole: Whole, webhook: Webhook) -> None:
        async with whole.operator():
            await two_in_canary(whole)
            webhook.rule = lambda review: (
                denied("statuses are frozen") if "status" in resource(review) else ALLOWED
            )
            whole.prometheus.errors = {"v2": 1.0}
            await gone(whole)

            async def told() -> bool:
                notes = [each["note"] for each in await whole.direct.all(EVENT)]
                return any("statuses are frozen" in note for note in notes)

            await until(told, "nobody was told", 20)
            webhook.rule = lambda review: ALLOWED
            await whole.told("RolledBack", "v2")

    playing(story)


def test_a_rollback_that_is_refused_is_told_and_tried_until_it_is_done(playing: Play) -> None:
    async def story(whole: Whole, webhook: Webhook) -> None:
        async with whole.operator():
            await two_in_canary(whole)

            def rule(review: Review) -> Answer:
                return 500 if resource(review) == "httproutes" else ALLOWED

            webhook.rule = rule
            whole.prometheus.errors = {"v2": 1.0}
            message = await reason(whole, "WriteRefused")
            assert "HTTPRoute" in message
            assert "the policy engine has no leader" in message
            # Long enough for a backoff that has grown as far as it may.
            begun = time.monotonic()
            await until(lambda: time.monotonic() - begun > 12, "time stands", 20)
            tries = [at for at, what in webhook.asked if what == "httproutes" and at >= begun]
            between = [later - at for at, later in itertools.pairwise(tries)]
            assert between
            assert max(between) <= 5.5, between
            webhook.rule = lambda review: ALLOWED
            allowed = time.monotonic()
            await gone(whole)
            assert time.monotonic() - allowed <= 5.5
            await whole.told("RolledBack", "v2")

    playing(story)


def test_a_route_that_a_webhook_changes_is_judged_on_and_told(playing: Play) -> None:
    async def story(whole: Whole, webhook: Webhook) -> None:
        def rule(review: Review) -> Answer:
            if resource(review) != "httproutes":
                return ALLOWED
            path = "/spec/rules/0/timeouts"
            return patched({"op": "add", "path": path, "value": {"request": "15s"}})

        async with whole.operator():
            await whole.apply("v1")
            await whole.told("Full", "v1")
            webhook.rule = rule
            await whole.apply("v2", ("10%", "50%"))
            await whole.told("Canary", "v2")

            async def told() -> bool:
                message = (await whole.status()).message or ""
                return "Something changes the HTTPRoute" in message

            await until(told, "the webhook was never told", 10)
            whole.prometheus.errors = {"v2": 1.0}
            await gone(whole)
            route = await whole.route()
            assert route["spec"]["rules"][0]["timeouts"] == {"request": "15s"}
            assert sum(what == "httproutes" for _, what in webhook.asked) <= 10

    playing(story)


def test_trouble_with_the_next_version_does_not_delay_a_rollback(playing: Play) -> None:
    async def story(whole: Whole, webhook: Webhook) -> None:
        async with whole.operator():
            await two_in_canary(whole)
            given = await whole.weights()
            # The dry run of the next version is asked about as well.
            webhook.rule = lambda review: 500 if review.get("dryRun") else ALLOWED
            await whole.apply("v3", ("10%", "50%"))
            message = await reason(whole, "Checking")
            assert "the policy engine has no leader" in message
            assert await whole.weights() == given, "nothing is known of version 3 yet"
            whole.prometheus.errors = {"v2": 1.0}
            await gone(whole)

    playing(story)


def test_what_a_webhook_adds_to_the_pods_is_left_alone(playing: Play) -> None:
    """An agent, its volume, variables of every container, and other limits than were written."""

    def rule(review: Review) -> Answer:
        if resource(review) != "deployments":
            return ALLOWED
        pod = review["object"]["spec"]["template"]["spec"]
        if any(each["name"] == "agent" for each in pod["containers"]):
            return ALLOWED
        path, variable = "/spec/template/spec", {"name": "AGENT_HOST", "value": "127.0.0.1"}
        agent = {"name": "agent", "image": "agent:1", "volumeMounts": []}
        return patched(
            {"op": "add", "path": f"{path}/containers/-", "value": agent},
            {"op": "add", "path": f"{path}/containers/0/env", "value": [variable]},
            {"op": "add", "path": f"{path}/volumes/-", "value": {"name": "agent", "emptyDir": {}}},
            {
                "op": "add",
                "path": f"{path}/containers/0/resources",
                "value": {"limits": {"memory": "1Gi"}},
            },
            {
                "op": "add",
                "path": "/spec/template/metadata/annotations",
                "value": {"agent.example.com/injected": "true"},
            },
        )

    async def story(whole: Whole, webhook: Webhook) -> None:
        webhook.rule = rule
        async with whole.operator() as first:
            await two_in_canary(whole)
            await promoted(whole)
            await whole.reads(3)
            before = await first.writes()
            await whole.reads(5)
            assert await first.writes() == before
            deployments = await whole.direct.all(DEPLOYMENT)
            assert len(deployments) == 2
            for each in deployments:
                pod = each["spec"]["template"]["spec"]
                assert [each["name"] for each in pod["containers"]] == ["model", "agent"]
        async with whole.operator() as second:
            await whole.reads(3)
            assert (await second.writes())["deployments"] == 0
            status = await whole.status()
            assert [past.version for past in status.history] == ["v2", "v1"]

    playing(story)
