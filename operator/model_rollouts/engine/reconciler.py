"""One pass over one ModelDeployment: look, plan, have asked what the plan needs, carry out.

Nothing that takes time is asked here. Whatever fails, what is known stays known, and what does not
depend on the failure is done all the same.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum

from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT, Kind
from model_rollouts.engine import lookup
from model_rollouts.engine.answers import NEVER
from model_rollouts.engine.executor import Executor
from model_rollouts.engine.failures import Origin
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.outcome import Outcome, adoption, what
from model_rollouts.engine.planning import Planning
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.reports import Reports
from model_rollouts.engine.sessions import Session, Sessions
from model_rollouts.engine.store import Key, Store
from model_rollouts.resources.names import Owner
from model_rollouts.resources.shapes import Object
from model_rollouts.rollout import Children, Observed, Plan, WriteRoute, WriteStatus

_log = logging.getLogger(__name__)

OUTDATED_TRIES = 5
"""How often one pass plans again because the cluster had moved on."""

RESTLESS = 50
"""Passes in a row that find something to do, before the next one has to wait."""

COME_TO_REST = "reach the state of the spec"
MAKE_PLAN = "plan the rollout"
"""What has failed then."""

DYING_S = 3.0
"""Seconds until objects in the way are looked at again that are about to be deleted."""

Look = Callable[[Kind, str, str], Awaitable[object]]
"""`lookup.look` with its client and store."""


class Ended(Enum):
    """How a pass ended; what is pressing is tried again within seconds."""

    DONE = "done"
    LEFT = "left"
    """Actions failed: each of them is tried again at its time, and no other pass waits for it."""
    FAILED = "failed"
    PRESSING = "pressing"
    HANDED_ON = "handed on"
    """It was urgent, and is not: its writes are for others, who may wait for them."""


@dataclass(slots=True)
class _Try:
    """One plan of a pass, what it was made of, and what became of it."""

    model: Object
    plan: Plan | None = None
    seen: Observed | None = None
    outcome: Outcome = field(default_factory=lambda: Outcome(is_whole=False))
    is_sure: bool = True
    """Whether everything could be read that seemed to be gone."""
    is_handed_on: bool = False
    """Whether the plan is left to be made and carried out by somebody else."""

    @property
    def ended(self) -> Ended:
        """What follows for the queue."""
        if not self.is_sure:
            return Ended.PRESSING
        if self.plan is None:
            return Ended.FAILED
        return Ended.LEFT if self.outcome.undone else Ended.DONE

    @property
    def has_acted(self) -> bool:
        """Whether something of the plan is done now that was not before."""
        if self.plan is None or not self.plan.actions:
            return False
        return self.outcome.is_whole or bool(self.outcome.done)

    @property
    def is_followed(self) -> bool:
        """Whether another plan may follow from what was done."""
        if self.plan is None or not self.plan.is_last or not self.outcome.is_whole:
            return self.has_acted
        # What was adopted besides is looked at.
        return len(self.outcome.done) > len(self.plan.actions)


class Reconciler:
    """Takes keys from the queue and makes passes over them."""

    def __init__(
        self,
        *,
        store: Store,
        queue: KeyedQueue,
        rollouts: Sessions,
        planning: Planning,
        executor: Executor,
        look: Look,
        reports: Reports,
        instruments: OperatorMetrics,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._queue = queue
        self._rollouts = rollouts
        self._planning = planning
        self._executor = executor
        self._look = look
        self._reports = reports
        self._instruments = instruments
        self._clock = clock

    async def work(self, *, urgent: bool = False) -> None:
        """Make passes, one after the other, until the queue is closed; with `urgent` only those."""
        while (key := await self._queue.get(urgent=urgent)) is not None:
            await self.step(key, protects_only=urgent)

    async def step(self, key: Key, *, protects_only: bool = False) -> None:
        """One pass over a key that the queue gave out; its failures end here.

        With `protects_only` a plan that protects nobody is not carried out, but handed on.
        """
        begun, ended = self._clock(), Ended.FAILED
        try:
            ended = await self._pass(key, protects_only=protects_only)
        except Exception:
            _log.exception("%s: pass failed", key, extra={"model": str(key)})
        finally:
            failed = ended in (Ended.FAILED, Ended.PRESSING)
            self._queue.done(
                key,
                failed=failed,
                urgent=ended is Ended.PRESSING,
                unfinished=ended is Ended.HANDED_ON,
            )
            word = "failed" if failed or ended is Ended.LEFT else "done"
            self._instruments.passes.labels(word).observe(max(self._clock() - begun, 0.0))

    async def _pass(self, key: Key, *, protects_only: bool) -> Ended:
        for left in reversed(range(OUTDATED_TRIES)):
            model = self._store.get(MODEL_DEPLOYMENT, *key)
            if model is None:
                self._rollouts.forget(key)
                self._planning.forget(key)
                self._queue.retries.forgive(key)
                return Ended.DONE
            session = self._session(key, model["metadata"]["uid"])
            if model["metadata"].get("deletionTimestamp"):
                # Its children go with it, by their ownerReferences: nothing is done or judged.
                session.measures = None
                self._planning.forget(key)
                return Ended.DONE
            tried = await self._try(key, model, session, protects_only=protects_only)
            if tried.is_handed_on:
                return Ended.HANDED_ON
            self._note(key, session, tried, is_last=not left)
            if not tried.outcome.is_outdated:
                break
        is_restless = self._is_restless(key, session, tried) or _repeats(session, tried)
        self._show(key, session)
        self._wake(key, session, tried)
        return Ended.FAILED if is_restless and tried.ended is not Ended.PRESSING else tried.ended

    def _session(self, key: Key, uid: str) -> Session:
        known = self._rollouts.get(key)
        if known is not None and known.uid != uid:
            # What is asked is about another object of this name.
            self._planning.forget(key)
            self._queue.retries.forgive(key)
        return self._rollouts.of(key, uid)

    async def _try(self, key: Key, model: Object, session: Session, *, protects_only: bool) -> _Try:
        """Make a plan and carry it out, without what failed a moment ago."""
        tried = _Try(model)
        session.begin()
        try:
            if await self._believes(key, session, tried):
                self._plan(key, session, tried)
            plan = tried.plan
            if plan is not None:
                # What it knows is known whatever becomes of its writes, and counted meanwhile.
                session.keep(plan.memory, plan.measures, plan.rest)
            if protects_only and self._is_for_others(key, plan):
                tried.is_handed_on = True
                return tried
            if plan is not None:
                tried.outcome = await self._carry_out(key, model, plan, session)
                if tried.outcome.is_whole and plan.done is not None:
                    session.keep(plan.done, plan.measures, plan.rest)
                elif _has_told(plan, tried.outcome):
                    session.keep(plan.told(), plan.measures)
            tried.outcome.add(await self._adopt(key, model, session))
        finally:
            session.end()
        return tried

    async def _carry_out(self, key: Key, model: Object, plan: Plan, session: Session) -> Outcome:
        failing = session.failures.waiting()
        skip = self._queue.retries.waiting(key, _pressing(key, plan))

        def late(name: str) -> None:
            self._reports.not_answered(model, session.failures, name)

        outcome = await self._executor.carry_out(
            model,
            plan.actions,
            failing=failing,
            skip=skip,
            hurried=lambda: session.has_waiting,
            late=late,
        )
        if not outcome.is_outdated and any(isinstance(each, WriteRoute) for each in outcome.left):
            outcome.add(await self._executor.carry_out(model, plan.otherwise, skip=skip))
        return outcome

    def _is_for_others(self, key: Key, plan: Plan | None) -> bool:
        """Whether there is something to write, and nothing of it protects users."""
        if plan is None or plan.protects:
            return False
        wanted = {what(each, key) for each in plan.actions}
        wanted |= {adoption(each) for each in self._store.orphans(key)}
        return bool(wanted - self._queue.retries.waiting(key))

    async def _adopt(self, key: Key, model: Object, session: Session) -> Outcome:
        """Make children of objects that lost their controller; they are taken for such already."""
        adopted, skip = Outcome(), self._queue.retries.waiting(key)
        # They may be adopted again: another one's would have another controller.
        for orphan in self._store.orphans(key):
            adopting = self._executor.adopt(
                orphan, Owner.of(model), skip=skip, hurried=lambda: session.has_waiting
            )
            adopted.add(await adopting)
        return adopted

    async def _believes(self, key: Key, session: Session, tried: _Try) -> bool:
        """Read what seems to be gone; False when nobody knows what the plan has to be made of."""
        believes, read = True, set()
        for doubts in (lookup.doubtful, lookup.missing):
            for kind, name in doubts(self._store, tried.model):
                reading = f"read {kind.name} {key.namespace}/{name}"
                read.add(reading)
                self._queue.progressed(key)
                try:
                    await self._look(kind, key.namespace, name)
                except ApiError as error:
                    tried.is_sure = False
                    failure = session.failures.failed(
                        Origin.READ, reading, error.answer, is_refusal=error.is_refusal
                    )
                    if not lookup.is_known(self._store, tried.model, kind, name):
                        believes = False
                    # The plan knows of it and may not tell: it can be made without.
                    self._reports.not_done(tried.model, session.failures, failure)
                else:
                    session.failures.done(reading)
        session.failures.settle(Origin.READ, read)
        return believes

    def _plan(self, key: Key, session: Session, tried: _Try) -> None:
        try:
            tried.seen, tried.plan = self._planning.plan(key, tried.model, session)
            session.failures.done(MAKE_PLAN)
        except Exception as error:
            _log.exception("%s: no plan", key, extra={"model": str(key)})
            answer = f"{type(error).__name__}: {error}"
            failure = session.failures.failed(Origin.PLAN, MAKE_PLAN, answer)
            self._reports.not_planned(tried.model, session.failures, failure)

    def _note(self, key: Key, session: Session, tried: _Try, *, is_last: bool) -> None:
        """Keep what failed, and tell of it what the status cannot tell."""
        failures, plan = session.failures, tried.plan
        for name in tried.outcome.done:
            failures.done(name)
            self._queue.retries.done(key, name)
        untellable = {
            what(each, key)
            for each in (() if plan is None else (*plan.actions, *plan.otherwise))
            if isinstance(each, WriteRoute | WriteStatus)
        }
        for undone in tried.outcome.undone:
            if undone.is_outdated and not is_last:
                continue
            answer = undone.answer
            if undone.is_outdated:
                answer += f", {OUTDATED_TRIES} times in a row"
            failure = failures.failed(
                Origin.WRITE, undone.what, answer, is_refusal=undone.is_refusal
            )
            self._queue.retries.failed(key, undone.what)
            if undone.what in untellable:
                self._reports.not_done(tried.model, failures, failure)
        if plan is not None and not _is_of_route_alone(plan):
            asked = {what(each, key) for each in (*plan.actions, *plan.otherwise)}
            asked |= {each.what for each in tried.outcome.undone} | {*tried.outcome.waiting}
            if failures.settle(Origin.WRITE, asked):
                # It was told, and is not so any more.
                self._queue.add(key)

    def _is_restless(self, key: Key, session: Session, tried: _Try) -> bool:
        """Whether one plan follows the other without an end; it is told, and they have to wait."""
        if tried.plan is None:
            return False
        session.restless = session.restless + 1 if tried.is_followed else 0
        if session.restless <= RESTLESS:
            session.failures.done(COME_TO_REST)
            return False
        last = what(tried.plan.actions[-1], key)
        answer = f"{RESTLESS} plans in a row had something to do, the last: {last}"
        session.failures.failed(Origin.REST, COME_TO_REST, answer)
        return True

    def _wake(self, key: Key, session: Session, tried: _Try) -> None:
        """Have the key looked at again when its plan wants it."""
        plan = tried.plan
        if plan is None:
            return
        if tried.is_followed:
            self._queue.add(key)
        now = self._clock()
        if plan.wake_at is not None and (plan.wake_at > now or not plan.actions):
            self._queue.add(key, after=max(plan.wake_at - now, 0.0))
        self._try_again(key, plan, tried.outcome)
        if tried.seen is not None:
            self._look_again(key, session, tried.seen.children)

    def _try_again(self, key: Key, plan: Plan, outcome: Outcome) -> None:
        """Come back for what failed, at its time."""
        names = {*outcome.waiting, *(each.what for each in outcome.undone)}
        pressing = _pressing(key, plan)
        left = self._queue.retries.left(key, names, pressing)
        if left is not None:
            self._queue.add(key, after=left, urgent=not names.isdisjoint(pressing))

    def _look_again(self, key: Key, session: Session, children: Children) -> None:
        """Come back for what no watch tells."""
        now, again_at = self._clock(), session.again_at(children)
        if now < again_at < NEVER:
            self._queue.add(key, after=again_at - now)
        if children.dying:
            self._queue.add(key, after=DYING_S)
        if (after := self._planning.sees_again_in(key)) is not None:
            self._queue.add(key, after=after)

    def _show(self, key: Key, session: Session) -> None:
        status = (self._store.get(MODEL_DEPLOYMENT, *key) or {}).get("status") or {}
        session.phase = str(status.get("phase", ""))
        conditions = status.get("conditions") or ()
        true = {each.get("type") for each in conditions if each.get("status") == "True"}
        session.serves_spec, session.available = "Ready" in true, "Available" in true
        session.degraded = "ServiceDegraded" in true
        session.falls_back = "FallbackActive" in true
        session.failing = any(each.get("reason") == "NotAnswering" for each in conditions)


def _is_of_route_alone(plan: Plan) -> bool:
    """Whether a plan leaves all other objects to the next one: it says nothing of what failed."""
    return any(isinstance(each, WriteRoute) for each in plan.actions)


def _has_told(plan: Plan, outcome: Outcome) -> bool:
    """Whether the status of a plan was written."""
    asked = any(isinstance(each, WriteStatus) for each in plan.actions)
    return asked and not any(isinstance(each, WriteStatus) for each in outcome.left)


def _repeats(session: Session, tried: _Try) -> bool:
    """Whether a pass did again what the last one did, beside something that fails.

    What follows from actions is known once all of them are done: while one fails, a plan may want
    the others for ever.
    """
    before, session.acted = session.acted, frozenset(tried.outcome.done)
    return tried.has_acted and not tried.outcome.is_whole and session.acted <= before


def _pressing(key: Key, plan: Plan) -> frozenset[str]:
    """The names of what protects users: it is tried again within seconds."""
    protecting = (each for each in plan.actions if isinstance(each, WriteRoute) and each.protects)
    return frozenset(what(each, key) for each in protecting)
