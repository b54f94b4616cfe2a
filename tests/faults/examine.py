"""One seed, played and held against every promise."""

import time
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

from tests.faults.catalogue import RATES, scenario, undisturbed
from tests.faults.facts import Facts
from tests.faults.history import History, Scenario, play
from tests.faults.oracles import ORACLES
from tests.faults.oracles.judgement import Judgement, judgements
from tests.faults.oracles.process import the_process_lives
from tests.faults.oracles.stability import End, end_of, it_ends_as_asked
from tests.faults.virtual_time import StandstillError


@dataclass
class Examined:
    """What came of one seed. `found` has, by oracle, what was not kept and when."""

    seed: int
    script: str
    trouble: list[str]
    found: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    judgements: list[Judgement] = field(default_factory=list)
    simulated_s: float = 0.0
    took_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Everything, for a file."""
        return asdict(self)


def examine(seed: int) -> tuple[Examined, History | None]:
    """Play a seed and ask every oracle; there is no history of one that never ends."""
    begun = time.process_time()
    given = scenario(seed)
    try:
        history = play(str(seed), given)
    except StandstillError as error:
        found = {the_process_lives.__name__: [(0.0, str(error))]}
        return Examined(seed, given.name, trouble(given), found), None
    found = violations(history)
    facts = Facts(history)
    examined = Examined(
        seed,
        given.name,
        trouble(given),
        found,
        judgements(facts),
        history.ended_at,
        time.process_time() - begun,
    )
    return examined, history


def violations(history: History) -> dict[str, list[tuple[float, str]]]:
    """What each oracle found in a history, by its name."""
    facts = Facts(history)
    found = {
        name: [(each.at, each.words) for each in oracle(facts)] for name, oracle in ORACLES.items()
    }
    given = history.scenario
    if given.is_determined:
        reference = _reference(given.name)
        ends = [(each.at, each.words) for each in it_ends_as_asked(facts, reference)]
        found[it_ends_as_asked.__name__] = ends
    return {name: each for name, each in found.items() if each}


def trouble(given: Scenario) -> list[str]:
    """What goes wrong in a scenario, in words."""
    faults = [repr(each.fault) for each in given.faults]
    hands = [act.words for sequence in given.meddling for act in sequence]
    return faults + hands + [f"annotates {each.place} for ever" for each in given.noise]


@cache
def _reference(name: str) -> End:
    """Where a script ends when nothing happens besides; a shadow on the way changes nothing."""
    return end_of(play("reference", undisturbed(name, shadows=False, rate=RATES[0])))
