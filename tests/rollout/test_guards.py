"""Guards in whole rollouts: they find what nobody asked for, and an upgrade changes nothing."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from model_rollouts.api.guards import Guards
from model_rollouts.decision import Rules
from model_rollouts.rollout.observed import Observed
from model_rollouts.rollout.pods import Ended, Pod
from model_rollouts.rollout.trial import trial as trial_module
from tests.rollout.simulated_cluster import NOON, World


@dataclass
class Counted:
    """What a guard that is not there has counted."""

    seen_total: float = 0.0


@dataclass
class PodsWorld(World):
    """A world whose pods are seen, with so many crashes of the model by version."""

    crashes: Callable[[str, float], int] = lambda version, age: 0

    def seen(self) -> Observed:
        """What the engine would gather, with the pods."""
        pods = []
        for (kind, name), obj in self.objects.items():
            version = self.version_of(name)[1:]
            for number in range(obj["spec"]["replicas"]) if kind == "Deployment" else ():
                began = NOON + self.changed_at[name]
                restarts = self.crashes(version, NOON + self.time - began)
                ended = Ended(137, "OOMKilled") if restarts else None
                pod = Pod(f"{name}-{number}", f"{name}-{number}", name, began)
                pods.append(replace(pod, ready_since=began, restarts=restarts, ended=ended))
        return replace(super().seen(), pods=tuple(pods))


def in_canary(world: World, **changes: Any) -> World:
    """Version 1 serves, and version 2 gets its first users."""
    world.edit(version="1")
    world.until("Full").run(120)
    world.edit(version="2", **changes)
    return world.until("Canary")


def rolled_back(world: World, most: float) -> str:
    """What is told of the rollback of version 2."""
    world.until("RolledBack", most)
    assert world.weights == {"v1": 1}
    told: str = world.status["message"]
    return told


def test_a_version_that_refuses_everybody_is_rolled_back_within_seconds() -> None:
    world = in_canary(World(refused={"2": 1.0}))

    told = rolled_back(world, 60)

    assert "client-errors failed" in told
    assert world.answers["2"] <= 200


def test_refusals_that_stable_has_as_well_roll_nothing_back() -> None:
    world = in_canary(World(refused={"1": 0.3, "2": 0.3}))

    world.until("Full")

    assert world.weights == {"v2": 1}


def test_a_version_that_is_twice_as_slow_as_stable_is_rolled_back_without_an_objective() -> None:
    slow = {"1": {0.2: 0.005}, "2": {0.2: 0.12}}
    world = World(usual=0.15, slow=slow)
    in_canary(world, strategy__canary={"steps": ["5%", "25%", "50%"], "minStepDuration": "1m"})

    told = rolled_back(world, 600)

    assert "latency-against-stable failed" in told


def test_a_version_that_is_as_slow_as_stable_is_promoted() -> None:
    slow = {"1": {0.2: 0.005}, "2": {0.2: 0.005}}
    world = in_canary(World(usual=0.15, slow=slow))

    world.until("Full")

    assert world.weights == {"v2": 1}


def test_a_version_whose_model_crashes_each_minute_is_rolled_back() -> None:
    world = PodsWorld(crashes=lambda version, age: int(age // 60) if version == "2" else 0)
    in_canary(world, strategy__canary={"steps": ["10%"], "minStepDuration": "2h"})

    told = rolled_back(world, 3_600)

    assert "restarts failed" in told


def test_crashes_that_both_have_roll_nothing_back() -> None:
    world = PodsWorld(crashes=lambda version, age: int(age // 60))
    in_canary(world)

    world.until("Full")

    assert world.weights == {"v2": 1}


def test_a_promoted_version_whose_model_begins_to_crash_is_rolled_back_in_its_watch() -> None:
    world = PodsWorld()
    in_canary(world).until("Full")
    since = world.time
    world.crashes = lambda version, age: int((world.time - since) // 60) if version == "2" else 0

    rolled_back(world, 3_600)


@pytest.mark.parametrize("field", ["clientErrors", "restarts"])
def test_what_is_turned_off_rolls_nothing_back(field: str) -> None:
    world = PodsWorld(
        refused={"2": 1.0} if field == "clientErrors" else {},
        crashes=lambda version, age: int(age // 60) if field == "restarts" else 0,
    )
    in_canary(world, strategy__guards={field: {"role": "Off"}})

    world.until("Full")

    assert world.weights == {"v2": 1}


# A change of guards in the middle of a rollout.


@pytest.mark.parametrize(
    "changed",
    [
        {"clientErrors": {"tolerance": "5%"}},
        {"clientErrors": {"role": "Report"}},
        {"clientErrors": {"role": "Off"}},
    ],
    ids=["limit", "role", "off"],
)
def test_a_change_of_a_guard_costs_its_evidence_and_no_other(changed: dict[str, Any]) -> None:
    world = in_canary(World(), strategy__canary={"steps": ["5%"], "minStepDuration": "2h"})
    world.run(60)
    before, weights = evidence(world), dict(world.weights)

    world.edit(strategy__guards=changed)
    world.reconcile()

    after = evidence(world)
    assert before["client-errors"].seen_total > 0
    assert world.weights == weights
    assert after.pop("client-errors", Counted()).seen_total == 0
    del before["client-errors"]
    assert after == before


def test_a_limit_that_is_changed_while_no_operator_runs_costs_no_other_evidence() -> None:
    world = in_canary(World(), strategy__canary={"steps": ["5%"], "minStepDuration": "2h"})
    world.run(60)
    # The status has all that was counted, as it does after every step and once in a while.
    world.edit(paused=True)
    world.reconcile()
    world.edit(paused=False)
    world.restart()
    world.reconcile()
    before = evidence(world)

    world.restart()
    world.edit(strategy__guards={"clientErrors": {"tolerance": "5%"}})
    world.reconcile()

    after = evidence(world)
    assert before.pop("client-errors").seen_total > 0
    assert after.pop("client-errors").seen_total == 0
    assert after == before


def test_a_higher_limit_lets_a_version_refuse_more() -> None:
    raised = {"clientErrors": {"tolerance": "45%"}}
    world = in_canary(World(refused={"2": 0.3}), strategy__guards=raised)

    world.until("Full")

    assert world.weights == {"v2": 1}


# An operator that does not know of guards is replaced by one that does.


def without_guards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_module, "guards_of", lambda *args, **more: ())
    # Another process remembers nothing of this one.
    monkeypatch.setattr(trial_module, "_rules", trial_module._rules.__wrapped__)


def evidence(world: World) -> dict[str, Any]:
    """What was counted, by objective."""
    trial = world.memory.trial
    assert trial is not None
    rules: Rules = trial.judge.rules
    return {
        objective.name: found
        for objective, found in zip(rules.objectives, trial.state.evidence, strict=True)
    }


@pytest.mark.parametrize("phase", ["Canary", "Full"])
def test_an_upgrade_in_the_middle_keeps_the_evidence_and_moves_nothing(
    phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(errors={"2": 0.004})
    with monkeypatch.context() as older:
        without_guards(older)
        in_canary(world).run(20)
        if phase == "Full":
            world.until("Full").run(40)
        world.edit(paused=True)
        world.run(10)
        world.edit(paused=False)
        world.run(5)
        before = evidence(world)
        weights = dict(world.weights)
    kept = json.loads(world.status["evidence"])
    assert "crashes" in kept or "judge" in kept

    world.restart()
    world.reconcile()

    after = evidence(world)
    assert world.weights == weights
    assert before.keys() < after.keys()
    assert after["errors"].seen_total > 0
    assert not after["restarts"].seen_total
    world.until("Full").run(60)
    assert world.weights == {"v2": 1}


def test_an_upgrade_keeps_the_protection(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    with monkeypatch.context() as older:
        without_guards(older)
        in_canary(world).run(20)
    world.restart()
    world.errors["2"] = 1.0

    rolled_back(world, 60)

    # Of the guards nothing is known: those of three looks, as without an upgrade.
    assert world.bad_answers["2"] <= 75


def test_the_default_guards_are_not_written_into_the_object() -> None:
    world = in_canary(World())

    assert "guards" not in world.obj["spec"]["strategy"]
    assert world.deployment.spec.strategy.guards is None
    assert Guards().model_dump(exclude_none=True) == {}
