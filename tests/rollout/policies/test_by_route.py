"""Weights that a person writes into the route: towards stable they are a rollback by hand."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from model_rollouts.resources.names import RECORD_ANNOTATION
from tests.rollout import test_recovery
from tests.rollout.test_recovery import Kept, roles

FORGOTTEN = "{}"


def edit(world: Kept, text: str | None = None, **weights: int) -> None:
    """Somebody writes weights by version, `v2=20`, and in place of the record `text`."""
    assert world.route is not None
    (rule,) = world.route["spec"]["rules"]
    shape = rule["backendRefs"][0]
    rule["backendRefs"] = [
        {**shape, "name": world.revision_of(version[1:]), "weight": weight}
        for version, weight in weights.items()
    ]
    if text is not None:
        world.route["metadata"]["annotations"] = {RECORD_ANNOTATION: text}
    world.changed(world.route)
    world.tell("stranger", f"writes the weights {weights}")


def told(world: Kept) -> str:
    return "\n".join(world.log[-12:])


def was_rolled_back(world: Kept, to: str = "v1") -> None:
    """Version 2 was rolled back by hand, and stays so."""
    why = f"Users of version 2 were given to version {to[1:]} in the HTTPRoute."
    assert roles(world).verdict == "RouteEdited", told(world)
    assert roles(world).phase == "RolledBack"
    assert world.weights == {to: 1}, told(world)
    last = world.status["history"][0]
    assert (last["version"], last["outcome"], last["message"]) == ("2", "RolledBack", why)
    events = [line for line in world.log if "event" in line and why in line]
    assert len(events) == 1
    assert f"Warning RolledBack: Version 2 was rolled back; version {to[1:]} serves" in events[0]


STEPS: dict[str, Callable[[], Kept]] = {
    "canary": test_recovery.on_the_second_step,
    "paused": test_recovery.paused,
    "watch": test_recovery.watched,
}
TOWARDS_STABLE = {"some": {"v1": 80, "v2": 20}, "all": {"v1": 1, "v2": 0}, "alone": {"v1": 1}}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("weights", TOWARDS_STABLE)
def test_users_that_are_given_to_stable_stay_with_it(step: str, weights: str) -> None:
    before = STEPS[step]()
    for killed in (False, True):
        for text in (None, "", FORGOTTEN):
            world = before.again()
            edit(world, text, **TOWARDS_STABLE[weights])
            if killed:
                world.restart()
            world.run(60)

            was_rolled_back(world)


def test_the_status_says_who_did_it_and_what_can_be_done() -> None:
    world = test_recovery.on_the_second_step()
    edit(world, v1=100, v2=0)
    world.run(5)

    assert world.status["message"] == (
        "Version 2 was rolled back: its users were given to version 1 in the HTTPRoute. "
        "Version 1 serves all users. Apply another version, or raise strategy.attempt."
    )


@pytest.mark.parametrize("step", ["canary", "watch"])
@pytest.mark.parametrize("change", [{"strategy__attempt": 2}, {"version": "3"}])
def test_it_ends_like_any_rollback(step: str, change: dict[str, Any]) -> None:
    world = STEPS[step]()
    edit(world, v1=1)
    world.run(10)
    world.edit(strategy__canary={"steps": ["10%"], "minStepDuration": "5s"}, **change)
    world.until("Full")

    assert set(world.weights) == {f"v{change.get('version', '2')}"}


def test_an_override_that_still_stands_does_not_give_the_users_back() -> None:
    world = test_recovery.first()
    world.edit(version="2", strategy__maxExtraReplicas=1)
    world.until("Canary")
    world.start_seconds = {"2": 60.0}
    override = {"version": "2", "action": "Promote", "reason": "INC-1"}
    world.edit(strategy__override=override)
    world.run(10)
    assert (roles(world).phase, roles(world).verdict) == ("Canary", "Overridden")
    edit(world, v1=99, v2=1)
    world.run(120)

    was_rolled_back(world)


def test_in_an_exchange_the_version_keeps_no_more_than_it_was_left() -> None:
    """Its pods would carry half of the users, until those of stable are ready."""
    before = test_recovery.in_the_exchange()
    before.start_seconds = {"1": 30.0}
    before.edit(paused=False)
    for left in (0, 20):
        world = before.again()
        edit(world, v1=100 - left, v2=left)
        world.reconcile()
        assert world.weights.get("v2", 0) <= left
        assert roles(world).verdict == "RouteEdited"
        world.run(120)

        was_rolled_back(world)


def foreign(world: Kept) -> None:
    assert world.route is not None
    backends = world.route["spec"]["rules"][0]["backendRefs"]
    backends.append({**backends[0], "name": "other", "weight": 100})
    world.changed(world.route)


def another_rule(world: Kept) -> None:
    """Some requests are for stable; the rest is as it was."""
    assert world.route is not None
    (rule,) = world.route["spec"]["rules"]
    header = {"headers": [{"name": "x-canary", "value": "never"}]}
    alone = [{**rule["backendRefs"][0], "name": world.revision_of("1"), "weight": 1}]
    world.route["spec"]["rules"] = [{"matches": [header], "backendRefs": alone}, rule]
    world.changed(world.route)


def nobody(world: Kept) -> None:
    edit(world, v1=0, v2=0)


def more(world: Kept) -> None:
    edit(world, v1=10, v2=90)


def more_without_a_record(world: Kept) -> None:
    edit(world, FORGOTTEN, v2=1)


def as_rounded(world: Kept) -> None:
    edit(world, v1=502, v2=498)


OTHER_EDITS = (
    foreign,
    another_rule,
    nobody,
    more,
    more_without_a_record,
    as_rounded,
    test_recovery.the_one_before,
    test_recovery.the_first_one,
    test_recovery.without_record,
    test_recovery.deleted,
)


@pytest.mark.parametrize("change", OTHER_EDITS, ids=lambda change: change.__name__)
def test_any_other_edit_is_repaired(change: Callable[[Kept], None]) -> None:
    before = test_recovery.on_the_second_step()
    for killed in (False, True):
        world = before.again()
        change(world)
        if killed:
            world.restart()
        world.reconcile()

        assert world.weights == {"v1": 50, "v2": 50}, told(world)
        assert roles(world) == roles(before)


@pytest.mark.parametrize(
    "phase",
    [test_recovery.rolled_back, test_recovery.undecided, test_recovery.settled],
    ids=lambda phase: phase.__name__,
)
def test_who_has_no_way_back_serves_as_before(phase: Callable[[], Kept]) -> None:
    """Nothing is kept warm: what is written into the route has no pods."""
    world = phase()
    before, weights = roles(world), world.weights
    edit(world, v1=50, v2=50)
    world.run(10)

    assert roles(world) == before, told(world)
    assert world.weights == weights


@pytest.mark.parametrize("killed", [False, True])
def test_a_version_that_leaves_may_leave_faster(
    killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = test_recovery.leaving()
    # Stable gets more than its one pod carries, because a person wants it so.
    monkeypatch.setattr(world, "_users_have_pods", lambda *_: None)
    before = roles(world)
    assert world.weights == {"v1": 25, "v2": 75}

    edit(world, v1=60, v2=40)
    if killed:
        world.restart()
    world.run(20)
    assert world.weights == {"v1": 60, "v2": 40}, told(world)
    edit(world, v1=10, v2=90)
    world.run(20)
    assert world.weights == {"v1": 60, "v2": 40}, told(world)
    edit(world, v1=1)
    world.run(20)

    assert world.weights == {"v1": 1}, told(world)
    assert roles(world) == before._replace(weight=Fraction(0))
    assert world.status["history"][0]["message"].startswith("errors failed")
