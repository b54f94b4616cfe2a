"""Histories with two operators in which every promise is kept, and operators that break them."""

from dataclasses import replace

import pytest

from model_rollouts.engine.leadership import Leadership
from tests.faults import mutants
from tests.faults.catalogue import undisturbed
from tests.faults.examine import violations
from tests.faults.facts import Facts
from tests.faults.history import Planned, Scenario, play
from tests.faults.leader_faults import ClockWrong, LeaseUnanswered, kills, stops
from tests.faults.leaders import examine
from tests.faults.oracles.stability import end_of
from tests.faults.people import at

HISTORIES = 32
TOGETHER = 8


def two(name: str, *faults: Planned) -> Scenario:
    """A script with two operators."""
    return replace(undisturbed(name, shadows=False, rate=120.0), operators=2, faults=faults)


UNANSWERED = Planned(LeaseUnanswered(), at("Canary", "2", 2.0), 60.0)
KILLED = replace(
    two("fails in the canary"), meddling=((kills(at("Canary", "2", 18.0), "leader"),),)
)


class Unfenced(Leadership):
    """Goes on writing when it could not renew."""

    def left(self) -> float:
        """For ever, once it led."""
        return 10.0 if self.leads.is_set() else 0.0


class Waiting(Leadership):
    """Stands by for ever."""

    def _free_at(self) -> float:
        return 1e9


BROKEN = (
    ("one_writes_at_a_time", two("promoted", UNANSWERED), Unfenced),
    ("there_soon_is_a_leader", two("promoted"), Waiting),
)


@pytest.mark.parametrize("first", range(0, HISTORIES, TOGETHER))
def test_every_promise_is_kept(first: int) -> None:
    broken = [
        f"python -m tests.faults.leaders {seed}: {oracle}: {each[0]}"
        for seed in range(first, first + TOGETHER)
        for oracle, each in examine(seed)[0].items()
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(("oracle", "scenario", "leadership"), BROKEN)
def test_a_broken_promise_is_noticed(
    oracle: str, scenario: Scenario, leadership: type[Leadership]
) -> None:
    # One that always finds something to write, lest one of two is always the first to do so.
    writes = replace(mutants.WRITES_MUCH, leadership=leadership)
    assert oracle in violations(play("1", scenario, writes))


def test_users_leave_a_version_that_fails_although_the_leader_was_killed() -> None:
    history = play("1", KILLED)

    assert violations(history) == {}
    assert end_of(history).phase == "RolledBack"
    assert len(Facts(history).led) == 2


@pytest.mark.parametrize("whom", ["leader", "standby"])
@pytest.mark.parametrize("does", [kills, stops])
def test_a_canary_goes_on_whoever_ends(whom: str, does: object) -> None:
    assert callable(does)
    ends = ((does(at("Canary", "2", 20.0), whom),),)
    history = play("1", replace(two("promoted"), meddling=ends))

    assert violations(history) == {}
    assert end_of(history).phase == "Full"


@pytest.mark.parametrize("whom", ["leader", "standby"])
@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
def test_a_clock_that_is_an_hour_off_and_set_right_again_changes_nothing(
    ahead: float, whom: str
) -> None:
    wrong = Planned(ClockWrong(ahead, whom), at("Starting", "2", 0.0), 60.0)
    history = play("1", two("promoted", wrong))

    assert violations(history) == {}
    assert end_of(history) == end_of(play("1", two("promoted")))
