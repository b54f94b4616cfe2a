"""Passes that a tick spares: each is planned all the same here, and must have nothing to do."""

from collections.abc import Callable
from typing import Any

from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from model_rollouts.engine.planning import Planner, Planning
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.sessions import Session
from model_rollouts.engine.store import Key, Store
from model_rollouts.engine.ticker import Ticker
from model_rollouts.metrics.counts import Counted, Unavailable
from model_rollouts.metrics.requests import Request
from model_rollouts.rollout import Emit, WriteStatus
from tests.faults.virtual_time import now
from tests.rollout.simulated_cluster import waited_for

SOON_S = 1.0
"""A pass that comes so soon is not spared: pods that changed wake one a moment later."""


class SparedPasses:
    """Notes what they would have done in `found`, each with its time."""

    def __init__(
        self,
        planning: Planning,
        store: Store,
        queue: KeyedQueue,
        planner: Planner,
        wall: Callable[[], float],
        found: list[tuple[float, str]],
    ) -> None:
        self._planning = planning
        self._store = store
        self._queue = queue
        self._planner = planner
        self._wall = wall
        self._found = found

    def look(self, key: Key, session: Session) -> None:
        """Plan a pass that the counts of a tick have not asked for."""
        entry = self._queue._entries.get(key)
        model = self._store.get(MODEL_DEPLOYMENT, *key)
        if model is None or session.has_waiting or (entry and entry.due < now() + SOON_S):
            return
        if entry and entry.progress is not None:
            return
        seen = self._planning.observed(key, model, session)
        plan = self._planner(seen, session.memory, self._wall())
        status = model.get("status") or {}
        for action in plan.actions:
            if isinstance(action, WriteStatus):
                if waited_for(action.status) != waited_for(status):
                    self._found.append((now(), f"tell {action.status['phase']}"))
            elif not isinstance(action, Emit):
                self._found.append((now(), type(action).__name__))


class SparedTicker(Ticker):
    """Looks at each pass that it spares."""

    def __init__(self, spared: SparedPasses, **given: Any) -> None:
        super().__init__(**given)
        self._spared = spared

    def _hand_on(
        self, key: Key, rollout: Session, request: Request, counted: Counted | Unavailable
    ) -> bool:
        found = super()._hand_on(key, rollout, request, counted)
        if isinstance(counted, Counted) and counted.intervals and rollout.rest is not None:
            self._spared.look(key, rollout)
        return found
