"""Websockets through the real Envoy: they pass, and count as one request that was answered."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from model_rollouts.metrics import objectives
from model_rollouts.metrics.objectives import CountedObjective, Term
from tests.resources.envoy import Proxied, Samples, eventually, proxied

pytestmark = pytest.mark.timeout(60)

ERRORS = objectives.errors("errors")
LATENCY = objectives.latency("latency", [0.101])


def summed(samples: Samples, terms: tuple[Term, ...], listener: str) -> int:
    """What the terms of an objective come to for one listener."""
    found = 0.0
    for term in terms:
        labels = dict(term.counter.labels)
        if term.counter.listener_label is not None:
            labels[term.counter.listener_label] = listener
        if term.edge is not None:
            labels["le"] = f"{term.edge:g}"
        found += term.sign * sum(
            value
            for (metric, has), value in samples.items()
            if metric == term.counter.metric and set(labels.items()) <= has
        )
    return int(found)


def counted(samples: Samples, objective: CountedObjective) -> tuple[int, int]:
    """Bad ones and all of what users asked."""
    (bad,) = objective.bad
    return summed(samples, bad, "live"), summed(samples, objective.total, "live")


async def served(request: web.Request) -> web.StreamResponse:
    """Repeats what it is told; `end` and `break` end the session well and not."""
    if "refused" in request.query:
        return web.Response(status=503)
    if not web.WebSocketResponse().can_prepare(request):
        await asyncio.sleep(float(request.query.get("delay", "0")))
        return web.Response()
    session = web.WebSocketResponse()
    await session.prepare(request)
    async for message in session:
        if message.data == "end":
            break
        if message.data == "break":
            assert request.transport is not None
            request.transport.abort()
            break
        await session.send_str(message.data)
    return session


async def ended(proxy: Proxied, sessions: int) -> Samples:
    """The samples once so many sessions have ended."""
    samples: Samples = {}

    async def told() -> bool:
        nonlocal samples
        samples = await proxy.samples()
        return summed(samples, (Term(objectives.SESSIONS),), "live") == sessions

    await eventually(told, f"{sessions} sessions have ended")
    return samples


async def times(proxy: Proxied, expected: tuple[int, int]) -> None:
    """Wait until so many requests were slow, of so many; histograms come a second later."""

    async def told() -> bool:
        return counted(await proxy.samples(), LATENCY) == expected

    await eventually(told, f"{expected} slow requests of all")


async def opened(proxy: Proxied, path: str = "/") -> aiohttp.ClientWebSocketResponse:
    session = await proxy.session.ws_connect(proxy.url(proxy.ports.live, path))
    await session.send_str("hello")
    assert (await session.receive()).data == "hello"
    return session


async def leaves(session: aiohttp.ClientWebSocketResponse) -> None:
    await session.close()


async def vanishes(session: aiohttp.ClientWebSocketResponse) -> None:
    connection = session._response.connection
    assert connection is not None and connection.transport is not None
    connection.transport.abort()


async def is_left(session: aiohttp.ClientWebSocketResponse) -> None:
    await session.send_str("end")
    assert (await session.receive()).type is aiohttp.WSMsgType.CLOSE


async def is_cut_off(session: aiohttp.ClientWebSocketResponse) -> None:
    await session.send_str("break")
    assert (await session.receive()).type is aiohttp.WSMsgType.CLOSED


def test_a_session_is_one_good_request_however_it_ends() -> None:
    async def scenario() -> None:
        async with proxied(model=served) as proxy:
            for number, ends in enumerate((leaves, vanishes, is_left, is_cut_off), 1):
                await ends(await opened(proxy))
                samples = await ended(proxy, number)
                assert counted(samples, ERRORS) == (0, number)
            await proxy.ask(proxy.ports.live)
            # How long people talk is no latency.
            await times(proxy, (0, 1))

    asyncio.run(scenario())


def test_one_that_is_refused_is_a_failed_request() -> None:
    async def scenario() -> None:
        async with proxied(model=served) as proxy:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await opened(proxy, "/?refused=1")
            assert counted(await ended(proxy, 1), ERRORS) == (1, 1)

    asyncio.run(scenario())


def test_requests_beside_a_session_count_as_before() -> None:
    async def scenario() -> None:
        async with proxied(model=served) as proxy:
            session = await opened(proxy)
            # No upgrade is asked for without the other header.
            await proxy.ask(proxy.ports.live, headers={"upgrade": "websocket"})
            with pytest.raises(TimeoutError):
                hurried = aiohttp.ClientTimeout(total=0.2)
                await proxy.ask(proxy.ports.live, "/?delay=9", timeout=hurried)
            await session.close()
            samples = await ended(proxy, 1)
            assert counted(samples, ERRORS) == (1, 3)
            await times(proxy, (1, 2))

    asyncio.run(scenario())


def test_a_session_lasts_longer_than_a_connection_may() -> None:
    def hurry(config: dict[str, Any]) -> None:
        live = config["static_resources"]["listeners"][0]
        manager = live["filter_chains"][0]["filters"][0]["typed_config"]
        manager["common_http_protocol_options"]["max_connection_duration"] = "0.2s"

    async def scenario() -> None:
        async with proxied(model=served, change=hurry) as proxy:
            session = await opened(proxy)
            for _ in range(3):
                # Longer than a connection without a session is kept.
                await asyncio.sleep(0.3)
                await session.send_str("still here")
                assert (await session.receive()).data == "still here"
            await session.close()
            assert counted(await ended(proxy, 1), ERRORS) == (0, 1)

    asyncio.run(scenario())
