"""Sends a bounded number of requests at a steady rate and says what came back.

The rate does not wait for answers: a slow server meets the same load as a fast one, as it would
with real users. It ends after the given number of requests or of seconds, or when it is asked to
(SIGTERM), and then waits for the answers under way. The last line that it prints is a summary as
JSON; with --records a line for each request comes before, as soon as its answer is there.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import aiohttp

MOST_REQUESTS = 1_000_000
MOST_RATE = 2_000.0


@dataclass(frozen=True)
class Record:
    """One request.

    Attributes:
        sent: Unix seconds at which it was sent.
        ms: milliseconds until the answer was there, or until there was none.
        answer: the status, `timeout` when this client gave up, or the name of the failure.
        version: what the model server said of itself; empty when the answer is not a model's.
        revision: what the proxy or the gateway said about the revision; empty when nothing.
    """

    sent: float
    ms: float
    answer: str
    version: str = ""
    revision: str = ""


class Load:
    """The requests of one run."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        """Read what to send from the command line's arguments."""
        self._arguments = arguments
        self._headers = {"Host": arguments.host} if arguments.host else {}
        if arguments.header:
            name, _, value = arguments.header.partition(":")
            self._headers[name.strip()] = value.strip()
        self._ending = asyncio.Event()
        self.records: list[Record] = []

    def end(self) -> None:
        """Send no more; answers under way are still waited for."""
        self._ending.set()

    async def run(self) -> None:
        """Send the requests and collect their records."""
        arguments = self._arguments
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=arguments.timeout),
                connector=aiohttp.TCPConnector(limit=arguments.connections),
            ) as session,
            asyncio.TaskGroup() as group,
        ):
            begun = time.monotonic()
            for number in range(arguments.requests):
                due = number / arguments.rate
                if due >= arguments.seconds or await self._ended_before(begun + due):
                    break
                group.create_task(self._one(session))

    async def _ended_before(self, moment: float) -> bool:
        if (wait := moment - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(self._ending.wait(), wait)
            except TimeoutError:
                return False
        return self._ending.is_set()

    async def _one(self, session: aiohttp.ClientSession) -> None:
        sent, begun = time.time(), time.monotonic()
        arguments = self._arguments
        version = revision = ""
        try:
            async with session.request(
                arguments.method, arguments.url, data=arguments.body, headers=self._headers
            ) as answer:
                version = answer.headers.get("x-model-version", "")
                revision = answer.headers.get("x-model-revision", "")
                await answer.read()
                told = str(answer.status)
        except TimeoutError:
            told = "timeout"
        except aiohttp.ClientError as error:
            told = type(error).__name__
        took = round((time.monotonic() - begun) * 1000, 2)
        record = Record(round(sent, 3), took, told, version, revision)
        self.records.append(record)
        if arguments.records:
            print(json.dumps(asdict(record)), flush=True)


def summarize(records: Sequence[Record], seconds: float) -> dict[str, object]:
    """Counts by status and by version, and latencies in ms of the requests that were answered."""
    answered = sorted(record.ms for record in records if record.answer.isdigit())
    return {
        "sent": len(records),
        "seconds": round(seconds, 3),
        "statuses": dict(Counter(record.answer for record in records)),
        "versions": dict(
            Counter(record.version or "none" for record in records if record.answer.isdigit())
        ),
        "milliseconds": {
            name: answered[min(int(share * len(answered)), len(answered) - 1)]
            for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
            if answered
        },
    }


async def run(arguments: argparse.Namespace) -> bool:
    """Send the load and print what came back; whether every answer was 2xx."""
    load = Load(arguments)
    for wish in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(wish, load.end)
    begun = time.monotonic()
    await load.run()
    print(json.dumps(summarize(load.records, time.monotonic() - begun)))
    return all(record.answer.startswith("2") for record in load.records)


def main() -> int:
    """Read the command line, send the load, print the summary; 1 when an answer was not 2xx."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="where to send the requests")
    parser.add_argument("--method", default="POST", choices=("GET", "POST"))
    parser.add_argument("--host", default="", help="Host header, when it differs from the URL's")
    parser.add_argument("--header", default="", help="one more header, such as 'x-haul: long'")
    parser.add_argument("--requests", type=int, required=True, help="how many, at most a million")
    parser.add_argument("--rate", type=float, default=50, help="requests per second, at most 2,000")
    parser.add_argument("--seconds", type=float, default=3600, help="how long, at most")
    parser.add_argument("--timeout", type=float, default=10, help="seconds a client waits")
    parser.add_argument("--connections", type=int, default=64, help="open connections at most")
    parser.add_argument("--body", default="{}", help="body of each request")
    parser.add_argument("--records", action="store_true", help="print a line for each request")
    arguments = parser.parse_args()
    if not 0 < arguments.requests <= MOST_REQUESTS:
        parser.error(f"--requests {arguments.requests}: give a number from 1 to {MOST_REQUESTS}")
    if not 0 < arguments.rate <= MOST_RATE:
        parser.error(f"--rate {arguments.rate}: give a rate above 0 and up to {MOST_RATE:.0f}")
    return 0 if asyncio.run(run(arguments)) else 1


if __name__ == "__main__":
    sys.exit(main())
