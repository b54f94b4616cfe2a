"""What a plan has to know that no watch tells."""

from dataclasses import replace

import pytest

from model_rollouts.rollout import Need, Plan, Pod, WriteRoute, make_plan
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.observed import Observed
from tests.rollout.simulated_cluster import NOON, SETTINGS, World


def seen(world: World) -> Observed:
    """Version 1 serves, and nothing is known of the past before version 2."""
    return replace(world.seen(), history=None, metrics_error=None)


def planned(world: World, observed: Observed, memory: Memory | None = None) -> Plan:
    return make_plan(observed, memory or world.memory, NOON + world.time, SETTINGS)


def starting() -> World:
    world = World()
    world.edit(version="1", replicas=2)
    world.until("Full").run(300)
    world.broken.add("2")
    world.edit(version="2")
    return world.until("Starting").run(5)


def test_the_past_is_asked_for_once_it_is_known_whose_it_is() -> None:
    world = starting()

    awaits = planned(world, replace(seen(world), pods=None, awaits_pods=True))
    asks = planned(world, seen(world))

    assert Need.HISTORY not in awaits.needs
    assert awaits.follows_pods
    assert asks.history is not None
    pods = seen(world).pods
    assert pods
    assert asks.history.pods == frozenset(pod.name for pod in pods)


def test_a_candidate_that_is_ready_waits_for_the_past_while_its_owner_is_not_known() -> None:
    world = starting()
    ready = {"availableReplicas": 1, "updatedReplicas": 1, "replicas": 1}
    world.objects["Deployment", world.revision_of("2")]["status"] = ready
    observed = replace(seen(world), pods=None, awaits_pods=True)

    found = planned(world, observed)

    assert not found.needs
    assert not any(isinstance(each, WriteRoute) for each in found.actions)


@pytest.mark.parametrize("pods", [None, ()], ids=["refused", "none are listed"])
def test_where_nobody_knows_pods_the_past_is_asked_for_all_the_same(
    pods: tuple[Pod, ...] | None,
) -> None:
    world = starting()

    observed = replace(seen(world), pods=pods, awaits_pods=False)
    asks = planned(world, observed, replace(world.memory, pods=()))

    assert asks.history is not None
    assert asks.history.pods is None


def test_other_pods_are_no_other_question() -> None:
    world = starting()
    fewer = replace(seen(world), pods=(seen(world).pods or ())[:1])

    assert planned(world, seen(world)).history == planned(world, fewer).history


def test_a_service_whose_pods_cannot_be_known_is_counted_as_it_is_scraped() -> None:
    world = World(knows_pods=False)
    world.edit(version="1", replicas=2, strategy__watch={"duration": "10s"})
    world.until("Full").run(300)
    service = world.memory.service
    assert service is not None
    crowded = replace(world.memory, service=replace(service, crowded_ms=service.until_ms))

    refused = planned(world, replace(world.seen(), pods=None, awaits_pods=False), crowded)
    listed_soon = planned(world, replace(world.seen(), pods=None, awaits_pods=True), crowded)

    assert service.pods == (2, 2, 2)
    assert refused.memory.service is not None
    assert refused.memory.service.pods == ()
    assert listed_soon.memory.service is not None
    assert listed_soon.memory.service.pods == (2, 2, 2)
    assert refused.follows_pods
    assert listed_soon.follows_pods
