"""Time passes at once, in order, and not at all where nothing comes of it."""

import asyncio
import time

import pytest

from tests.faults import virtual_time
from tests.faults.virtual_time import NOON, Clock, StandstillError, now


def test_hours_pass_at_once_and_in_order() -> None:
    heard: list[str] = []

    async def later(seconds: float, word: str) -> None:
        await asyncio.sleep(seconds)
        heard.append(f"{word} at {now():.0f}")

    async def work() -> None:
        await asyncio.gather(later(7200, "second"), later(3600, "first"))

    begun = time.monotonic()
    virtual_time.run(work)

    assert heard == ["first at 3600", "second at 7200"]
    assert time.monotonic() - begun < 60


def test_a_limit_in_time_is_one_of_virtual_time() -> None:
    async def work() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        return now()

    assert virtual_time.run(work) == pytest.approx(30, abs=0.01)


def test_waiting_for_nobody_is_an_error() -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StandstillError, match="nobody waits"):
        virtual_time.run(work)


def test_being_busy_for_nothing_is_an_error() -> None:
    async def work() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(StandstillError, match="turns"):
        virtual_time.run(work)


def test_a_clock_that_is_wrong_is_wrong_for_one_machine() -> None:
    async def work() -> tuple[float, float]:
        here, there = Clock(), Clock()
        here.ahead = 60.0
        await asyncio.sleep(10)
        return here() - NOON, there() - NOON

    assert virtual_time.run(work) == pytest.approx((70, 10), abs=0.01)
