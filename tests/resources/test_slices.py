"""Slices in the real Envoy: which requests are in them, and what became of each."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from model_rollouts.metrics.objectives import GRPC_ERRORS
from model_rollouts.resources import slices
from model_rollouts.resources.fallback import Fallback, Static
from model_rollouts.resources.fallback_proxy import Chance
from model_rollouts.resources.proxy import ProxyPorts, bootstrap
from model_rollouts.resources.slices import CountedSlice, Slice
from tests.resources.envoy import REVISION, Proxied, Samples, eventually, proxied, require_valid

pytestmark = pytest.mark.timeout(60)

FOREVER = 60.0
GIVES_UP_AFTER_S = 0.2

LONG = Slice(name="long-haul", header="x-haul", value="long")
LONGER = Slice(name="long-haul-b", header="x-haul", prefix="longer-")
LARGE = Slice(name="large", at_least=8192)
HAUL = {"x-haul": "long"}

Scenario = Coroutine[Any, Any, None]


def of(samples: Samples, slice: Slice, listener: str = "live") -> Counter[str]:
    """The counts of a slice by name; those that are not there yet are 0."""
    labels = {
        ("envoy_slice", slice.name),
        ("envoy_http_conn_manager_prefix", listener),
        ("modelrollouts_revision", REVISION),
    }
    found: Counter[str] = Counter()
    for (name, each), value in samples.items():
        if name.startswith("envoy_slice_") and labels <= each:
            edge = "".join(f"<={text}" for label, text in each if label == "le")
            found[name.removeprefix("envoy_slice_") + edge] = round(value)
    return found


async def counted(proxy: Proxied, slice: Slice, name: str, value: float, at: str = "live") -> None:
    async def there() -> bool:
        return of(await proxy.samples(), slice, at)[name] == value

    await eventually(there, f"{name} of {slice.name} is {value:g}")


async def gives_up(proxy: Proxied, path: str, **options: Any) -> None:
    timeout = aiohttp.ClientTimeout(total=GIVES_UP_AFTER_S)
    with pytest.raises(asyncio.TimeoutError):
        await proxy.ask(proxy.ports.live, path, timeout=timeout, **options)


def test_the_configuration_is_valid_and_has_nothing_that_envoy_will_drop() -> None:
    counted = (CountedSlice(LONG, (99,)), CountedSlice(LONGER), CountedSlice(LARGE))
    config = bootstrap(REVISION, 8080, (99,), ProxyPorts(), counted=counted)

    require_valid("--config-yaml", json.dumps(config))


def test_users_and_mirrored_requests_are_counted_apart_and_others_are_not() -> None:
    async def scenario() -> None:
        async with proxied(counted=(CountedSlice(LONG), CountedSlice(LONGER))) as proxy:
            live, shadow = proxy.ports.live, proxy.ports.shadow
            for headers in (HAUL, HAUL, {"x-haul": "longer-still"}, {"x-haul": "longer"}, {}):
                await proxy.ask(live, headers=headers)
            await proxy.ask(live, "/?status=500", headers=HAUL)
            await proxy.ask(live, "/?status=429", headers=HAUL)
            await proxy.ask(live, "/?status=404", headers=HAUL)
            await proxy.ask(shadow, "/?status=503", headers=HAUL)
            await counted(proxy, LONG, "total", 1, at="shadow")
            samples = await proxy.samples()

        assert of(samples, LONG) == {"total": 5, "failed": 2}
        assert of(samples, LONGER) == {"total": 1}
        assert of(samples, LONG, "shadow") == {"total": 1, "failed": 1}

    asyncio.run(scenario())


def test_a_slice_that_hangs_is_bad_and_slow_when_its_clients_have_left() -> None:
    async def scenario() -> None:
        async with proxied(counted=(CountedSlice(LONG, (99,)),)) as proxy:
            await proxy.ask(proxy.ports.live, headers=HAUL)
            for _ in range(3):
                await gives_up(proxy, f"/?delay={FOREVER}", headers=HAUL)
                await gives_up(proxy, f"/?delay={FOREVER}")
            await counted(proxy, LONG, "failed", 3)
            await counted(proxy, LONG, "time_count", 1)
            found = of(await proxy.samples(), LONG)

        assert (found["total"], found["failed"], found["given_up"]) == (4, 3, 3)
        # Who left has no time: the histogram is of the others, as that of all requests.
        assert (found["time_bucket<=99"], found["time_bucket<=+Inf"]) == (1, 1)

    asyncio.run(scenario())


@pytest.mark.parametrize("how", ["closes", "aborts"])
def test_an_answer_that_the_model_breaks_off_has_failed(how: str) -> None:
    async def breaks_off(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        await answer.write(b"the first half")
        assert request.transport is not None
        getattr(request.transport, {"closes": "close", "aborts": "abort"}[how])()
        return answer

    async def scenario() -> None:
        async with proxied(model=breaks_off, counted=(CountedSlice(LONG, (99,)),)) as proxy:
            for _ in range(3):
                with pytest.raises(aiohttp.ClientPayloadError):
                    await proxy.ask(proxy.ports.live, headers=HAUL)
            await counted(proxy, LONG, "failed", 3)
            found = of(await proxy.samples(), LONG)

        assert (found["total"], found["given_up"]) == (3, 3)

    asyncio.run(scenario())


def test_a_model_that_takes_no_connection_has_failed_and_nobody_gave_up() -> None:
    async def breaks_before_it_answers(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async def scenario() -> None:
        slices = (CountedSlice(LONG, (99,)),)
        async with proxied(model=breaks_before_it_answers, counted=slices) as proxy:
            assert (await proxy.ask(proxy.ports.live, headers=HAUL)).status == 503
            await counted(proxy, LONG, "failed", 1)
            await counted(proxy, LONG, "time_count", 1)
            assert of(await proxy.samples(), LONG)["given_up"] == 0

    asyncio.run(scenario())


def test_with_a_fallback_the_model_alone_is_counted_and_once() -> None:
    to = Static("{}", "application/json")
    chance = Chance(Fallback(to, after_ms=200), "flights", "arrival-delay")

    async def scenario() -> None:
        async with proxied(counted=(CountedSlice(LONG),), chance=chance) as proxy:
            for path in ("/", "/?status=500", f"/?delay={FOREVER}"):
                assert (await proxy.ask(proxy.ports.live, path, headers=HAUL)).status == 200
            await counted(proxy, LONG, "total", 3)
            assert of(await proxy.samples(), LONG)["failed"] == 2

    asyncio.run(scenario())


def test_each_slice_has_the_edges_of_its_own_thresholds() -> None:
    async def scenario() -> None:
        both = (CountedSlice(LONG, (49, 399)), CountedSlice(LARGE, (99,)))
        async with proxied(counted=both) as proxy:
            await proxy.ask(proxy.ports.live, "/?delay=0.1", headers=HAUL)
            await proxy.ask(proxy.ports.live, headers=HAUL, data=b"x" * 8192)
            await counted(proxy, LONG, "time_count", 2)
            await counted(proxy, LARGE, "time_count", 1)
            samples = await proxy.samples()

        found = of(samples, LONG)
        assert (found["time_bucket<=49"], found["time_bucket<=399"]) == (1, 2)
        # A request may be in two slices.
        assert {name for name in of(samples, LARGE) if "bucket" in name} == {
            "time_bucket<=99",
            "time_bucket<=+Inf",
        }

    asyncio.run(scenario())


def test_a_size_is_that_of_the_header_and_a_chunked_body_has_none() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"x" * 9000

    async def scenario() -> None:
        async with proxied(counted=(CountedSlice(LARGE),)) as proxy:
            for body in (b"x" * 8191, b"x" * 8192, b"x" * 100_000, chunks()):
                await proxy.ask(proxy.ports.live, data=body)
            await proxy.ask(proxy.ports.live)
            await counted(proxy, LARGE, "total", 2)

    asyncio.run(scenario())


def test_sessions_of_websockets_are_in_no_slice() -> None:
    async def echoes(request: web.Request) -> web.StreamResponse:
        if "upgrade" not in request.headers:
            return web.Response()
        session = web.WebSocketResponse()
        await session.prepare(request)
        await session.receive()
        return session

    async def scenario() -> None:
        async with proxied(model=echoes, counted=(CountedSlice(LONG),)) as proxy:
            async with proxy.session.ws_connect(proxy.url(proxy.ports.live), headers=HAUL) as ws:
                await ws.send_str("a")
            await proxy.ask(proxy.ports.live, headers=HAUL)
            await counted(proxy, LONG, "total", 1)
            assert of(await proxy.samples(), LONG)["failed"] == 0

    asyncio.run(scenario())


def test_an_answer_of_grpc_fails_by_its_own_status() -> None:
    async def says(request: web.Request) -> web.StreamResponse:
        status = request.query["grpc"]
        return web.Response(headers={"content-type": "application/grpc", "grpc-status": status})

    async def scenario() -> None:
        async with proxied(model=says, counted=(CountedSlice(LONG),)) as proxy:
            headers = {**HAUL, "content-type": "application/grpc"}
            for status in range(17):
                await proxy.ask(proxy.ports.live, f"/?grpc={status}", headers=headers)
            await counted(proxy, LONG, "total", 17)
            found = of(await proxy.samples(), LONG)

        (_, pattern), *_ = GRPC_ERRORS.patterns
        assert found["failed"] == len(pattern.split("|"))

    asyncio.run(scenario())


def test_no_pod_has_more_series_than_are_stated() -> None:
    """Eight slices with eight times, each with its edge and the dual one: all there can be."""
    headers = [f"x-{place}" for place in range(8)]
    most = tuple(
        CountedSlice(Slice(name=f"s-{place}", header=name, prefix="v"), (99, 124))
        for place, name in enumerate(headers)
    )

    async def scenario() -> None:
        async with proxied(counted=most) as proxy:
            for port in (proxy.ports.live, proxy.ports.shadow):
                for number in range(20):
                    every = dict.fromkeys(headers, f"v{number}")
                    await proxy.ask(port, "/?status=500", headers=every)
            for _ in range(2):
                await gives_up(proxy, f"/?delay={FOREVER}", headers=dict.fromkeys(headers, "v"))
            for each in most:
                await counted(proxy, each.slice, "given_up", 2)
                await counted(proxy, each.slice, "time_count", 20, at="shadow")
            names = [name for name, _ in await proxy.samples() if name.startswith("envoy_slice")]

        # No mirrored request was given up on, so that one series of each slice is not there.
        assert len(names) == slices.most_series(most) - 8 == 120

    asyncio.run(scenario())
