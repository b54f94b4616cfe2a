"""The load generator as it runs in its image: what it sends, and how it keeps the books."""

import asyncio
import gzip
import json
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from demo.load.replay import NOBODY, Books, Count, options, requests
from demo.story.user_results import Ledger

Handler = Callable[[int, web.Request], Awaitable[web.StreamResponse]]


def flights(folder: Path, late: list[bool]) -> Path:
    path = folder / "requests.gz"
    with gzip.open(path, "wt") as file:
        file.writelines(f'{each:d} {{"number": {n}}}\n' for n, each in enumerate(late))
    return path


def says(chance: float, version: str = "2") -> web.Response:
    outputs = [{"name": "because", "data": [""]}, {"name": "late", "data": [chance]}]
    return web.json_response({"outputs": outputs}, headers={"x-model-version": version})


async def played(handler: Handler, path: Path, *words: str, end_after: int = 0) -> Ledger:
    """The books of a run against a server of its own."""
    arrived: list[web.Request] = []
    enough = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        arrived.append(request)
        if end_after and len(arrived) >= end_after:
            enough.set()
        return await handler(len(arrived) - 1, request)

    app = web.Application()
    app.router.add_post("/infer", answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "demo.load.replay", "--host=flights.example.com"),
        f"--url=http://127.0.0.1:{runner.addresses[0][1]}/infer",
        *(f"--requests={path}", "--slow=0.3", "--rate=200", *words),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        if end_after:
            await asyncio.wait_for(enough.wait(), 30)
            process.send_signal(signal.SIGTERM)
        printed, _ = await asyncio.wait_for(process.communicate(), 60)
    finally:
        await runner.cleanup()
    assert process.returncode == 0
    ledger = Ledger()
    for line in printed.decode().splitlines():
        ledger.take(0.0, line)
    return ledger


def play(handler: Handler, path: Path, *words: str, end_after: int = 0) -> Ledger:
    return asyncio.run(played(handler, path, *words, end_after=end_after))


async def mixed(number: int, request: web.Request) -> web.StreamResponse:
    """Six kinds of answers, in turn."""
    match number % 6:
        case 0:
            return says(0.25)
        case 1:
            return web.Response(status=500, headers={"x-model-version": "2"})
        case 2:
            await asyncio.sleep(0.5)
            return says(1.0)
        case 3:
            await asyncio.sleep(30)
            return says(1.0)
        case 4:
            return web.Response(status=503)
        case _:
            return web.json_response({"outputs": []}, headers={"x-model-version": "2"})


def test_every_request_is_in_the_books_once(tmp_path: Path) -> None:
    path = flights(tmp_path, [True] * 60)

    ledger = play(mixed, path, "--timeout=2")

    assert ledger.sent == 60
    mine, nobody = ledger.of("2"), ledger.of(NOBODY)
    assert (mine.answered, mine.slow, mine.errors) == (20, 10, 20)
    # Half were hung up on by the user, half answered by a gateway.
    assert (nobody.answered, nobody.errors) == (0, 20)
    assert ledger.everyone().total == 60
    assert ledger.everyone().bad == 50
    assert mine.squares == pytest.approx(10 * 0.75**2)
    assert mine.seconds >= 10 * 0.5


def test_flights_come_in_their_order_and_some_are_left_out(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    hosts: Counter[str] = Counter()

    async def listen(_: int, request: web.Request) -> web.StreamResponse:
        seen.append(await request.json())
        hosts[request.headers["Host"]] += 1
        return says(0.0)

    path = flights(tmp_path, [False] * 30)
    play(listen, path, "--skip=10", "--rate=50")

    assert [each["number"] for each in seen] == list(range(10, 30))
    assert list(hosts) == ["flights.example.com"]


def test_a_slow_server_meets_the_same_users(tmp_path: Path) -> None:
    async def slow(_: int, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1.0)
        return says(0.0)

    ledger = play(slow, flights(tmp_path, [False] * 1000), "--seconds=1")

    # None waits for another: in a second as many are sent as the rate says.
    assert 180 <= ledger.sent <= 200
    assert ledger.of("2").slow == ledger.sent


def test_it_ends_when_asked_and_counts_the_answers_under_way(tmp_path: Path) -> None:
    async def late(_: int, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.5)
        return says(0.0)

    ledger = play(late, flights(tmp_path, [False] * 100_000), end_after=20)

    assert 20 <= ledger.sent < 1000
    assert ledger.of("2").answered == ledger.sent


def test_lines_hold_what_came_since_the_line_before() -> None:
    books = Books(slow_after=0.3)
    books.sent()
    books.came("2", 0.31, 0.5)
    first = books.close(1.0)
    second = books.close(2.0)

    assert first.versions == {"2": Count(1, 0, 1, 0.31, 0.25)}
    assert (second.sent, second.versions) == (0, {})


def test_the_books_of_a_span_are_summed() -> None:
    ledger = Ledger()
    for at in (1.0, 2.0, 3.0):
        count = {"answered": 2, "errors": 1, "slow": 1, "seconds": 0.5, "squares": 0.1}
        ledger.take(0.0, json.dumps({"at": at, "sent": 3, "versions": {"2": count}}))

    assert ledger.of("2", since=2.0).total == 6
    assert ledger.of("2", until=1.5).bad == 2
    assert ledger.of("3").total == 0


@pytest.mark.parametrize("rate", ["0", "501"])
def test_the_rate_is_bounded(rate: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(["--url=u", "--host=h", "--requests=r", "--slow=1", f"--rate={rate}"])
    assert f"--rate {rate}: give a rate above 0" in capsys.readouterr().err


def test_a_request_keeps_its_truth(tmp_path: Path) -> None:
    assert list(requests(flights(tmp_path, [True, False]))) == [
        (True, '{"number": 0}'),
        (False, '{"number": 1}'),
    ]


def test_what_a_node_says_in_a_log_is_no_line_of_the_books() -> None:
    ledger = Ledger()
    ledger.take(0.0, "unable to retrieve container logs for containerd://6f4b15b73213\n")
    ledger.take(0.0, json.dumps({"at": 1.0, "sent": 3, "versions": {}}) + "\n")

    assert [line.sent for line in ledger.lines()] == [3]
