"""Users are split as the gateway says, answered as versions do, and scraped in time."""

import asyncio
import random

import pytest

from model_rollouts.metrics.sources import Listener
from tests.faults import virtual_time
from tests.faults.users import Quality, Users, binomial


def test_requests_are_split_by_weight_and_fail_as_the_version_does() -> None:
    async def work() -> Users:
        users = Users(100.0, random.Random(1))
        users.becomes("2", Quality(errors=1.0))
        users.starts("a", "1", pods=2)
        users.starts("b", "2", pods=1)
        users.splits({"a": 90, "b": 10}, ("b", 50))
        await asyncio.sleep(60)
        users.settle()
        return users

    users = virtual_time.run(work)

    live, shadow = users.counted["b", Listener.LIVE], users.counted["b", Listener.SHADOW]
    assert live.requests == live.bad == pytest.approx(600, abs=2)
    assert shadow.requests == pytest.approx(3000, abs=2)
    assert users.counted["a", Listener.LIVE].requests == pytest.approx(5400, abs=2)
    assert users.counted["a", Listener.LIVE].bad == 0
    assert users.unanswered < 1


def test_without_a_route_or_a_pod_nobody_answers() -> None:
    async def work() -> Users:
        users = Users(100.0, random.Random(1))
        await asyncio.sleep(10)
        users.starts("a", "1", pods=0)
        users.splits({"a": 1}, ("", 0))
        await asyncio.sleep(10)
        users.settle()
        return users

    assert virtual_time.run(work).unanswered == pytest.approx(2000, abs=2)


def test_pods_are_scraped_every_five_seconds_while_there_are_any() -> None:
    async def work() -> Users:
        users = Users(100.0, random.Random(1))
        users.splits({"a": 1}, ("", 0))
        users.starts("a", "1", pods=1)
        await asyncio.sleep(31)
        users.starts("a", "1", pods=0)
        await asyncio.sleep(60)
        users.settle()
        return users

    users = virtual_time.run(work)
    arm = "a", Listener.LIVE
    last = users.sample(arm, 90.0)
    assert last is not None and 26 < last.at <= 31
    before = users.sample(arm, last.at - 0.1)
    assert before is not None
    assert last.at - before.at == pytest.approx(5, abs=0.001)
    assert last.counted.requests - before.counted.requests == pytest.approx(500, abs=2)
    assert users.sample(arm, -1.0) is None


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 1.0])
def test_so_many_of_them_fall_into_a_share(share: float) -> None:
    dice = random.Random(1)

    found = [binomial(dice, 500, share) for _ in range(400)]

    assert all(0 <= each <= 500 for each in found)
    assert sum(found) / len(found) == pytest.approx(500 * share, abs=3)
