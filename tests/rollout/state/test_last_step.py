"""The last step begins for the judge when all users come next, once, and is kept."""

import pytest

from model_rollouts.decision import Evidence
from tests.rollout.simulated_cluster import World


def errors_of(world: World) -> Evidence:
    trial = world.memory.trial
    assert trial is not None
    names = [each.name for each in trial.judge.rules.objectives]
    return trial.state.evidence[names.index("errors")]


def last_since(world: World) -> float | None:
    trial = world.memory.trial
    assert trial is not None
    return trial.state.last_since


@pytest.mark.parametrize("restarts", [False, True])
def test_the_last_step_begins_when_all_users_come_next(*, restarts: bool) -> None:
    world = World()
    world.edit(version="1", strategy__watch={"duration": "10s"})
    world.until("Full").run(60)
    world.edit(version="2")
    world.until("Canary").run(10)
    assert last_since(world) is None

    while world.weights["v2"] < 50:
        world.run(5)
    world.run(10)
    begun, before = last_since(world), errors_of(world).last
    if restarts:
        world.restart()
        world.reconcile()
    world.run(10)

    assert begun is not None
    assert before[0] > 0
    assert (last_since(world), errors_of(world).last[:3]) == (begun, before[:3])
    world.until("Full")
    assert last_since(world) is None
