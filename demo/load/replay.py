"""Users: replays flights in time order through the gateway and keeps the books of what they got.

The rate does not wait for answers: a slow model meets the same users as a fast one. It ends after
the given seconds, at the end of the flights, or when it is asked to (SIGTERM), and then waits for
the answers under way. Once a second it prints a line of JSON: what came back since the line before,
by the version that answered. This is the truth from the users' side, which no proxy, no Prometheus
and no operator had a hand in.
"""

import argparse
import asyncio
import gzip
import itertools
import json
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import aiohttp

MOST_RATE = 500.0
MOST_SECONDS = 14_400.0
VERSION_HEADER = "x-model-version"
NOBODY = "none"
"""Stands for the version of a request that no model answered."""


@dataclass
class Count:
    """What users got of one version. `slow` are good answers that came late, `errors` the rest.

    `seconds` is the time that all good answers took together, `squares` the squared differences
    between what they said and what came true.
    """

    answered: int = 0
    errors: int = 0
    slow: int = 0
    seconds: float = 0.0
    squares: float = 0.0

    @property
    def bad(self) -> int:
        """Users who got an error, or waited too long."""
        return self.errors + self.slow

    @property
    def total(self) -> int:
        """Users."""
        return self.answered + self.errors

    def __add__(self, other: "Count") -> "Count":
        """Both together."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Count(*(one + two for one, two in pairs))

    def add(self, seconds: float, slow_after: float, difference: float | None) -> None:
        """Count a request; `difference` is between answer and truth, None for no good answer."""
        if difference is None:
            self.errors += 1
            return
        self.answered += 1
        self.slow += seconds > slow_after
        self.seconds += seconds
        self.squares += difference**2


@dataclass(frozen=True)
class Line:
    """One line of the books: Unix time, requests sent, and what came back, by version."""

    at: float
    sent: int
    versions: dict[str, Count]


class Books:
    """Counts of the second that runs."""

    def __init__(self, slow_after: float) -> None:
        """Open them. An answer is slow that takes longer than `slow_after` seconds."""
        self._slow_after = slow_after
        self._begin()

    def _begin(self) -> None:
        self._sent = 0
        self._versions: dict[str, Count] = defaultdict(Count)

    def sent(self) -> None:
        """A request was sent."""
        self._sent += 1

    def came(self, version: str, seconds: float, difference: float | None) -> None:
        """An answer came after `seconds`, or there is none and `difference` is None."""
        self._versions[version].add(seconds, self._slow_after, difference)

    def close(self, at: float) -> Line:
        """What was counted since the last time."""
        line = Line(at, self._sent, dict(self._versions))
        self._begin()
        return line


def requests(path: Path) -> Iterator[tuple[bool, str]]:
    """The flights of a file in their order: whether each was late, and the request about it."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            late, _, body = line.rstrip("\n").partition(" ")
            yield late == "1", body


class Replay:
    """The requests of one run."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        """Read what to send from the command line's arguments."""
        self._arguments = arguments
        self._headers = {"Host": arguments.host, "Content-Type": "application/json"}
        self._ending = asyncio.Event()
        self.books = Books(arguments.slow)

    def end(self) -> None:
        """Send no more; answers under way are still waited for."""
        self._ending.set()

    async def run(self) -> None:
        """Send the requests."""
        arguments = self._arguments
        flights = itertools.islice(requests(arguments.requests), arguments.skip, None)
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=arguments.timeout),
                # Bounds what a hung model can pile up here; aiohttp's own bound is 100.
                connector=aiohttp.TCPConnector(limit=round(2 * arguments.rate * arguments.timeout)),
            ) as session,
            asyncio.TaskGroup() as group,
        ):
            begun = time.monotonic()
            for number, (late, body) in enumerate(flights):
                due = number / arguments.rate
                if due >= arguments.seconds or await self._ended_before(begun + due):
                    break
                self.books.sent()
                group.create_task(self._one(session, body, late))

    async def _ended_before(self, moment: float) -> bool:
        if (wait := moment - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(self._ending.wait(), wait)
            except TimeoutError:
                return False
        return self._ending.is_set()

    async def _one(self, session: aiohttp.ClientSession, body: str, late: bool) -> None:
        begun = time.monotonic()
        version, difference = NOBODY, None
        try:
            async with session.post(
                self._arguments.url, data=body, headers=self._headers
            ) as answer:
                version = answer.headers.get(VERSION_HEADER, NOBODY)
                told = await answer.read()
                if answer.status == 200:
                    difference = _chance(told) - late
        except (TimeoutError, aiohttp.ClientError):
            pass  # Counted as an error: there is no answer, whatever the reason.
        except (ValueError, LookupError):
            pass  # An answer that says nothing is none.
        self.books.came(version, time.monotonic() - begun, difference)


def _chance(answer: bytes) -> float:
    (late,) = (each for each in json.loads(answer)["outputs"] if each["name"] == "late")
    return float(late["data"][0])


async def _report(replay: Replay) -> None:
    for second in itertools.count(int(time.time()) + 1):
        await asyncio.sleep(max(0.0, second - time.time()))
        _print(replay.books.close(time.time()))


def _print(line: Line) -> None:
    print(json.dumps(asdict(line)), flush=True)


async def run(arguments: argparse.Namespace) -> None:
    """Send the load and print the books."""
    replay = Replay(arguments)
    for wish in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(wish, replay.end)
    reporting = asyncio.create_task(_report(replay))
    try:
        await replay.run()
    finally:
        reporting.cancel()
        _print(replay.books.close(time.time()))


def options(words: list[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="where to send the requests")
    parser.add_argument("--host", required=True, help="Host header: the name that users know")
    parser.add_argument("--requests", type=Path, required=True, help="the flights, zipped")
    parser.add_argument("--skip", type=int, default=0, help="flights to leave out at the beginning")
    parser.add_argument("--rate", type=float, default=50, help="requests per second, at most 500")
    parser.add_argument("--seconds", type=float, default=MOST_SECONDS, help="how long, at most")
    parser.add_argument("--timeout", type=float, default=10, help="seconds a user waits")
    parser.add_argument("--slow", type=float, required=True, help="seconds beyond which is slow")
    found = parser.parse_args(words)
    if not 0 < found.rate <= MOST_RATE:
        parser.error(f"--rate {found.rate:g}: give a rate above 0 and up to {MOST_RATE:.0f}")
    if not 0 < found.seconds <= MOST_SECONDS:
        parser.error(f"--seconds {found.seconds:g}: give up to {MOST_SECONDS:.0f}")
    return found


if __name__ == "__main__":
    asyncio.run(run(options(sys.argv[1:])))
