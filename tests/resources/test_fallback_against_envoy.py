"""Second chances in the real Envoy: what users get, and what is counted of the model anyway."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from model_rollouts.resources.fallback import Fallback, On, Service, Static
from model_rollouts.resources.fallback_proxy import Chance, with_fallback
from model_rollouts.resources.proxy import ProxyPorts, bootstrap
from tests.resources.envoy import (
    REVISION,
    Proxied,
    Samples,
    eventually,
    free_ports,
    proxied,
    require_valid,
    serving,
)
from tests.resources.observed import observed
from tests.resources.test_websockets import ERRORS, counted, served

pytestmark = pytest.mark.timeout(60)

HUNG = 60.0
AFTER_MS = 400
ANSWER = '{"delayed": null}'
STATIC = Chance(
    Fallback(Static(ANSWER, "application/json"), after_ms=AFTER_MS), "flights", "arrival-delay"
)
TO_SERVICE = replace(STATIC, fallback=replace(STATIC.fallback, to=Service("rules", 8000)))


async def model(request: web.Request) -> web.StreamResponse:
    """Answers with a status after a delay; or breaks off before its answer, or in the middle."""
    asked = request.query
    await asyncio.sleep(float(asked.get("delay", "0")))
    assert request.transport is not None
    if "breaks" in asked:
        request.transport.abort()
    if "parts" not in asked:
        headers = {"x-model-fallback": "mine", "x-model-outcome": "500 via_upstream"}
        return web.Response(status=int(asked.get("status", "200")), text="model", headers=headers)
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b"first ")
    await asyncio.sleep(float(asked["parts"]))
    if "torn" in asked:
        request.transport.abort()
    await answer.write(b"last")
    return answer


def answered(samples: Samples, hop: str) -> int:
    """The answers of a hop."""
    return int(
        sum(
            value
            for (metric, labels), value in samples.items()
            if metric == "envoy_http_downstream_rq_completed"
            and ("envoy_http_conn_manager_prefix", hop) in labels
        )
    )


async def counts(proxy: Proxied, bad: int, total: int, fallback: int) -> None:
    """Wait until so much is counted of the model, and so many answers of the fallback."""

    async def told() -> bool:
        samples = await proxy.samples()
        return (*counted(samples, ERRORS), answered(samples, "fallback")) == (bad, total, fallback)

    await eventually(told, f"{bad} bad of {total} of the model, {fallback} answers of the fallback")


@contextlib.asynccontextmanager
async def with_service(
    handler: Callable[[web.Request], Any], chance: Chance = TO_SERVICE, **options: Any
) -> AsyncIterator[Proxied]:
    """A proxy whose fallback is a Service with that handler."""
    (port,) = free_ports(1)
    async with (
        serving(handler, port),
        proxied(chance=chance, change=to_port(port), **options) as proxy,
    ):
        yield proxy


def to_port(port: int) -> Callable[[dict[str, Any]], None]:
    """The name of the Service is one that only a cluster knows."""

    def change(config: dict[str, Any]) -> None:
        cluster = next(
            each for each in config["static_resources"]["clusters"] if each["name"] == "service"
        )
        (endpoints,) = cluster["load_assignment"]["endpoints"]
        (endpoint,) = endpoints["lb_endpoints"]
        address = endpoint["endpoint"]["address"]["socket_address"]
        assert address == {"address": "rules.flights.svc", "port_value": 8000}
        address |= {"address": "127.0.0.1", "port_value": port}

    return change


def nobody_listens(config: dict[str, Any]) -> None:
    """The model server has no port."""
    for cluster in config["static_resources"]["clusters"]:
        if cluster["name"] == "live":
            (endpoints,) = cluster["load_assignment"]["endpoints"]
            (endpoint,) = endpoints["lb_endpoints"]
            endpoint["endpoint"]["address"]["socket_address"]["port_value"] = 1


@pytest.mark.parametrize(
    "path", ["/?status=500", "/?status=503", "/?breaks=1", f"/?delay={HUNG}", "/?status=599"]
)
def test_users_get_the_fallback_and_the_model_has_failed(path: str) -> None:
    async def scenario() -> None:
        async with proxied(chance=STATIC, model=model) as proxy:
            answer = await proxy.ask(proxy.ports.live, path, headers={"x-request-id": "mine"})

            assert (answer.status, await answer.text()) == (200, ANSWER)
            assert answer.headers.getall("x-model-fallback") == ["Static"]
            assert answer.headers["content-type"] == "application/json"
            # In whose place it was given, and a name as any other answer has.
            assert answer.headers.getall("x-model-revision") == [REVISION]
            (name,) = answer.headers.getall("x-prediction-id")
            assert name.endswith(f".{REVISION}.mine")
            await counts(proxy, bad=1, total=1, fallback=1)

    asyncio.run(scenario())


def test_users_get_the_fallback_while_nobody_listens() -> None:
    async def scenario() -> None:
        async with proxied(chance=STATIC, change=nobody_listens) as proxy:
            answer = await proxy.ask(proxy.ports.live)

            assert (answer.status, answer.headers["x-model-fallback"]) == (200, "Static")
            await counts(proxy, bad=1, total=1, fallback=1)

    asyncio.run(scenario())


def test_what_the_model_answers_passes_as_it_is() -> None:
    async def scenario() -> None:
        async with proxied(chance=STATIC, model=model) as proxy:
            for status in (200, 404, 429):
                answer = await proxy.ask(proxy.ports.live, f"/?status={status}")

                assert (answer.status, await answer.text()) == (status, "model")
                # Nobody but the proxy says that a fallback answered, or what failed.
                assert "x-model-fallback" not in answer.headers
                assert "x-model-outcome" not in answer.headers
                assert len(answer.headers.getall("x-prediction-id")) == 1
            await counts(proxy, bad=1, total=3, fallback=0)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("on", "given"),
    [
        (On.SERVER_ERROR, ["500"]),
        (On.CONNECT_FAILURE, ["breaks"]),
        (On.TIMEOUT, ["hangs"]),
    ],
)
def test_only_what_is_asked_for_gives_a_second_chance(on: On, given: list[str]) -> None:
    async def scenario() -> None:
        after = AFTER_MS if on is On.TIMEOUT else None
        chance = replace(
            STATIC, fallback=replace(STATIC.fallback, on=frozenset({on}), after_ms=after)
        )
        paths = {"500": "/?status=500", "breaks": "/?breaks=1", "hangs": "/?delay=1"}
        async with proxied(chance=chance, model=model) as proxy:
            found = [
                name
                for name, path in paths.items()
                if "x-model-fallback" in (await proxy.ask(proxy.ports.live, path)).headers
            ]
            assert found == given

    asyncio.run(scenario())


def test_an_answer_that_has_begun_is_not_taken_back() -> None:
    async def scenario() -> None:
        async with proxied(chance=STATIC, model=model) as proxy:
            # Longer than the model has until it begins.
            slow = await proxy.ask(proxy.ports.live, "/?parts=1")
            assert (slow.status, await slow.text()) == (200, "first last")
            with pytest.raises(aiohttp.ClientPayloadError):
                await proxy.ask(proxy.ports.live, "/?parts=0.1&torn=1")
            assert answered(await proxy.samples(), "fallback") == 0

    asyncio.run(scenario())


def test_shadow_has_no_second_chance() -> None:
    async def scenario() -> None:
        async with proxied(chance=STATIC, model=model) as proxy:
            answer = await proxy.ask(proxy.ports.shadow, "/?status=500")

            assert (answer.status, await answer.text()) == (500, "model")
            assert answered(await proxy.samples(), "fallback") == 0

    asyncio.run(scenario())


def test_a_client_that_gives_up_counts_once_and_asks_no_fallback() -> None:
    async def scenario() -> None:
        async with proxied(chance=STATIC, model=model) as proxy:
            hurried = aiohttp.ClientTimeout(total=AFTER_MS / 4000)
            with pytest.raises(TimeoutError):
                await proxy.ask(proxy.ports.live, f"/?delay={HUNG}", timeout=hurried)

            await counts(proxy, bad=1, total=1, fallback=0)

    asyncio.run(scenario())


def test_websockets_pass_and_count_as_before() -> None:
    async def scenario() -> None:
        async with proxied(chance=STATIC, model=served) as proxy:
            session = await proxy.session.ws_connect(proxy.url(proxy.ports.live))
            for _ in range(2):
                await session.send_str("hello")
                assert (await session.receive()).data == "hello"
                # Longer than an answer may take to begin.
                await asyncio.sleep(AFTER_MS / 1000)
            await session.close()
            await counts(proxy, bad=0, total=1, fallback=0)

    asyncio.run(scenario())


def test_a_service_is_asked_as_the_model_was() -> None:
    asked: list[tuple[Any, ...]] = []

    async def rules(request: web.Request) -> web.Response:
        told = request.headers.get("x-model-fallback-of")
        asked.append((request.method, request.path_qs, await request.text(), told))
        return web.Response(text="by rules")

    async def scenario() -> None:
        body = "x" * 2000
        async with with_service(rules, model=model) as proxy:
            url = proxy.url(proxy.ports.live, "/v2/infer?status=500")
            async with proxy.session.post(url, data=body) as answer:
                assert (answer.status, await answer.text()) == (200, "by rules")
                assert answer.headers["x-model-fallback"] == "Service"

        assert asked == [("POST", "/v2/infer?status=500", body, REVISION)]

    asyncio.run(scenario())


def test_a_service_gets_no_body_that_it_is_not_to_get() -> None:
    asked: list[tuple[str, str]] = []

    async def rules(request: web.Request) -> web.Response:
        asked.append((request.method, await request.text()))
        return web.Response(text="by rules")

    async def scenario() -> None:
        chance = replace(TO_SERVICE, fallback=replace(TO_SERVICE.fallback, resend=False))
        async with with_service(rules, chance, model=model) as proxy:
            url = proxy.url(proxy.ports.live, "/?status=500")
            for _ in range(2):
                async with proxy.session.post(url, data="private") as answer:
                    assert (answer.status, await answer.text()) == (200, "by rules")

        assert asked == [("POST", "")] * 2

    asyncio.run(scenario())


def test_a_request_that_is_too_long_to_be_kept_has_no_second_chance() -> None:
    async def scenario() -> None:
        chance = replace(STATIC, fallback=replace(STATIC.fallback, max_body=4096))
        async with proxied(chance=chance, model=reads_first) as proxy:
            url = proxy.url(proxy.ports.live)
            for size, status in ((4000, 200), (40_000, 500)):
                async with proxy.session.post(url, data=b"x" * size) as answer:
                    assert answer.status == status

    async def reads_first(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=500)

    asyncio.run(scenario())


def test_a_service_that_is_not_there_is_known_and_its_error_told() -> None:
    async def healthy(proxy: Proxied) -> float | None:
        metric = "envoy_cluster_membership_healthy"
        samples = (await proxy.samples()).items()
        return next((value for (name, _), value in samples if name == metric), None)

    async def rules(_: web.Request) -> web.Response:
        return web.Response()

    async def scenario() -> None:
        (port,) = free_ports(1)
        async with proxied(chance=TO_SERVICE, change=to_port(port), model=model) as proxy:

            async def is_gone() -> bool:
                return await healthy(proxy) == 0

            await eventually(is_gone, "the Service takes no connection")
            answer = await proxy.ask(proxy.ports.live, "/?status=500")
            assert (answer.status, answer.headers["x-model-fallback"]) == (503, "Service")
            async with serving(rules, port):

                async def is_there() -> bool:
                    return await healthy(proxy) == 1

                await eventually(is_there, "the Service takes connections")
                answer = await proxy.ask(proxy.ports.live, "/?status=500")
                assert answer.status == 200

    asyncio.run(scenario())


def test_a_fallback_has_as_long_as_the_model_had() -> None:
    async def hangs(_: web.Request) -> web.Response:
        await asyncio.sleep(HUNG)
        return web.Response()

    async def scenario() -> None:
        async with with_service(hangs, model=model) as proxy:
            assert (await proxy.ask(proxy.ports.live, "/?status=500")).status == 504

    asyncio.run(scenario())


def test_no_more_than_so_many_are_answered_by_the_fallback_at_once() -> None:
    goes_on = asyncio.Event()
    waiting = 0

    async def rules(_: web.Request) -> web.Response:
        nonlocal waiting
        waiting += 1
        await goes_on.wait()
        return web.Response()

    async def scenario() -> None:
        fallback = replace(TO_SERVICE.fallback, max_concurrent=2, after_ms=30_000)
        chance = replace(TO_SERVICE, fallback=fallback)
        async with with_service(rules, chance, model=model) as proxy:
            path = "/?status=500"
            first = [asyncio.create_task(proxy.ask(proxy.ports.live, path)) for _ in range(2)]

            async def both_wait() -> bool:
                return waiting == 2

            await eventually(both_wait, "both are with the fallback")
            # The model's own answer, and at once.
            assert (await proxy.ask(proxy.ports.live, path)).status == 500
            goes_on.set()
            assert [(await each).status for each in first] == [200, 200]
            assert (await proxy.ask(proxy.ports.live, path)).status == 200

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("of", "status"), [("arrival-delay-fedcba9876", 508), ("carrier-0123456789", 500)]
)
def test_a_second_chance_has_none_of_its_own(of: str, status: int) -> None:
    """Two models that stand in for each other ask twice, and one that stands in for itself once."""

    async def scenario() -> None:
        async with proxied(chance=STATIC, model=model) as proxy:
            headers = {"x-model-fallback-of": of}
            answer = await proxy.ask(proxy.ports.live, "/?status=500", headers=headers)

            assert answer.status == status
            asked = int(status == 500)
            await counts(proxy, bad=asked, total=asked, fallback=0)

    asyncio.run(scenario())


def test_a_client_cannot_steer_second_chances() -> None:
    async def scenario() -> None:
        async with proxied(chance=STATIC, model=model) as proxy:
            wishes = {
                "x-envoy-max-retries": "5",
                "x-envoy-retry-on": "5xx",
                "x-envoy-upstream-rq-per-try-timeout-ms": "1",
                "x-model-shadow": "true",
            }
            slow = await proxy.ask(proxy.ports.live, "/?delay=0.1", headers=wishes)

            assert (slow.status, "x-model-fallback" in slow.headers) == (200, False)
            await counts(proxy, bad=0, total=1, fallback=0)

    asyncio.run(scenario())


def test_the_observer_is_told_what_the_model_answered() -> None:
    async def scenario() -> None:
        async with (
            observed(model=model, chance=STATIC) as pod,
            pod.receiving() as receiver,
        ):
            headers = {"x-request-id": "mine"}
            url = pod.proxy.url(pod.proxy.ports.live, "/?status=500")
            async with pod.proxy.session.post(url, data=b"in", headers=headers) as answer:
                assert await answer.text() == ANSWER

            async def came() -> bool:
                return bool(receiver.of("mine"))

            await eventually(came, "a record")
            (record,) = receiver.of("mine")
            assert (record.said["in"], record.said["out"]) == ("in", "model")
            assert record.code == 500

    asyncio.run(scenario())


@pytest.mark.parametrize("chance", [STATIC, TO_SERVICE])
def test_the_configuration_is_valid(chance: Chance) -> None:
    ports = ProxyPorts()
    config = with_fallback(bootstrap(REVISION, 8080, (100,), ports), chance, REVISION)

    require_valid("--config-yaml", json.dumps(config))
