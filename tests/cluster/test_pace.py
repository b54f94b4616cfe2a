"""Writes have a pace, and those that protect users do not wait for it."""

import asyncio
import random

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.cluster import connection
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.kinds import CONTROLLER_REVISION
from model_rollouts.cluster.pace import Pace
from model_rollouts.cluster.requests import Requests
from tests.cluster.test_client import revision, route


def waits(count: int, every: float, start: float = 0.0) -> list[float]:
    """How long writes wait that come `every` so many seconds, at 10 a second and 5 at once."""
    clock = start

    def now() -> float:
        return clock

    pace, found = Pace(rate=10, burst=5, clock=now), []
    for _ in range(count):
        found.append(round(pace.take(), 6))
        clock += every
    return found


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (0.0, [0, 0, 0, 0, 0, 0.1, 0.2, 0.3]),
        (0.1, [0] * 8),
        (0.05, [0] * 8),
        (1.0, [0] * 8),
    ],
)
def test_a_burst_goes_at_once_and_the_rest_at_the_rate(every: float, expected: list[float]) -> None:
    assert waits(8, every) == expected


def test_a_full_bucket_lets_through_whatever_the_time_is() -> None:
    draw = random.Random(1)
    clocks = [draw.uniform(0.0, 10.0 ** draw.randint(1, 10)) for _ in range(1_000)]

    assert {Pace(rate=0.001, burst=1, clock=lambda at=at: at).take() for at in clocks} == {0.0}  # type: ignore[misc]


def test_the_bucket_is_full_again_after_a_while_and_not_fuller() -> None:
    clock = [0.0]
    pace = Pace(rate=10, burst=5, clock=lambda: clock[0])
    for _ in range(8):
        pace.take()
    clock[0] = 1_000.0

    assert [round(pace.take(), 6) for _ in range(7)] == [0, 0, 0, 0, 0, 0.1, 0.2]


def test_reads_and_routes_do_not_wait(api_server: ApiServer, namespace: str) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def test() -> None:
        configuration = await connection.load(api_server.kubeconfig)
        pace = Pace(rate=0.001, burst=1)
        requests = Requests(configuration, user_agent="test", sleep=sleep, pace=pace)
        async with ClusterClient(requests) as client:
            await client.create(revision(namespace, "one"))
            await client.apply(route(namespace, ["a.example.com"]))
            assert [page async for page in client.pages(CONTROLLER_REVISION, namespace)]
            assert slept == []
            await client.create(revision(namespace, "two"))

    asyncio.run(test())

    # The route was counted all the same.
    assert [round(each, -2) for each in slept] == [2000.0]
