"""Whole histories in which Prometheus has samples of more pods than the cluster, or of fewer."""

from dataclasses import replace

import pytest

from model_rollouts.api.conditions import ConditionType, Reason
from model_rollouts.cluster.kinds import EVENT
from tests.faults.catalogue import undisturbed
from tests.faults.faults import FOR_EVER, Killed, ScrapesDisturbed
from tests.faults.history import History, Planned, play
from tests.faults.notes import MODEL, NAMESPACE
from tests.faults.people import Act, Moment, turns
from tests.faults.users import Quality


def _played(
    script: str,
    scrapes: ScrapesDisturbed,
    killed_every: int = 0,
    begins: Moment | None = None,
    more: tuple[Act, ...] = (),
    lasts: float = FOR_EVER,
) -> History:
    base = undisturbed(script, shadows=False, rate=50.0)
    base = replace(base, declared=(*base.declared, *more))
    faults = [Planned(scrapes, begins or Moment(), lasts)]
    if killed_every:
        killed = Killed(every=killed_every, times=12, away=7.0)
        faults.append(Planned(killed, Moment(), 200.0))
    return play(f"shared store/{script}", replace(base, sampled=True, faults=tuple(faults)))


def _reasons(history: History) -> list[str]:
    return [each["reason"] for each in history.world.server.all(EVENT, NAMESPACE)]


@pytest.mark.parametrize("killed_every", [0, 1, 3], ids=["", "killed", "killed now and then"])
@pytest.mark.parametrize(
    ("script", "ends"), [("promoted", "Full"), ("fails some", "RolledBack")], ids=["good", "bad"]
)
def test_another_cluster_whose_pods_fail_everything_changes_nothing(
    script: str, ends: str, killed_every: int
) -> None:
    history = _played(script, ScrapesDisturbed(other_cluster=True), killed_every)

    model = history.world.server.find(*MODEL)
    assert model is not None
    assert model["status"]["phase"] == ends
    assert model["status"].get("stable", {}).get("version") == ("2" if ends == "Full" else "1")
    told = [each for each in _reasons(history) if each == Reason.UNKNOWN_PODS]
    assert told


@pytest.mark.parametrize("begins", ["Wanted", "Settled"], ids=["all along", "hours later"])
@pytest.mark.parametrize("killed_every", [0, 40], ids=["", "killed now and then"])
def test_what_serves_after_its_watch_is_not_held_to_another_cluster(
    begins: str, killed_every: int
) -> None:
    settled = Moment("Full", "2", after=120.0)
    serves = Act(Moment(after=900.0), "wait", lambda world: None)
    history = _played(
        "promoted",
        ScrapesDisturbed(other_cluster=True),
        killed_every,
        begins=settled if begins == "Settled" else None,
        more=(serves,),
    )

    model = history.world.server.find(*MODEL)
    assert model is not None
    found = {each["type"]: each for each in model["status"]["conditions"]}
    assert found["Available"]["status"] == "True"
    assert ConditionType.PODS_NOT_COUNTED in found
    assert found["PodsNotCounted"]["reason"] == Reason.UNKNOWN_PODS
    told = _reasons(history)
    assert Reason.NOT_ANSWERING not in told
    assert Reason.TARGET_MISSED not in told


def test_its_own_failures_are_told_while_another_cluster_answers_well() -> None:
    turned = turns(Moment("Full", "2", after=120.0), "2", Quality(errors=1.0))
    serves = Act(Moment(after=600.0), "wait", lambda world: None)
    history = _played("promoted", ScrapesDisturbed(other_cluster=True), more=(turned, serves))

    model = history.world.server.find(*MODEL)
    assert model is not None
    found = {each["type"]: each for each in model["status"]["conditions"]}
    assert found["Available"]["reason"] == Reason.NOT_ANSWERING
    # Those of the other cluster are as many again, and are not among them.
    assert "(100 %)" in found["Available"]["message"]


def test_nothing_is_kept_of_pods_once_the_other_cluster_is_gone() -> None:
    serves = Act(Moment(after=1_800.0), "wait", lambda world: None)
    history = _played(
        "promoted",
        ScrapesDisturbed(other_cluster=True),
        begins=Moment("Full", "2", after=120.0),
        lasts=300.0,
        more=(serves,),
    )

    model = history.world.server.find(*MODEL)
    assert model is not None
    assert Reason.UNKNOWN_PODS in _reasons(history)
    assert ConditionType.PODS_NOT_COUNTED not in str(model["status"])


def test_it_is_told_with_names_and_with_what_to_do() -> None:
    history = _played("fails some", ScrapesDisturbed(other_cluster=True))

    events = history.world.server.all(EVENT, NAMESPACE)
    notes = [each["note"] for each in events if each["reason"] == Reason.UNKNOWN_PODS]
    assert "elsewhere" in notes[0]
    assert "prometheus.matchers" in notes[0]
    assert ConditionType.PODS_NOT_COUNTED in str(events)


@pytest.mark.parametrize("script", ["promoted", "fails some"], ids=["good", "bad"])
def test_half_of_the_pods_unscraped_is_told_with_names_and_promotes_nothing(script: str) -> None:
    history = _played(script, ScrapesDisturbed(unscraped_pods=1), begins=Moment("Canary", "2"))

    model = history.world.server.find(*MODEL)
    assert model is not None
    if script == "fails some":
        # What is counted of the other half fails it.
        assert model["status"]["phase"] == "RolledBack"
        return
    assert model["status"]["phase"] == "Canary"
    found = {each["type"]: each for each in model["status"]["conditions"]}
    assert found["Ready"]["reason"] == Reason.SCRAPE_MISSING
    assert "1 of 2 ready pods of candidate: arrival-" in found["Ready"]["message"]
