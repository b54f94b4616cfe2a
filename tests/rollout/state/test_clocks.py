"""Clocks of phase and step, across writes of the route."""

from dataclasses import replace

import pytest

from model_rollouts.rollout.memory import Clocks, Memory, Split
from model_rollouts.rollout.state.clocks import tick
from tests.rollout.made_up import NOON, STARTED_MS

OF = "Canary/arrival-3333333333/1"
MEMORY = Memory(
    clocks=Clocks(OF, NOON, phase=100.0, step=40.0, sequence=7),
    split=Split(STARTED_MS, candidate=5, stable=45),
)


def test_a_step_goes_on_while_its_write_is_the_last() -> None:
    ticked = tick(MEMORY, OF, NOON + 5, sequence=7, paused=False)

    assert (ticked.phase, ticked.step, ticked.sequence) == (105.0, 45.0, 7)


@pytest.mark.parametrize("known", [None, 6, 8], ids=["not known", "older", "newer"])
def test_a_step_begins_with_every_write_whoever_made_it(known: int | None) -> None:
    assert MEMORY.clocks is not None
    memory = replace(MEMORY, clocks=replace(MEMORY.clocks, sequence=known), split=None)

    ticked = tick(memory, OF, NOON + 5, sequence=7, paused=False)

    assert (ticked.phase, ticked.step, ticked.sequence) == (105.0, 0.0, 7)
