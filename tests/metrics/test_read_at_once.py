"""Scrapes that are read and counted at once give what reading sample by sample gives."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings

from model_rollouts.metrics import scrapes
from model_rollouts.metrics.counts import IntervalCounts
from model_rollouts.metrics.process import Process
from tests.metrics.fake_prometheus import World, count
from tests.metrics.test_disturbed import UNTIL_S, WORLDS, _operator
from tests.metrics.test_replay_from_a_watermark import LAST, MEASURED, services, worlds


@contextmanager
def _replaced(owner: Any, name: str, value: object) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _one_by_one(play: Callable[[], list[IntervalCounts]]) -> list[IntervalCounts]:
    with _replaced(scrapes, "_columns", lambda *given: None):
        return play()


def _ways(play: Callable[[], object]) -> Counter[bool]:
    """How many scrapes of a process went on from the last one without a look at each series."""
    ways: Counter[bool] = Counter()
    go_on, scrape = Process._go_on, Process.scrape

    def goes_on(self: Process, *given: Any) -> Any:
        found = go_on(self, *given)
        ways[True] += found is not None
        return found

    def scrapes_(self: Process, *given: Any, **named: Any) -> Any:
        ways[False] += 1
        return scrape(self, *given, **named)

    with _replaced(Process, "_go_on", goes_on), _replaced(Process, "scrape", scrapes_):
        play()
    return ways


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_of_any_samples_the_same_intervals_follow(world: World) -> None:
    found = count(world, MEASURED, LAST)

    assert found == _one_by_one(lambda: count(world, MEASURED, LAST))


@settings(max_examples=30, deadline=None)
@given(services())
def test_of_services_that_restart_and_flap_too(world: World) -> None:
    found = count(world, MEASURED, LAST)

    assert found == _one_by_one(lambda: count(world, MEASURED, LAST))


def _disturbed(name: str) -> list[IntervalCounts]:
    operator = _operator(name)
    operator.run(0, UNTIL_S)
    return operator.records


@pytest.mark.parametrize("name", WORLDS)
def test_of_samples_as_production_has_them_too(name: str) -> None:
    assert _disturbed(name) == _one_by_one(lambda: _disturbed(name))


def test_nearly_all_scrapes_of_a_service_are_counted_at_once() -> None:
    ways = _ways(lambda: _disturbed("clean"))

    assert ways[True] >= 0.9 * ways[False] > 0
