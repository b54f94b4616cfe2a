"""What an undisturbed rollback takes: the control that disturbed ones are measured against."""

import pytest

from tests.faults import spans
from tests.faults.catalogue import RATES, undisturbed
from tests.faults.facts import Facts
from tests.faults.history import play
from tests.faults.oracles.protection import CONTROL_S

SEEDS = 8


@pytest.mark.parametrize(
    "name", ["fails", "fails in the canary", "fails in the watch", "immediate"]
)
def test_users_are_off_a_version_that_fails_everybody(name: str) -> None:
    took = [users_had_it(name, seed) for seed in range(SEEDS)]

    assert max(took) <= CONTROL_S
    assert min(took) > 0


def users_had_it(name: str, seed: int) -> float:
    """For how many seconds users had version 2 while it failed everybody."""
    facts = Facts(play(str(seed), undisturbed(name, shadows=False, rate=RATES[seed % 2])))
    (revision,) = (each for each, version in facts.revisions.items() if version == "2")
    bad = spans.both(facts.gives_users(revision), facts.terrible("2"))
    return sum(each.seconds for each in bad)
