"""Who is woken by PodDisruptionBudgets of others, and what is known while they cannot be listed."""

import asyncio
from typing import Any

import pytest

from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from model_rollouts.engine.other_budgets import OtherBudgets
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.store import Key, Store
from model_rollouts.rollout import OtherBudget
from tests.api.objects import changed
from tests.engine.memory_cluster import MemoryCluster, error

LIST = "list PodDisruptionBudget"


class Listing:
    """Budgets in the namespace `shop`, where one model is."""

    def __init__(self) -> None:
        self.cluster, self.store, self.queue = MemoryCluster(), Store(), KeyedQueue()
        model = self.cluster.put(changed({"metadata.namespace": "shop"}))
        self.store.put(MODEL_DEPLOYMENT, model)
        client: Any = self.cluster
        self.budgets = OtherBudgets(client, self.store, self.queue)

    def budget(self, name: str, selector: Any, labels: dict[str, str] | None = None) -> None:
        """Make one."""
        metadata = {"name": name, "namespace": "shop", "labels": labels or {}}
        self.cluster.put(
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": metadata,
                "spec": {"selector": selector},
            }
        )

    def listed(self) -> list[Key]:
        """List once; which models were woken."""
        asyncio.run(self.budgets.list_all())
        woken = []
        while (key := self.queue.take()) is not None:
            woken.append(key)
            self.queue.done(key)
        return woken


def test_nothing_is_known_before_the_first_answer_and_nobody_is_woken_without_news() -> None:
    world = Listing()
    world.budget("theirs", {"matchLabels": {"app": "arrival"}})
    before = world.budgets.of("shop")

    first, second = world.listed(), world.listed()
    known = world.budgets.of("shop")
    world.budget("another", {})
    third = world.listed()

    assert before is None
    assert known == (OtherBudget("theirs", {"matchLabels": {"app": "arrival"}}),)
    assert len(first) == 1
    assert second == []
    assert third == first
    assert world.budgets.of("shop") == (OtherBudget("another", {}), *known)
    assert world.budgets.of("elsewhere") == ()


@pytest.mark.parametrize("status", [403, 500, None])
def test_what_cannot_be_listed_is_none_at_first_and_stays_as_it_was_later(
    status: int | None,
) -> None:
    world = Listing()
    world.budget("theirs", {})
    world.cluster.faults[LIST] = error(status)
    world.listed()
    at_first = world.budgets.of("shop")
    world.cluster.faults.clear()
    world.listed()
    world.cluster.faults[LIST] = error(status)
    world.listed()

    assert at_first == ()
    assert world.budgets.of("shop") == (OtherBudget("theirs", {}),)
