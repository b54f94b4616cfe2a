"""Version 4's memory: it answers well, and gets slower with every answer it keeps."""

from typing import Any

import pytest

from demo.model import memory
from demo.model.memory import Flight, Memory, alike

FLIGHT: dict[str, Any] = {
    "carrier": "UA",
    "origin": "EWR",
    "destination": "SFO",
    "scheduled_hour": 8,
    "weekday": 2,
    "distance": 2565.0,
    "departure_delay": 12.0,
}


def remembering(count: int) -> Memory:
    """A memory of flights to so many places, of which none is alike to another."""
    filled = Memory()
    for number in range(count):
        filled.remember({**FLIGHT, "destination": f"X{number}"}, number / count)
    return filled


@pytest.mark.parametrize(
    ("change", "is_known"),
    [
        ({}, True),
        ({"departure_delay": 13.0}, True),
        ({"departure_delay": 14.0}, False),
        ({"destination": "LAX"}, False),
        ({"carrier": "AA"}, False),
    ],
)
def test_a_flight_is_recalled_by_one_that_is_alike(change: dict[str, Any], is_known: bool) -> None:
    known = Memory()
    known.remember(FLIGHT, 0.25)

    assert known.recall({**FLIGHT, **change}) == (0.25 if is_known else None)


def test_every_question_reads_all_that_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Flight] = []

    def counted(one: Flight, other: Flight) -> bool:
        read.append(one)
        return alike(one, other)

    monkeypatch.setattr(memory, "alike", counted)
    work = []
    for count in (10, 1000):
        read.clear()
        assert remembering(count).recall(FLIGHT) is None
        work.append(len(read))

    assert work == [10, 1000]


def test_it_never_forgets() -> None:
    filled = remembering(5000)

    assert len(filled) == 5000
    assert filled.recall({**FLIGHT, "destination": "X0"}) == 0.0
