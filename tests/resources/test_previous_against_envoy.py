"""Two revisions of a model whose real Envoys stand in for each other."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from model_rollouts.resources.fallback import Fallback, Previous, Static
from model_rollouts.resources.fallback_proxy import Chance, with_fallback
from model_rollouts.resources.proxy import ProxyPorts, bootstrap
from tests.resources.envoy import REVISION, Proxied, proxied, require_valid
from tests.resources.test_fallback_against_envoy import AFTER_MS, HUNG, answered, counts, model
from tests.resources.test_websockets import ERRORS, counted

pytestmark = pytest.mark.timeout(60)

BEFORE = "arrival-delay-fedcba9876"
CHANCE = Chance(Fallback(Previous(), after_ms=AFTER_MS), "flights", "arrival-delay")


def backed_by(port: int) -> Any:
    """The Service of what stands in has a name that only a cluster knows."""

    def change(config: dict[str, Any]) -> None:
        clusters = {each["name"]: each for each in config["static_resources"]["clusters"]}
        (endpoints,) = clusters["service"]["load_assignment"]["endpoints"]
        (endpoint,) = endpoints["lb_endpoints"]
        address = endpoint["endpoint"]["address"]["socket_address"]
        assert address == {"address": f"{REVISION}-backup.flights.svc", "port_value": 80}
        address |= {"address": "127.0.0.1", "port_value": port}

    return change


async def good(request: web.Request) -> web.Response:
    """A model that answers everything, with what it was told."""
    told = {name: request.headers.get(name) for name in ("x-model-fallback-of", "x-model-shadow")}
    return web.json_response({**told, "body": await request.text()})


@contextlib.asynccontextmanager
async def pair(
    before: Any = good, chance: Chance | None = CHANCE
) -> AsyncIterator[tuple[Proxied, Proxied]]:
    """The proxy of the newer revision, and that of the one that stands in for it."""
    async with proxied(chance=chance, model=before, revision=BEFORE) as first:
        port = first.standby if chance == CHANCE else first.ports.live
        async with proxied(chance=CHANCE, model=model, change=backed_by(port)) as second:
            yield second, first


@pytest.mark.parametrize("path", ["/?status=500", "/?breaks=1", f"/?delay={HUNG}"])
def test_users_get_the_answer_of_the_revision_before(path: str) -> None:
    async def scenario() -> None:
        async with pair() as (newer, before):
            headers = {"x-model-shadow": "true"}
            url = newer.url(newer.ports.live, path)
            async with newer.session.post(url, data=b"late?", headers=headers) as answer:
                told = json.loads(await answer.text())

            assert (answer.status, told["body"]) == (200, "late?")
            assert answer.headers["x-model-fallback"] == "PreviousRevision"
            assert answer.headers["x-model-revision"] == BEFORE
            assert f".{BEFORE}." in answer.headers["x-prediction-id"]
            assert told["x-model-fallback-of"] == f"{REVISION}; previous"
            assert told["x-model-shadow"] is None
            await counts(newer, bad=1, total=1, fallback=1)
            # What one version could not answer is no request of the one that it is compared with.
            samples = await before.samples()
            assert (*counted(samples, ERRORS), answered(samples, "users")) == (0, 0, 0)

    asyncio.run(scenario())


def test_what_stands_in_has_no_second_chance_and_its_error_is_told() -> None:
    """Each asks once: two revisions that both fail do not ask each other for ever."""

    async def scenario() -> None:
        async with pair(before=model) as (newer, before):
            answer = await newer.ask(newer.ports.live, "/?status=503")

            assert (answer.status, answer.headers["x-model-fallback"]) == (503, "PreviousRevision")
            await counts(newer, bad=1, total=1, fallback=1)
            assert answered(await before.samples(), "fallback") == 0

    asyncio.run(scenario())


def test_one_that_stands_in_for_itself_asks_its_model_twice_and_no_more() -> None:
    """Whoever points its Service at its own pods makes no loop."""
    asked = 0

    async def fails(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=500)

    async def scenario() -> None:
        ports: list[int] = []

        def change(config: dict[str, Any]) -> None:
            listeners = {each["name"]: each for each in config["static_resources"]["listeners"]}
            ports.append(listeners["standby"]["address"]["socket_address"]["port_value"])
            backed_by(ports[0])(config)

        async with proxied(chance=CHANCE, model=fails, change=change) as proxy:
            assert (await proxy.ask(proxy.ports.live)).status == 500
            assert asked == 2

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "older", [None, replace(CHANCE, fallback=Fallback(Static("{}", "a/b"), after_ms=AFTER_MS))]
)
def test_a_revision_that_was_made_before_stands_in_too(older: Chance | None) -> None:
    """Its proxy knows no standby. It takes no request for a loop, and gives no second answer."""

    async def scenario() -> None:
        async with pair(before=model, chance=older) as (newer, before):
            answer = await newer.ask(newer.ports.live, "/?status=500")
            assert (answer.status, await answer.text()) == (500, "model")
            assert answer.headers["x-model-fallback"] == "PreviousRevision"
            assert answered(await before.samples(), "fallback") == 0

    asyncio.run(scenario())


def test_users_reach_a_model_that_stands_by_as_they_did() -> None:
    async def scenario() -> None:
        async with proxied(chance=CHANCE, model=model, change=backed_by(1)) as proxy:
            assert (await proxy.ask(proxy.ports.live, "/")).status == 200
            assert (await proxy.ask(proxy.ports.shadow, "/?status=500")).status == 500
            await counts(proxy, bad=0, total=1, fallback=0)

    asyncio.run(scenario())


def test_what_comes_from_its_own_pod_is_refused_as_at_the_other_ports() -> None:
    async def scenario() -> None:
        async with proxied(chance=CHANCE, in_mesh=False, change=backed_by(1)) as proxy:
            with pytest.raises(aiohttp.ClientError):
                await proxy.ask(proxy.standby)

    asyncio.run(scenario())


def test_the_configuration_is_valid() -> None:
    config = with_fallback(bootstrap(REVISION, 8080, (100,), ProxyPorts()), CHANCE, REVISION)

    require_valid("--config-yaml", json.dumps(config))
