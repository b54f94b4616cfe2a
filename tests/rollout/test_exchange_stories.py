"""Rollouts with few pods to spare, as stories. `Bounded` looks at each of their actions."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.rollout.bounded_cluster import Bounded
from tests.rollout.story_files import is_told_again

LONG = {"duration": "6h"}


def first(replicas: int = 4, extra: int = 1, **world: Any) -> Bounded:
    """A world in which version 1 serves all users, its watch over."""
    made = Bounded(**world)
    made.edit(
        version="1",
        replicas=replicas,
        strategy__maxExtraReplicas=extra,
        strategy__watch={"duration": "10s"},
    )
    made.until("Full").run(20)
    made.log.clear()
    return made


def exchanging(world: Bounded, version: str = "2", share: int = 50) -> Bounded:
    """Roll out a version, until it has so many percent of the users."""
    world.edit(version=version, strategy__watch=LONG)
    for _ in range(200):
        weights = world.weights
        if 100 * weights.get(f"v{version}", 0) >= share * sum(weights.values()):
            return world
        world.run(5)
    raise AssertionError("never:\n" + "\n".join(world.log[-15:]))


def promoted_in_exchange() -> Bounded:
    """One pod to spare for four: a smaller step, then pod by pod; the next one needs the pod."""
    world = first()
    world.edit(version="2", strategy__watch={"duration": "2m"})
    world.until("Full").run(15)
    world.edit(version="3")
    return exchanging(world, "3", 10)


def one_accelerator_more() -> Bounded:
    """One pod serves and one may come: nothing is smaller, and nothing is exchanged."""
    world = first(replicas=1)
    world.edit(version="2", strategy__watch=LONG)
    world.until("Full").run(15)
    world.errors["2"] = 0.05
    return world.until("RolledBack").run(15)


def worse_in_the_exchange() -> Bounded:
    """It fails when half of the users have it; stable has given half of its pods away."""
    world = exchanging(first(start_seconds={"2": 20.0}))
    world.errors["2"] = 0.2
    return world.until("RolledBack").run(30)


def worse_in_the_watch_with_one_pod_warm() -> Bounded:
    """The way back in exchange, and the operator ends in the middle of it."""
    world = first()
    world.edit(version="2", strategy__watch=LONG)
    world.until("Full").run(30)
    world.errors["2"] = 0.05
    world.until("RolledBack").restart()
    return world.run(45)


def the_operator_ends_in_the_exchange() -> Bounded:
    """The route says how far it is."""
    world = exchanging(first())
    del world.obj["status"]
    world.tell("stranger", "wipes the status")
    world.restart()
    return world.until("Full").run(10)


def paused_in_the_exchange() -> Bounded:
    """Users stay where they are, and another version that is applied meanwhile waits."""
    world = exchanging(first())
    world.edit(paused=True)
    world.run(60)
    world.edit(version="3")
    world.run(30)
    world.edit(paused=False)
    return exchanging(world, "3", 10)


def prometheus_is_away_in_the_exchange() -> Bounded:
    """Nobody would see that it fails: nothing moves."""
    world = exchanging(first())
    world.prometheus_up = False
    world.run(60)
    world.prometheus_up = True
    return world.until("Full").run(10)


def scaled_while_it_goes_on() -> Bounded:
    """An autoscaler writes `replicas` in a canary, and again in the exchange."""
    world = exchanging(first(), share=20)
    world.edit(replicas=6)
    world.run(30)
    exchanging(world)
    world.edit(replicas=4)
    return world.until("Full").run(10)


def reverted_with_one_pod_warm() -> Bounded:
    """Git goes back: the same exchange, without judging."""
    world = first()
    world.edit(version="2", strategy__watch=LONG, strategy__mode="Immediate")
    world.until("Full").run(15)
    world.edit(version="1")
    return world.until("Full").run(15)


def promoted_by_hand_in_exchange() -> Bounded:
    """What a person decides takes the same pods, without Prometheus."""
    world = first(rate=0.0)
    world.edit(version="2")
    world.until("Canary").run(10)
    world.prometheus_up = False
    world.edit(strategy__override={"version": "2", "action": "Promote", "reason": "INC-5"})
    return world.until("Full").run(10)


def few_pods_in_shadow() -> Bounded:
    """Copies of as many requests as one pod bears; whose shadow a person ends is judged as well."""
    shadow = {"sideEffects": "None", "minDuration": "1m"}
    world = first()
    world.edit(version="2", strategy__shadow=shadow, strategy__watch={"duration": "10s"})
    world.until("Full").run(15)
    world.edit(version="3")
    world.until("Shadow").run(5)
    override = {"version": "3", "action": "SkipShadow", "reason": "INC-7"}
    world.edit(strategy__override=override)
    return world.until("Full")


TOLD: tuple[Callable[[], Bounded], ...] = (
    promoted_in_exchange,
    one_accelerator_more,
    worse_in_the_exchange,
    worse_in_the_watch_with_one_pod_warm,
    the_operator_ends_in_the_exchange,
    paused_in_the_exchange,
    prometheus_is_away_in_the_exchange,
    scaled_while_it_goes_on,
    reverted_with_one_pod_warm,
    promoted_by_hand_in_exchange,
    few_pods_in_shadow,
)


@pytest.mark.parametrize("story", TOLD, ids=lambda story: story.__name__)
def test_the_story_is_the_one_that_was_read(story: Callable[[], Bounded]) -> None:
    is_told_again(story)
