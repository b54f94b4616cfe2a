"""The load generator, run as it runs in its image: what it sends, records and sums up."""

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from e2e.cluster.images import FOLDERS

PROGRAM = FOLDERS / "load-generator" / "load.py"


@dataclass(frozen=True)
class Told:
    """What a run printed and how it ended."""

    records: list[dict[str, Any]]
    summary: dict[str, Any]
    code: int


Handler = Callable[[int, web.Request], Any]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """A server on loopback whose answer to the n-th request, from 0, is what `handler` says."""
    arrived = iter(range(1_000_000))

    async def answer(request: web.Request) -> web.StreamResponse:
        response: web.StreamResponse = await handler(next(arrived), request)
        return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def started(url: str, *options: str) -> asyncio.subprocess.Process:
    """A load generator on its way."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROGRAM), f"--url={url}", *options), stdout=asyncio.subprocess.PIPE
    )


async def told(process: asyncio.subprocess.Process) -> Told:
    """What it printed, once it has ended."""
    printed, _ = await asyncio.wait_for(process.communicate(), 60)
    *records, summary = [json.loads(line) for line in printed.decode().splitlines()]
    assert process.returncode is not None
    return Told(records, summary, process.returncode)


def run(handler: Handler, *options: str) -> Told:
    """A whole run against a server of its own."""

    async def both() -> Told:
        async with serving(handler) as url:
            return await told(await started(url, *options))

    return asyncio.run(both())


async def mixed(number: int, request: web.Request) -> web.StreamResponse:
    """One of five kinds of answers, in turn."""
    match number % 5:
        case 0:
            return web.Response(headers={"x-model-version": "1", "x-model-revision": "m-1"})
        case 1:
            return web.Response(status=500, headers={"x-model-version": "2"})
        case 2:
            return web.Response(status=503, headers={"x-model-revision": "m-1"})
        case 3:
            await asyncio.Event().wait()
        case 4:
            assert request.transport is not None
            request.transport.abort()
    return web.Response()


async def good(_: int, __: web.Request) -> web.StreamResponse:
    """An answer that is not a model's."""
    return web.Response()


def test_every_request_is_recorded_with_what_came_of_it() -> None:
    found = run(mixed, "--requests=25", "--rate=100", "--timeout=0.5", "--records")

    assert len(found.records) == found.summary["sent"] == 25
    kinds = Counter((one["answer"], one["version"], one["revision"]) for one in found.records)
    assert kinds == {
        ("200", "1", "m-1"): 5,
        ("500", "2", ""): 5,
        ("503", "", "m-1"): 5,
        ("timeout", "", ""): 5,
        ("ServerDisconnectedError", "", ""): 5,
    }


def test_the_summary_is_the_sum_of_the_records() -> None:
    found = run(mixed, "--requests=25", "--rate=100", "--timeout=0.5", "--records")

    assert found.summary["statuses"] == Counter(one["answer"] for one in found.records)
    assert found.summary["versions"] == {"1": 5, "2": 5, "none": 5}
    # Latencies are those of answers: what had none would only tell of the client's patience.
    assert found.summary["milliseconds"]["p99"] < 500
    assert found.code == 1


def test_a_load_without_failures_ends_well_and_prints_one_line() -> None:
    found = run(good, "--requests=10", "--rate=200")

    assert (found.code, found.records) == (0, [])
    assert found.summary["statuses"] == {"200": 10}


def test_the_rate_does_not_wait_for_slow_answers() -> None:
    """Twenty requests in a fifth of a second, each answered only when all have arrived."""
    everybody = asyncio.Event()

    async def together(number: int, _: web.Request) -> web.StreamResponse:
        if number == 19:
            everybody.set()
        await everybody.wait()
        return web.Response()

    found = run(together, "--requests=20", "--rate=100", "--timeout=30")

    assert found.summary["statuses"] == {"200": 20}


def test_it_ends_after_its_seconds() -> None:
    found = run(good, "--requests=100000", "--rate=100", "--seconds=0.2")

    assert found.summary["statuses"] == {"200": 20}


def test_asked_to_end_it_waits_for_the_answers_under_way() -> None:
    async def whole() -> tuple[int, Told]:
        begun = asyncio.Event()
        finish = asyncio.Event()
        arrived = 0

        async def slow(_: int, __: web.Request) -> web.StreamResponse:
            nonlocal arrived
            arrived += 1
            begun.set()
            await finish.wait()
            return web.Response()

        async with serving(slow) as url:
            process = await started(url, "--requests=100000", "--rate=20", "--records")
            await asyncio.wait_for(begun.wait(), 30)
            process.send_signal(signal.SIGTERM)
            finish.set()
            return arrived, await told(process)

    arrived, found = asyncio.run(whole())

    assert arrived >= 1
    assert set(found.summary["statuses"]) == {"200"}
    assert found.summary["sent"] == len(found.records) < 100


def test_a_load_without_bounds_is_refused() -> None:
    async def refused(*options: str) -> int | None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PROGRAM), "--url=http://127.0.0.1:1/", *options),
            stderr=asyncio.subprocess.DEVNULL,
        )
        return await asyncio.wait_for(process.wait(), 60)

    assert asyncio.run(refused("--requests=1000001")) == 2
    assert asyncio.run(refused("--requests=10", "--rate=2001")) == 2


def test_requests_have_one_more_header_where_it_is_asked_for() -> None:
    async def echoes(_: int, request: web.Request) -> web.StreamResponse:
        return web.Response(status=200 if request.headers.get("x-haul") == "long" else 500)

    options = ("--requests=3", "--rate=100")
    assert run(echoes, *options, "--header=x-haul: long").code == 0
    assert run(echoes, *options).code == 1
