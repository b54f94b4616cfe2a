"""The engine without its loops: passes and questions one by one, at times that a test sets."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Self

from model_rollouts.cluster.events import Occurrence
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT, kind_of
from model_rollouts.engine.cluster_checks import Checker
from model_rollouts.engine.executor import Executor
from model_rollouts.engine.lookup import look
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.planning import Planner, Planning
from model_rollouts.engine.pods import Pods
from model_rollouts.engine.questions import AsksCases, AsksHistory, Questions
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.reconciler import Reconciler
from model_rollouts.engine.reports import Reports
from model_rollouts.engine.sessions import Session, Sessions
from model_rollouts.engine.sight import Sight
from model_rollouts.engine.store import Key, Store
from model_rollouts.rollout.actions import Need
from model_rollouts.rollout.observed import Observed
from model_rollouts.rollout.plan import Plan
from tests.api.objects import changed
from tests.engine import planners
from tests.engine.conftest import NoHistory
from tests.engine.memory_cluster import MemoryCluster

KEY = Key("shop", "arrival")
LOOK_S = 0.1
"""How finely time passes."""


class Recorded(Planning):
    """Remembers what each plan that was carried out was made of."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.seen: list[Observed] = []

    def plan(self, key: Key, model: Any, session: Session) -> tuple[Observed, Plan]:
        """The plan as it is."""
        seen, found = super().plan(key, model, session)
        self.seen.append(seen)
        return seen, found


class Passes:
    """A cluster in memory with ModelDeployments, an engine, and a clock that stands."""

    def __init__(
        self,
        planner: Planner = planners.plan,
        *,
        checker: Any = None,
        historian: AsksHistory | None = None,
        observer: AsksCases | None = None,
        take: Callable[..., Any] = planners.take,
    ) -> None:
        self.now = 1_000.0
        self.planner = planner
        self.cluster = MemoryCluster()
        self.store = Store()
        self.sight = Sight(self.clock)
        self.events: list[Occurrence] = []
        client: Any = self.cluster
        self.queue = KeyedQueue(self.clock, jitter=lambda: 1.0)
        self.sessions = Sessions(take)
        self.questions = Questions(
            checker=checker or Checker(client, clock=self.clock),
            historian=historian or NoHistory(),
            observer=observer,
            queue=self.queue,
            clock=self.clock,
            ticks=self.clock,
            jitter=lambda: 1.0,
        )
        self.pods = Pods(self.queue, self.clock, jitter=lambda: 1.0)
        planning = Recorded(
            self.store,
            self.sight,
            lambda observed, memory, now: self.planner(observed, memory, now),
            self.questions,
            self.pods,
            self.clock,
        )
        self.seen = planning.seen
        self.reconciler = Reconciler(
            store=self.store,
            queue=self.queue,
            rollouts=self.sessions,
            planning=planning,
            executor=Executor(client, self.store, record=self.events.append, clock=self.clock),
            look=partial(look, client, self.store),
            reports=Reports(self.events.append, self.clock),
            instruments=OperatorMetrics("test"),
            clock=self.clock,
        )

    def clock(self) -> float:
        """The time."""
        return self.now

    def model(self, key: Key = KEY, generation: int = 1, **changes: Any) -> Self:
        """A ModelDeployment, or another state of it."""
        place = {
            "metadata.namespace": key.namespace,
            "metadata.name": key.name,
            "metadata.uid": f"uid-of-{key.name}",
            "metadata.generation": generation,
            "spec.replicas": 2,
        }
        self.told(self.cluster.put(changed({**place, **changes})))
        return self

    def told(self, obj: dict[str, Any]) -> None:
        """The watch tells of an object as it is now."""
        self.store.put(kind_of(obj), obj)
        if kind_of(obj) is MODEL_DEPLOYMENT:
            self.queue.add(Key(obj["metadata"]["namespace"], obj["metadata"]["name"]))

    def lost(self, obj: dict[str, Any]) -> None:
        """The watch tells that an object is gone, as of a later version than it has."""
        metadata = {**obj["metadata"], "resourceVersion": str(self.cluster.version)}
        self.store.remove(kind_of(obj), {**obj, "metadata": metadata})
        self.queue.add(KEY)

    def session(self, key: Key = KEY) -> Session:
        """What is known of a ModelDeployment."""
        found = self.sessions.get(key)
        assert found is not None
        return found

    def run(self, seconds: float = 0.0, *, asks: bool = True) -> Self:
        """Let so many seconds pass, with every pass and every question at its time."""
        asyncio.run(self.ran(seconds, asks=asks))
        return self

    async def ran(self, seconds: float, *, asks: bool = True) -> None:
        """The same, in a loop that runs already."""
        end = self.now + seconds
        while True:
            while await self._passes() or (asks and await self._answers()):
                pass
            if self.now >= end:
                return
            self.now = min(self.now + LOOK_S, end)

    async def _passes(self) -> bool:
        key = self.queue.take()
        if key is not None:
            await self.reconciler.step(key)
        return key is not None

    async def _answers(self) -> bool:
        return any([await self.questions.step(need) for need in Need])
