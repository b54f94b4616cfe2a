"""Rights that the operator does without: told once, in nobody's way, used once they are given."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from model_rollouts.cluster.kinds import HTTP_ROUTE, POD_DISRUPTION_BUDGET
from model_rollouts.cluster.watch import EventSource, Sink, SourceError
from model_rollouts.engine.executor import Executor
from model_rollouts.engine.informer import Informer
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.rights import AGAIN_S, Rights
from model_rollouts.engine.sight import Sight
from model_rollouts.engine.store import Store
from model_rollouts.rollout.actions import Apply
from tests.api.objects import changed
from tests.engine.conftest import Cluster, Test
from tests.engine.memory_cluster import MemoryCluster, Silent, error
from tests.engine.planners import bare, plan
from tests.faults import virtual_time
from tests.faults.virtual_time import now

FORBIDDEN = error(403, 'poddisruptionbudgets.policy is forbidden: User "op" cannot patch resource')
UNREADABLE = "model_rollouts_unreadable"


class Operating:
    """An informer and an executor that share what they know of rights."""

    def __init__(self) -> None:
        self.cluster, self.store = MemoryCluster(), Store()
        self.model = self.cluster.put(changed({"metadata.namespace": "shop"}))
        self.instruments = OperatorMetrics("test")
        self.rights = Rights(self.instruments, now)
        self.sight = Sight(now)
        self.informer = self.informed_by(Silent())
        client: Any = self.cluster
        self.executor = Executor(
            client, self.store, record=lambda each: None, clock=now, rights=self.rights
        )

    def informed_by(self, source: EventSource) -> Informer:
        """An informer of a watch of its own."""
        client: Any = self.cluster
        return Informer(
            source=source,
            client=client,
            store=self.store,
            queue=KeyedQueue(now, jitter=lambda: 0.5),
            sight=self.sight,
            instruments=self.instruments,
            rights=self.rights,
            clock=now,
            jitter=lambda: 0.5,
        )

    @property
    def told(self) -> float | None:
        """What the metric says."""
        labels = {"resource": "poddisruptionbudgets"}
        return self.instruments.registry.get_sample_value(UNREADABLE, labels)

    @property
    def keeps(self) -> bool:
        """Whether plans make budgets."""
        return self.rights.keeps(POD_DISRUPTION_BUDGET, "shop")


def test_budgets_that_may_not_be_listed_are_left_out_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        world = Operating()
        world.cluster.faults["list PodDisruptionBudget"] = FORBIDDEN
        running = asyncio.create_task(world.informer.run())
        await asyncio.wait_for(world.informer.listed.wait(), 100)
        await asyncio.sleep(3_000)

        assert world.sight.unseen() == ()
        assert (world.told, world.keeps) == (1, False)
        assert world.rights.is_unread(POD_DISRUPTION_BUDGET)
        assert caplog.text.count("poddisruptionbudgets may not be kept") == 1

        world.cluster.faults.clear()
        await asyncio.sleep(700)
        assert (world.told, world.keeps) == (0, True)
        assert not world.rights.is_unread(POD_DISRUPTION_BUDGET)
        running.cancel()

    with caplog.at_level(logging.INFO):
        virtual_time.run(story)


class EndsOfBudgets:
    """A source that ends as soon as it watches what may not be watched."""

    def __init__(self, world: Operating) -> None:
        self._world = world
        self.stands = False

    async def run(self, sink: Sink) -> None:
        """Listen without budgets only."""
        if not self._world.rights.is_unread(POD_DISRUPTION_BUDGET):
            raise SourceError("the watch ended: HTTP 403")
        self.stands = True
        await Silent().run(sink)


def test_a_right_that_is_taken_away_ends_the_watch_of_budgets_alone() -> None:
    async def story() -> None:
        world = Operating()
        source = EndsOfBudgets(world)
        world.informer = world.informed_by(source)
        running = asyncio.create_task(world.informer.run())
        await asyncio.wait_for(world.informer.listed.wait(), 100)
        world.cluster.faults["list PodDisruptionBudget"] = FORBIDDEN
        await asyncio.sleep(60)

        assert source.stands
        assert (world.informer.deaf_for, world.told) == (0, 1)
        running.cancel()

    virtual_time.run(story)


def test_budgets_that_may_not_be_written_fail_nothing_and_are_tried_again_later() -> None:
    async def story() -> None:
        world = Operating()
        world.cluster.faults["apply PodDisruptionBudget"] = FORBIDDEN
        budget = Apply(bare(world.model, "policy/v1", "PodDisruptionBudget", "arrival"))

        outcome = await world.executor.carry_out(world.model, (budget,))

        assert (outcome.undone, outcome.is_whole) == ([], True)
        assert (world.told, world.keeps) == (1, False)
        await asyncio.sleep(AGAIN_S)
        assert world.keeps
        world.cluster.faults.clear()
        await world.executor.carry_out(world.model, (budget,))
        assert world.told == 0

    virtual_time.run(story)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("PodDisruptionBudget", error(403, "exceeded quota: count/poddisruptionbudgets")),
        ("PodDisruptionBudget", error(500)),
        ("Service", FORBIDDEN),
    ],
)
def test_another_failure_of_a_write_is_told_as_before(kind: str, answer: Any) -> None:
    async def story() -> None:
        world = Operating()
        world.cluster.faults[f"apply {kind}"] = answer
        group = "v1" if kind == "Service" else "policy/v1"

        outcome = await world.executor.carry_out(
            world.model, (Apply(bare(world.model, group, kind, "arrival")),)
        )

        assert [each.answer for each in outcome.undone] == [answer.answer]
        assert world.keeps

    virtual_time.run(story)


def test_what_a_rollout_needs_is_waited_for() -> None:
    rights = Rights(OperatorMetrics("test"), lambda: 0.0)

    assert not rights.may_not_read(error(403), HTTP_ROUTE, None)
    assert not rights.may_not_read(error(500), POD_DISRUPTION_BUDGET, None)


def test_one_namespace_without_the_right_leaves_the_others_their_budgets() -> None:
    rights = Rights(OperatorMetrics("test"), lambda: 0.0)

    assert rights.may_not_read(error(403), POD_DISRUPTION_BUDGET, "shop")

    assert not rights.keeps(POD_DISRUPTION_BUDGET, "shop")
    assert rights.keeps(POD_DISRUPTION_BUDGET, "flights")
    assert rights.is_unread(POD_DISRUPTION_BUDGET), "one watch that is refused ends all"


def test_an_operator_without_the_right_on_budgets_works_on_a_real_api_server(
    with_cluster: Callable[[Test], None],
) -> None:
    async def test(cluster: Cluster) -> None:
        cluster.proxy.fail("GET", "/poddisruptionbudgets", 403, times=1_000)
        async with cluster.running(plan):
            await cluster.create_model()
            await cluster.await_message("2 replicas.")
            value = cluster.instruments.registry.get_sample_value
            assert value(UNREADABLE, {"resource": "poddisruptionbudgets"}) == 1
            await cluster.change_spec("spec.replicas", 3)
            await cluster.await_message("3 replicas.")

    with_cluster(test)
