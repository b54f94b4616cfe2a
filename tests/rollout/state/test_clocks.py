"""Clocks of phase and step, across writes of the route."""

from dataclasses import replace

import pytest

from model_rollouts.rollout.memory import Clocks, Memory, Split
from model_rollouts.rollout.state.clocks import found, tick
from tests.rollout.made_up import NOON, STARTED_MS

OF = "Canary/arrival-3333333333/1"
MEMORY = Memory(
    clocks=Clocks(OF, NOON, phase=100.0, step=40.0, sequence=7),
    split=Split(STARTED_MS, candidate=5, stable=45),
)


def test_a_step_goes_on_while_its_write_is_the_last() -> None:
    ticked = tick(MEMORY, OF, NOON + 5, sequence=7)

    assert (ticked.phase, ticked.step, ticked.sequence) == (105.0, 45.0, 7)


@pytest.mark.parametrize("known", [None, 6, 8], ids=["not known", "older", "newer"])
def test_a_step_begins_with_every_write_whoever_made_it(known: int | None) -> None:
    assert MEMORY.clocks is not None
    memory = replace(MEMORY, clocks=replace(MEMORY.clocks, sequence=known), split=None)

    ticked = tick(memory, OF, NOON + 5, sequence=7)

    assert (ticked.phase, ticked.step, ticked.sequence) == (105.0, 0.0, 7)


def test_time_after_the_last_counts_is_not_judged() -> None:
    ticked = tick(MEMORY, OF, NOON + 60, sequence=7, fresh_until=NOON + 10.0)

    assert (ticked.phase, ticked.step, ticked.as_of) == (110.0, 50.0, NOON + 60)


def test_an_operator_that_has_just_begun_counts_no_gap() -> None:
    stored = found(MEMORY.clocks, None)

    ticked = tick(replace(MEMORY, clocks=stored), OF, NOON + 3_000, sequence=7)

    assert (ticked.phase, ticked.as_of) == (100.0, NOON + 3_000)


def test_an_operator_that_wrote_the_route_was_there_until_then() -> None:
    stored = found(MEMORY.clocks, NOON + 20.0)

    assert stored is not None
    assert (stored.phase, stored.as_of, stored.running) == (120.0, NOON + 20.0, False)
