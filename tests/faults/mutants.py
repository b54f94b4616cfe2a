"""Operators that break a promise on purpose: each is what an oracle has to notice."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from model_rollouts.engine.executor import Executor
from model_rollouts.engine.outcome import Outcome
from model_rollouts.engine.planning import Planner
from model_rollouts.resources.names import RECORD_ANNOTATION
from model_rollouts.rollout import (
    Action,
    Emit,
    Memory,
    Observed,
    Plan,
    Scale,
    WriteRoute,
    WriteStatus,
)
from model_rollouts.rollout.actions import Move
from model_rollouts.routes import reader
from tests.faults.operator_process import plan_for_real
from tests.faults.world import Variant

Changed = Callable[[Plan, Observed, float], Plan]


def _planner(change: Changed) -> Callable[[], Planner]:
    real = plan_for_real()
    return lambda: lambda observed, memory, at: change(real(observed, memory, at), observed, at)


def _without(actions: Sequence[Action], of: Callable[[Action], bool]) -> tuple[Action, ...]:
    return tuple(each for each in actions if not of(each))


def _rolls_back(action: Action) -> bool:
    return isinstance(action, WriteRoute) and action.move is Move.ROLL_BACK


def _never(plan: Plan, observed: Observed, at: float) -> Plan:
    if not any(map(_rolls_back, plan.actions)):
        return plan
    return replace(plan, actions=(), wake_at=None)


NEVER_ROLLS_BACK = Variant(_planner(_never))


def _never_eases(plan: Plan, observed: Observed, at: float) -> Plan:
    if not any(isinstance(each, WriteRoute) and each.move is Move.EASE for each in plan.actions):
        return plan
    return replace(plan, actions=(), wake_at=None)


NEVER_EASES = Variant(_planner(_never_eases))


def _judges_drains(plan: Plan, observed: Observed, at: float) -> Plan:
    """A candidate that loses its pods has failed."""
    return replace(plan, actions=tuple(map(_as_verdict, plan.actions)))


def _as_verdict(action: Action) -> Action:
    if not isinstance(action, WriteRoute) or action.move is not Move.EASE:
        return action
    metadata = action.body["metadata"]
    text = str(metadata["annotations"][RECORD_ANNOTATION])
    text = text.replace('"phase":"Canary"', '"phase":"RolledBack"')
    text = text.replace('"verdict":null', '"verdict":"Unready"')
    annotations = {**metadata["annotations"], RECORD_ANNOTATION: text}
    body = {**action.body, "metadata": {**metadata, "annotations": annotations}}
    return replace(action, body=body, move=Move.ROLL_BACK)


JUDGES_DRAINS = Variant(_planner(_judges_drains))


def _seldom() -> Planner:
    real, tried = plan_for_real(), [0.0]

    def plan(observed: Observed, memory: Memory, at: float) -> Plan:
        found = real(observed, memory, at)
        if not any(map(_rolls_back, found.actions)):
            return found
        if at - tried[0] < 20.0:
            return replace(found, actions=(), wake_at=tried[0] + 20.0)
        tried[0] = at
        return found

    return plan


TRIES_SELDOM = Variant(_seldom)


def _forgets() -> Planner:
    real = plan_for_real()

    def plan(observed: Observed, memory: Memory, at: float) -> Plan:
        return real(_forgotten(observed), memory, at)

    return plan


def _forgotten(observed: Observed) -> Observed:
    """The route without what it says about a version that was rolled back, and no history."""
    route = observed.children.route
    if route is None or '"RolledBack"' not in str(route["metadata"].get("annotations")):
        return observed
    metadata = {**route["metadata"], "annotations": {RECORD_ANNOTATION: ""}}
    children = replace(observed.children, route={**route, "metadata": metadata})
    obj = {key: value for key, value in observed.obj.items() if key != "status"}
    return replace(observed, children=children, obj=obj)


FORGETS_ROLLBACKS = Variant(_forgets)


def _insists() -> Planner:
    """The weights are always as they were written last."""
    real, written = plan_for_real(), [dict[str, Any]()]

    def plan(observed: Observed, memory: Memory, at: float) -> Plan:
        route = observed.children.route
        wanted = reader.weights(written[0])
        if route is not None and wanted and reader.weights(route) != wanted:
            version = route["metadata"]["resourceVersion"]
            write = WriteRoute(written[0], version, Move.REPAIR)
            return Plan((write,), memory, wake_at=at)
        found = real(observed, memory, at)
        for action in found.actions:
            if isinstance(action, WriteRoute):
                written[0] = action.body
        return found

    return plan


INSISTS = Variant(_insists)


def _repairs_nothing(plan: Plan, observed: Observed, at: float) -> Plan:
    left = _without(
        plan.actions, lambda each: isinstance(each, WriteRoute) and each.move is Move.REPAIR
    )
    return plan if left == plan.actions else replace(plan, actions=(), wake_at=None)


REPAIRS_NOTHING = Variant(_planner(_repairs_nothing))


def _hastens() -> Planner:
    real = plan_for_real()

    def plan(observed: Observed, memory: Memory, at: float) -> Plan:
        if memory.clocks is not None:
            memory = replace(memory, clocks=replace(memory.clocks, step=1e6))
        return real(observed, memory, at)

    return plan


HASTENS = Variant(_hastens)


def _tells_nothing(plan: Plan, observed: Observed, at: float) -> Plan:
    return replace(
        plan, actions=_without(plan.actions, lambda each: isinstance(each, WriteStatus | Emit))
    )


TELLS_NOTHING = Variant(_planner(_tells_nothing))


def all_is_well() -> Planner:
    """Whatever is judged, it is available."""
    real = plan_for_real()

    def plan(observed: Observed, memory: Memory, at: float) -> Plan:
        found = real(observed, memory, at)
        return replace(found, actions=tuple(map(_available, found.actions)))

    return plan


def _available(action: Action) -> Action:
    if not isinstance(action, WriteStatus):
        return action
    conditions = [
        {**each, "status": "True"} if each["type"] == "Available" else each
        for each in action.status["conditions"]
    ]
    return WriteStatus({**action.status, "conditions": conditions})


def _restless(every: float, most: int) -> Callable[[], Planner]:
    def make() -> Planner:
        real, count = plan_for_real(), [0, 0.0]

        def plan(observed: Observed, memory: Memory, at: float) -> Plan:
            found = real(observed, memory, at)
            if found.actions or found.needs or at - count[1] < every or count[0] >= most:
                soon = at + every
                return replace(found, wake_at=min(found.wake_at or soon, soon))
            count[0] += 1
            count[1] = at
            status: Mapping[str, Any] = observed.obj.get("status") or {}
            return replace(found, actions=(WriteStatus({**status, "step": int(count[0])}),))

        return plan

    return make


NEVER_RESTS = Variant(_restless(20.0, 10_000))
STORMS = Variant(_restless(0.2, 200))
WRITES_MUCH = Variant(_restless(5.0, 20))


def _fails(plan: Plan, observed: Observed, at: float) -> Plan:
    if (observed.obj.get("status") or {}).get("phase") == "Canary":
        raise ValueError("a canary")
    return plan


FAILS_IN_PASSES = Variant(_planner(_fails))


class _Slow(Executor):
    async def carry_out(
        self,
        model: Mapping[str, Any],
        actions: Sequence[Action],
        *,
        failing: Sequence[str] = (),
        skip: Collection[str] = (),
        hurried: Callable[[], bool] = lambda: False,
        late: Callable[[str], None] = lambda name: None,
    ) -> Outcome:
        """Take half a minute for it."""
        await asyncio.sleep(30.0)
        return await super().carry_out(
            model, actions, failing=failing, skip=skip, hurried=hurried, late=late
        )


WAITS_IN_PASSES = Variant(executor=_Slow)


class _Patient(Executor):
    async def carry_out(
        self,
        model: Mapping[str, Any],
        actions: Sequence[Action],
        *,
        failing: Sequence[str] = (),
        skip: Collection[str] = (),
        hurried: Callable[[], bool] = lambda: False,
        late: Callable[[str], None] = lambda name: None,
    ) -> Outcome:
        """Tell nobody of a write that takes long."""
        return await super().carry_out(model, actions, failing=failing, skip=skip, hurried=hurried)


TELLS_LATE = Variant(executor=_Patient)


def _keeps_pods(plan: Plan, observed: Observed, at: float) -> Plan:
    """No pod is ever taken away."""
    has = {name: each["spec"]["replicas"] for name, each in observed.children.deployments.items()}
    left = _without(
        plan.actions,
        lambda each: isinstance(each, Scale) and each.replicas < has.get(each.revision, 0),
    )
    return replace(plan, actions=left, wake_at=plan.wake_at if left else None)


KEEPS_PODS = Variant(_planner(_keeps_pods))


class _Blind:
    """A rest that no counts end."""

    def holds(self, memory: Memory, at: float) -> bool:
        """Always."""
        return True


def _rests_blindly(plan: Plan, observed: Observed, at: float) -> Plan:
    rests = not (plan.actions or plan.needs)
    return replace(plan, rest=_Blind()) if rests else plan  # type: ignore[arg-type]


RESTS_BLINDLY = Variant(_planner(_rests_blindly))
