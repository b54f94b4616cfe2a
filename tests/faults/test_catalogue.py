"""Every script, every fault and every hand is drawn, and a seed always draws the same."""

from collections import Counter

import pytest

from tests.faults import faults
from tests.faults.catalogue import ACTIONS, scenario
from tests.faults.examine import trouble
from tests.faults.faults import Fault
from tests.faults.scripts import SCRIPTS

SEEDS = range(3_000)


@pytest.fixture(scope="module")
def drawn() -> Counter[str]:
    """How often everything is drawn."""
    found: Counter[str] = Counter()
    for seed in SEEDS:
        given = scenario(seed)
        found.update([given.name, f"sampled {given.sampled}", f"shadows {given.shadows}"])
        found.update(type(each.fault).__name__ for each in given.faults)
        found.update(getattr(each.fault, "action", "") for each in given.faults)
        found.update(act.words for sequence in given.meddling for act in sequence)
        found.update(f"annotates {each.place}" for each in given.noise)
    return found


def test_every_script_is_drawn(drawn: Counter[str]) -> None:
    assert all(drawn[name] >= 10 for name in SCRIPTS)


def test_every_fault_is_drawn(drawn: Counter[str]) -> None:
    kinds = {each.__name__ for each in vars(faults).values() if _is_fault(each)}

    assert {kind for kind in kinds if not drawn[kind]} == set()


def test_every_action_is_refused(drawn: Counter[str]) -> None:
    assert all(drawn[action] >= 10 for action in ACTIONS)


def test_a_seed_always_draws_the_same() -> None:
    assert [trouble(scenario(seed)) for seed in range(50)] == [
        trouble(scenario(seed)) for seed in range(50)
    ]


def _is_fault(each: object) -> bool:
    return isinstance(each, type) and issubclass(each, Fault) and each is not Fault
