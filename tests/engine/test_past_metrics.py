"""When a plan's needs are asked, and when they are asked again."""

import asyncio
from collections.abc import Iterable
from typing import Any

from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from model_rollouts.engine.cluster_checks import ASK_AGAIN_S
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.reconciler import Reconciler
from model_rollouts.engine.sessions import Sessions
from model_rollouts.engine.store import Key, Store
from model_rollouts.rollout.actions import Action, Apply, Need
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.observed import Checked, Gateway, Observed
from model_rollouts.rollout.plan import Plan
from tests.engine.conftest import NoHistory
from tests.engine.planners import take

KEY = Key("shop", "arrival")


class World:
    """One ModelDeployment, a planner that needs answers, and a clock."""

    def __init__(self, *answers: Gateway) -> None:
        self.now = 1_000.0
        self.answers = list(answers)
        self.asked: list[tuple[int, Apply | None]] = []
        self.planned: list[Checked | None] = []
        self.store = Store()
        self.queue = KeyedQueue(lambda: self.now)
        self.reconciler = Reconciler(
            store=self.store,
            queue=self.queue,
            rollouts=Sessions(take),
            planner=self.plan,
            checker=self,  # type: ignore[arg-type]
            historian=NoHistory(),
            executor=self,  # type: ignore[arg-type]
            instruments=OperatorMetrics("test"),
            clock=lambda: self.now,
        )
        self.spec(1)

    def spec(self, generation: int) -> None:
        """The object at that generation."""
        metadata = {"namespace": "shop", "name": "arrival", "uid": "u"}
        more = {"resourceVersion": str(generation), "generation": generation}
        self.store.put(MODEL_DEPLOYMENT, {"metadata": metadata | more})

    def plan(self, observed: Observed, memory: Memory, now: float) -> Plan:
        """Needs answers until it has them."""
        self.planned.append(observed.checked)
        if observed.checked is None:
            tries = Apply({"kind": "Deployment"})
            return Plan((), memory, needs=frozenset({Need.CHECK}), tries=tries)
        return Plan((), memory)

    async def check(self, observed: Observed, tries: Apply | None) -> Checked:
        """The next answer."""
        self.asked.append((observed.obj["metadata"]["generation"], tries))
        return Checked(observed.obj["metadata"]["generation"], self.answers.pop(0))

    async def carry_out(self, model: Any, actions: Iterable[Action]) -> None:
        """Nothing is to be done."""
        assert not list(actions)

    def step(self, seconds: float = 0.0) -> None:
        """A pass, so much later."""
        self.now += seconds
        self.queue.add(KEY)
        taken = self.queue.take()
        assert taken == KEY
        asyncio.run(self.reconciler.step(taken))


def test_what_a_plan_needs_is_asked_and_planned_with_at_once() -> None:
    world = World(Gateway())
    world.step()

    assert world.asked == [(1, Apply({"kind": "Deployment"}))]
    assert world.planned == [None, Checked(1, Gateway())]


def test_a_clean_answer_holds_for_its_generation() -> None:
    world = World(Gateway(), Gateway())
    world.step()
    world.step(10_000)
    assert len(world.asked) == 1

    world.spec(2)
    world.step()
    assert [generation for generation, _ in world.asked] == [1, 2]


def test_what_may_pass_is_asked_again_after_a_while_by_itself() -> None:
    world = World(Gateway(missing=("gateways/models",)), Gateway())
    world.step()
    assert world.queue.next_due() == world.now + ASK_AGAIN_S
    world.step(ASK_AGAIN_S / 2)
    assert len(world.asked) == 1

    world.step(ASK_AGAIN_S / 2)
    assert len(world.asked) == 2
    assert world.queue.next_due() is None
