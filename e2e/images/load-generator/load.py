"""Sends a bounded number of requests at a steady rate and prints one JSON line of what came back.

The rate does not wait for answers: a slow server meets the same load as a fast one, as it would
with real users.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter

import aiohttp

MOST_REQUESTS = 1_000_000
MOST_RATE = 2_000.0


async def load(arguments: argparse.Namespace) -> dict[str, object]:
    """Send the requests and return the summary: counts by status, errors, latencies in ms."""
    statuses: Counter[str] = Counter()
    versions: Counter[str] = Counter()
    latencies: list[float] = []
    headers = {"Host": arguments.host} if arguments.host else {}
    timeout = aiohttp.ClientTimeout(total=arguments.timeout)
    connector = aiohttp.TCPConnector(limit=arguments.connections)

    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:

        async def one() -> None:
            begun = time.monotonic()
            try:
                async with session.request(
                    arguments.method, arguments.url, data=arguments.body, headers=headers
                ) as answer:
                    await answer.read()
                    statuses[str(answer.status)] += 1
                    versions[answer.headers.get("x-model-version", "none")] += 1
                    latencies.append((time.monotonic() - begun) * 1000)
            except TimeoutError:
                statuses["timeout"] += 1
            except aiohttp.ClientError as error:
                statuses[type(error).__name__] += 1

        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(arguments.requests):
                due = begun + number / arguments.rate
                if (wait := due - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                group.create_task(one())
        took = time.monotonic() - begun

    latencies.sort()
    return {
        "sent": arguments.requests,
        "seconds": round(took, 3),
        "statuses": dict(statuses),
        "versions": dict(versions),
        "milliseconds": {
            name: round(latencies[min(int(share * len(latencies)), len(latencies) - 1)], 2)
            for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
            if latencies
        },
    }


def main() -> int:
    """Read the command line, send the load, print the summary; 1 when an answer was not 2xx."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="where to send the requests")
    parser.add_argument("--method", default="POST", choices=("GET", "POST"))
    parser.add_argument("--host", default="", help="Host header, when it differs from the URL's")
    parser.add_argument("--requests", type=int, required=True, help="how many, at most a million")
    parser.add_argument("--rate", type=float, default=50, help="requests per second, at most 2,000")
    parser.add_argument("--timeout", type=float, default=10, help="seconds a client waits")
    parser.add_argument("--connections", type=int, default=64, help="open connections at most")
    parser.add_argument("--body", default="{}", help="body of each request")
    arguments = parser.parse_args()
    if not 0 < arguments.requests <= MOST_REQUESTS:
        parser.error(f"--requests {arguments.requests}: give a number from 1 to {MOST_REQUESTS}")
    if not 0 < arguments.rate <= MOST_RATE:
        parser.error(f"--rate {arguments.rate}: give a rate above 0 and up to {MOST_RATE:.0f}")
    summary = asyncio.run(load(arguments))
    print(json.dumps(summary))
    statuses = summary["statuses"]
    assert isinstance(statuses, dict)
    return 0 if all(status.startswith("2") for status in statuses) else 1


if __name__ == "__main__":
    sys.exit(main())
