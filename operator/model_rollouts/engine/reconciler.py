"""One pass over one ModelDeployment: gather, plan, ask what the plan needs, carry out."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from model_rollouts.engine import children
from model_rollouts.engine.cluster_checks import ASK_AGAIN_S, Checker
from model_rollouts.engine.executor import Executor, OutdatedError
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.sessions import Answered, Measured, Remembered, Session, Sessions
from model_rollouts.engine.store import Key, Store
from model_rollouts.prometheus.client import QueryError
from model_rollouts.prometheus.decode import AnswerError
from model_rollouts.resources.names import Owner
from model_rollouts.rollout import History, HistoryQuery, Memory, Need, Observed, Plan

_log = logging.getLogger(__name__)

OUTDATED_TRIES = 5
"""How often one pass plans again because the cluster had moved on."""

RESTLESS = 50
"""Passes in a row that find something to do, before the next one has to wait."""

HISTORY_AGAIN_S = 2.0
"""Seconds until Prometheus is asked again for what it did not know: users wait for it."""

MEASURED_S = 600.0
"""How long a dispersion holds that was measured on a day."""

NEEDS = 3
"""How often a plan may ask for something more before it must say what to do."""

Planner = Callable[[Observed, Memory, float], Plan]
"""`planning.plan` with its settings."""


class AsksHistory(Protocol):
    """Asks Prometheus about the past; raises QueryError or AnswerError."""

    async def past(self, namespace: str, query: HistoryQuery) -> History:
        """How bursty the bad answers of what served were, and how many requests it had lately."""

    async def scraped_ms(self, namespace: str, revision: str) -> int | None:
        """When a revision was scraped last, None when it never was."""


class PlanError(Exception):
    """A plan that cannot be carried out as it is."""


class Reconciler:
    """Takes keys from the queue and makes passes over them."""

    def __init__(
        self,
        *,
        store: Store,
        queue: KeyedQueue,
        rollouts: Sessions,
        planner: Planner,
        checker: Checker,
        historian: AsksHistory,
        executor: Executor,
        instruments: OperatorMetrics,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._queue = queue
        self._rollouts = rollouts
        self._planner = planner
        self._checker = checker
        self._historian = historian
        self._executor = executor
        self._instruments = instruments
        self._clock = clock

    async def work(self) -> None:
        """Make passes, one after the other, until the queue is closed."""
        while (key := await self._queue.get()) is not None:
            await self.step(key)

    async def step(self, key: Key) -> None:
        """One pass over a key that the queue gave out; its failures end here."""
        begun, failed = self._clock(), True
        try:
            await self._pass(key)
            failed = False
        except ApiError as error:
            _log.warning("%s: %s", key, error, extra={"model": str(key)})
        except Exception:
            _log.exception("%s: pass failed", key, extra={"model": str(key)})
        finally:
            self._queue.done(key, failed=failed)
            outcome = "failed" if failed else "done"
            self._instruments.passes.labels(outcome).observe(max(self._clock() - begun, 0.0))

    async def _pass(self, key: Key) -> None:
        for _ in range(OUTDATED_TRIES):
            model = self._store.get(MODEL_DEPLOYMENT, *key)
            if model is None:
                self._rollouts.forget(key)
                return
            rollout = self._rollouts.of(key, model["metadata"]["uid"])
            try:
                await self._reconcile(key, model, rollout)
            except OutdatedError as error:
                _log.debug("%s: planning again: %s", key, error)
            else:
                return
        raise PlanError(f"{key}: the cluster changed during {OUTDATED_TRIES} plans in a row")

    async def _reconcile(self, key: Key, model: Mapping[str, Any], rollout: Session) -> None:
        if model["metadata"].get("deletionTimestamp"):
            # Its children go with it, by their ownerReferences; nothing is to be done or judged.
            rollout.measures = None
            return
        rollout.begin()
        plan: Plan | None = None
        try:
            # They may be adopted again: another one's would have another controller.
            for orphan in self._store.orphans(key):
                await self._executor.adopt(orphan, Owner.of(model).reference())
            found = await self._plan(model, rollout)
            await self._executor.carry_out(model, found.actions)
            plan, rollout.refusal = found, None
        except ApiError as error:
            rollout.refusal = error.message if error.is_refusal else rollout.refusal
            raise
        finally:
            # What a failed plan remembers of itself did not happen.
            if plan is None:
                rollout.end()
            else:
                rollout.end(plan.memory, plan.measures)
        self._show(key, rollout)
        self._wake(key, rollout, plan)

    async def _plan(self, model: Mapping[str, Any], rollout: Session) -> Plan:
        generation = model["metadata"]["generation"]
        self._forget_outdated(rollout, generation)
        for _ in range(NEEDS):
            seen = Observed(
                obj=model,
                children=children.children(self._store, model),
                checked=None if rollout.answered is None else rollout.answered.checked,
                history=None if rollout.history is None else rollout.history.history,
                metrics_error=rollout.metrics_error,
                refusal=rollout.refusal,
            )
            plan = self._planner(seen, rollout.memory, self._clock())
            if Need.CHECK in plan.needs:
                checked = await self._checker.check(seen, plan.actions)
                rollout.answered = Answered(checked, self._clock())
            elif plan.history is not None:
                await self._ask_history(model, rollout, plan.history)
            else:
                return plan
        raise PlanError(f"the plan asks again for what it was given: {', '.join(plan.needs)}")

    def _forget_outdated(self, rollout: Session, generation: int) -> None:
        """What was asked before is asked again once it may be otherwise."""
        now = self._clock()
        rollout.answered = _still_valid(rollout.answered, generation, now)
        past = rollout.history
        if past is None or (past.generation == generation and past.is_whole):
            return
        if past.generation != generation or now - past.at >= HISTORY_AGAIN_S:
            rollout.history = None
            if past.history is None:
                rollout.metrics_error = None

    async def _ask_history(
        self, model: Mapping[str, Any], rollout: Session, query: HistoryQuery
    ) -> None:
        metadata = model["metadata"]
        known, now = rollout.measured, self._clock()
        try:
            if known is None or not known.holds_for(query) or now - known.at > MEASURED_S:
                found = await self._historian.past(metadata["namespace"], query)
                known = rollout.measured = Measured(query, found, now)
            history = known.history
            if query.candidate is not None:
                scraped = await self._historian.scraped_ms(metadata["namespace"], query.candidate)
                history = replace(history, candidate=query.candidate, scraped_ms=scraped)
            rollout.metrics_error = None
        except (QueryError, AnswerError) as error:
            history, rollout.metrics_error = None, str(error)
        at = self._clock()
        rollout.history = Remembered(query, metadata["generation"], history, at)

    def _wake(self, key: Key, rollout: Session, plan: Plan) -> None:
        """Have the key looked at again when its plan wants it."""
        now = self._clock()
        rollout.restless = rollout.restless + 1 if plan.actions else 0
        if rollout.restless > RESTLESS:
            raise PlanError(f"{key}: {RESTLESS} plans in a row had something to do")
        if plan.actions:
            self._queue.add(key)
        if plan.wake_at is not None:
            self._queue.add(key, after=max(plan.wake_at - now, 0.0))
        if rollout.history is not None and not rollout.history.is_whole:
            self._queue.add(key, after=HISTORY_AGAIN_S)
        answered = rollout.answered
        if answered is not None and not answered.is_clean:
            self._queue.add(key, after=max(answered.at + ASK_AGAIN_S - now, 0.0))

    def _show(self, key: Key, rollout: Session) -> None:
        status = (self._store.get(MODEL_DEPLOYMENT, *key) or {}).get("status") or {}
        rollout.phase = str(status.get("phase", ""))
        conditions = status.get("conditions") or ()
        true = {each.get("type") for each in conditions if each.get("status") == "True"}
        rollout.serves_spec, rollout.available = "Ready" in true, "Available" in true
        rollout.degraded = "ServiceDegraded" in true
        rollout.failing = any(each.get("reason") == "NotAnswering" for each in conditions)


def _still_valid(answered: Answered | None, generation: int, now: float) -> Answered | None:
    """What was asked before, while it holds; None to have it asked again."""
    if answered is None or answered.checked.generation != generation:
        return None
    return answered if answered.is_clean or now - answered.at < ASK_AGAIN_S else None
