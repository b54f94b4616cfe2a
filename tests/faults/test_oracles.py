"""Each oracle notices an operator that breaks its promise, and none where nothing is broken."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from model_rollouts.cluster.events import EventRecorder
from tests.faults import mutants, test_leaders
from tests.faults.catalogue import undisturbed
from tests.faults.examine import Examined, violations
from tests.faults.faults import Fault, NodeDrained, Refused
from tests.faults.hands import weighs
from tests.faults.history import Planned, Scenario, play
from tests.faults.oracles import ORACLES
from tests.faults.oracles.judgement import Judgement
from tests.faults.oracles.stability import end_of, it_ends_as_asked
from tests.faults.people import at
from tests.faults.summary import Summary
from tests.faults.world import Variant

RATE = 120.0


def alone(name: str) -> Scenario:
    """A script and nothing else."""
    return undisturbed(name, shadows=False, rate=RATE)


def beside(name: str, fault: Fault, stage: str = "Canary", lasts: float = 60.0) -> Scenario:
    """A script with a fault from the moment when version 2 has come to a stage."""
    planned = Planned(fault, at(stage, "2", 0.0), lasts)
    return replace(alone(name), faults=(planned,), is_determined=False)


def by_hand(share: int) -> Scenario:
    """A canary whose weights are edited."""
    edit = weighs(at("Canary", "2", 5.0), share)
    return replace(alone("promoted"), meddling=((edit,),), is_determined=False)


ROUTE_REFUSED = Refused("apply HTTPRoute", 500, "the webhook is away")
# Later than the pods that come for the next step.
DRAINED = replace(
    alone("promoted"),
    faults=(Planned(NodeDrained("2", 30.0), at("Canary", "2", 12.0), 60.0),),
    is_determined=False,
)
DRAINED_IN_WATCH = replace(
    alone("promoted"),
    faults=(Planned(NodeDrained("2", 30.0), at("Watch", "2", 5.0), 60.0),),
    is_determined=False,
)
ROUTE_UNANSWERED = Refused("apply HTTPRoute", None, "the webhook does not answer")
PODS_REFUSED = Refused("apply Deployment", 403, "not on Fridays: Deployment")

BROKEN: tuple[tuple[str, Scenario, Variant], ...] = (
    ("terrible_versions_lose_their_users", alone("fails"), mutants.NEVER_ROLLS_BACK),
    (
        "a_refused_route_is_tried_and_told",
        beside("fails", ROUTE_REFUSED),
        mutants.TRIES_SELDOM,
    ),
    (
        "a_refused_route_is_tried_and_told",
        beside("fails", ROUTE_UNANSWERED),
        mutants.TELLS_LATE,
    ),
    ("failed_versions_stay_without_users", alone("fails"), mutants.FORGETS_ROLLBACKS),
    ("a_hand_towards_stable_counts", by_hand(0), mutants.INSISTS),
    ("a_hand_towards_the_candidate_is_repaired", by_hand(80), mutants.REPAIRS_NOTHING),
    ("users_leave_what_has_no_pods", DRAINED, mutants.NEVER_EASES),
    ("users_leave_what_has_no_pods", DRAINED_IN_WATCH, mutants.NEVER_EASES),
    ("a_drained_node_is_no_verdict", DRAINED, mutants.JUDGES_DRAINS),
    ("weight_rises_on_evidence", alone("promoted"), mutants.HASTENS),
    (
        "what_is_refused_is_told",
        beside("promoted", PODS_REFUSED, "Wanted"),
        mutants.TELLS_NOTHING,
    ),
    ("available_means_answers", alone("first fails"), Variant(mutants.all_is_well)),
    ("it_comes_to_rest", alone("promoted"), mutants.NEVER_RESTS),
    ("it_never_storms", alone("promoted"), mutants.STORMS),
    ("few_writes_are_enough", alone("promoted"), mutants.WRITES_MUCH),
    ("passes_end_in_order", alone("promoted"), mutants.FAILS_IN_PASSES),
    ("passes_wait_for_nobody", alone("promoted"), mutants.WAITS_IN_PASSES),
    ("spared_passes_had_nothing_to_do", alone("fails"), mutants.RESTS_BLINDLY),
    (it_ends_as_asked.__name__, alone("fails"), mutants.KEEPS_PODS),
)


@pytest.mark.parametrize(
    ("oracle", "scenario", "variant"), BROKEN, ids=[each[0] for each in BROKEN]
)
def test_a_broken_promise_is_noticed(oracle: str, scenario: Scenario, variant: Variant) -> None:
    history = play("1", scenario, variant)

    assert oracle in violations(history)


@pytest.mark.parametrize("scenario", [DRAINED, DRAINED_IN_WATCH], ids=["canary", "watch"])
def test_a_version_whose_node_is_drained_is_promoted(scenario: Scenario) -> None:
    history = play("1", scenario)

    assert violations(history) == {}
    assert end_of(history).phase == "Full"


@pytest.mark.parametrize("name", ["promoted", "fails"])
@pytest.mark.parametrize("shadows", [False, True])
def test_nothing_is_found_where_nothing_is_broken(name: str, shadows: bool) -> None:
    history = play("1", undisturbed(name, shadows=shadows, rate=RATE))

    assert violations(history) == {}


def test_the_end_of_the_process_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(self: EventRecorder) -> None:
        await self._waiting.get()
        raise ValueError("an event")

    monkeypatch.setattr(EventRecorder, "run", run)

    history = play("1", alone("promoted"))

    assert "the_process_lives" in violations(history)


def test_every_oracle_has_an_operator_that_breaks_it() -> None:
    tried = {oracle for oracle, _, _ in BROKEN} | {"the_process_lives"}
    tried |= {oracle for oracle, _, _ in test_leaders.BROKEN}

    assert tried == {*ORACLES, it_ends_as_asked.__name__}


def judged(number: int, wrong: int, *, good: bool) -> Iterator[Examined]:
    """Histories with one version each, so many of them with the wrong verdict."""
    for index in range(number):
        is_wrong = index < wrong
        judgement = Judgement("2", good, is_wrong and good, is_wrong and not good)
        yield Examined(index, "promoted", [], judgements=[judgement])


@pytest.mark.parametrize(
    ("number", "wrong", "good", "is_sound"),
    [
        pytest.param(1000, 10, True, True, id="as many good versions rolled back as promised"),
        pytest.param(1000, 25, True, False, id="more than that"),
        pytest.param(1000, 50, False, True, id="as many bad versions promoted as promised"),
        pytest.param(1000, 80, False, False, id="more than promised of them"),
        pytest.param(3, 1, True, True, id="one of few may be chance"),
    ],
)
def test_wrong_verdicts_are_counted(number: int, wrong: int, good: bool, is_sound: bool) -> None:
    summary = Summary()
    for examined in judged(number, wrong, good=good):
        summary.add(examined)

    assert summary.is_sound is is_sound
