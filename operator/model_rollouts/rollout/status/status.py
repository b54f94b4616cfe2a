"""What status tells of a situation: conditions, the sentence, and when it is worth a write."""

import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

from pydantic import ValidationError

from model_rollouts.api.conditions import ConditionType, find_condition
from model_rollouts.api.phase import Phase
from model_rollouts.api.ratio import ratio
from model_rollouts.api.status import (
    LONGEST_HISTORY,
    LONGEST_MESSAGE,
    Arm,
    ObjectiveStatus,
    ShadowStatus,
    Status,
    Verdict,
)
from model_rollouts.resources.names import selector
from model_rollouts.rollout.memory import Memory, PeakLoad, Written
from model_rollouts.rollout.objects.workloads import gateway_accepted
from model_rollouts.rollout.standing import Hold, Roles, Standing
from model_rollouts.rollout.state.forecast import expected_canary, plan_sentence
from model_rollouts.rollout.state.recorded_roles import record_of
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.rollout.status import service_words
from model_rollouts.rollout.status.action import action_needed
from model_rollouts.rollout.status.conditions import OWN, conditions_of
from model_rollouts.rollout.status.history import updated_history
from model_rollouts.rollout.status.message import sentence
from model_rollouts.rollout.status.progress import Progress, progress_of
from model_rollouts.rollout.status.summary import StatusInput
from model_rollouts.rollout.trial import stored_evidence
from model_rollouts.routes.record import encode
from model_rollouts.text import cut

FIRST_REFRESH = 75.0
"""Longer than the shortest step and what it takes to end it: its end tells all of it."""
COUNTS_REFRESH = 120.0
"""Numbers in a sentence that stays are hardly news, and evidence that is lost with the operator is
counted once more."""
LAST_REFRESH = 1800.0
_SLOWER = 1.5


def tell(given: StatusInput, memory: Memory, before: Status, now: float) -> Status:
    """The status of `given`; `before` is the one that the object has.

    `now` (Unix seconds) dates what changes. Every string is cut to its bound: a status that could
    not be written would hide a rollback.
    """
    shown = progress_of(given)
    objectives = _objectives(given, shown, memory, before)
    message = sentence(given, shown, objectives)
    conditions = conditions_of(given, shown, message, before, now)
    stable, candidate = given.stable, given.leaving or given.candidate
    return Status(
        observed_generation=given.deployment.metadata.generation,
        phase=given.phase,
        message=message,
        action=action_needed(given, conditions),
        plan=_plan(given, before),
        conditions=conditions,
        stable=None if stable is None else _arm(stable, 1 - given.weight),
        candidate=None if candidate is None else _arm(candidate, given.weight),
        step=given.step,
        shadow=_shadow(given, memory, before),
        objectives=objectives,
        history=tuple(
            past.model_copy(update={"message": cut(past.message, LONGEST_MESSAGE)})
            for past in given.history[:LONGEST_HISTORY]
        ),
        evidence=_kept(given, memory),
        record=_record(given.roles),
        **_scale(given),
    )


def _objectives(
    given: StatusInput, progress: Progress | None, memory: Memory, before: Status
) -> tuple[ObjectiveStatus, ...]:
    """How what is judged stands; of a candidate that was rolled back, how it stood."""
    if progress is not None:
        return progress.objectives
    if not given.phase.has_ended:
        return ()
    ended, candidate = memory.ended, given.candidate
    if ended is None or candidate is None:
        return before.objectives
    if (ended.revision, ended.attempt) != (candidate.revision, given.roles.attempt):
        return before.objectives
    shown = progress_of(replace(given, trial=ended))
    return () if shown is None else shown.objectives


def _shadow(given: StatusInput, memory: Memory, before: Status) -> ShadowStatus | None:
    """What mirrored requests show; afterwards what they showed, until another version comes."""
    load, mirror = memory.peak_load, f"{given.roles.mirror_percent}%"
    if given.roles.phase.mirrors:
        load = load or PeakLoad()
    elif given.phase.has_ended and before.shadow is not None:
        return before.shadow.model_copy(update={"mirror": mirror})
    if load is None or given.phase.is_preparing:
        return None
    borne = None if load.highest is None else f"{load.highest:.3g} req/s"
    return ShadowStatus(copies=load.copies, mirror=mirror, peak_load_per_pod=borne)


def _plan(given: StatusInput, before: Status) -> str | None:
    """What was before the candidate when it was told first: that is what came of it in the end."""
    if not given.phase.keeps_evidence:
        return None
    known, candidate = before.candidate, given.candidate
    is_same = known is not None and candidate is not None and known.revision == candidate.revision
    first = before.plan if is_same else None
    fresh = None if given.plan is None else cut(given.plan, LONGEST_MESSAGE)
    return fresh or first if given.phase is Phase.STARTING else first or fresh


def _record(roles: Roles) -> str | None:
    """The roles as the route has them; None where it has none, or could not carry them."""
    if roles.stable is None:
        return None
    try:
        return encode(record_of(roles))
    except ValueError:
        return None


def status_body(status: Status) -> dict[str, Any]:
    """The status as the JSON that is written."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


def _arm(standing: Standing, weight: float) -> Arm:
    millionths = min(max(round(weight * 1_000_000), 0), 1_000_000)
    return Arm(
        revision=cut(standing.revision, 63),
        version=cut(standing.version, 63),
        weight=ratio(Fraction(millionths, 1_000_000)),
        rendered_by=f"builder {standing.builder}",
    )


def _scale(given: StatusInput) -> dict[str, Any]:
    """What an autoscaler looks at: the pods of stable, or of both versions that share all users."""
    stable = given.stable
    if stable is None:
        return {}
    other = given.candidate if given.is_promoting else given.leaving
    serving = (stable,) if other is None else (stable, other)
    labels: dict[str, list[str]] = {}
    for each in serving:
        for label, value in selector(each.revision).items():
            labels.setdefault(label, []).append(value)
    return {
        "replicas": sum(each.replicas for each in serving),
        "selector": cut(",".join(map(_requirement, labels, labels.values())), 1024),
    }


def _requirement(label: str, values: list[str]) -> str:
    return f"{label}={values[0]}" if len(values) == 1 else f"{label} in ({','.join(values)})"


def _kept(given: StatusInput, memory: Memory) -> str | None:
    """Evidence, while something is judged or a clock runs."""
    running = given.phase.keeps_evidence
    return stored_evidence.encode(memory) if running or given.watching else None


def status_due(status: Status, memory: Memory, now: float) -> float | None:
    """When (Unix seconds, `now` or later) to write `status`; None when it says nothing new.

    A transition is due at once. Another sentence waits 75 s at first, other numbers in the same one
    2 minutes; half as long again each time, 30 minutes at most. Clocks of a rollout that waits for
    a person are no news.
    """
    known = _last(memory)
    if memory.written is None or known is None or _transitions(status) != _transitions(known):
        return now
    if _news(status) == _news(known):
        return None
    # The bound before the power: 1.5 to the power of many refreshes is no float.
    slower = _SLOWER ** min(memory.written.refreshes, 100)
    first = COUNTS_REFRESH if _words(status) == _words(known) else FIRST_REFRESH
    return max(now, memory.written.at + min(first * slower, LAST_REFRESH))


def status_written(memory: Memory, status: Status, now: float) -> Memory:
    """The memory after `status` was written at `now`."""
    refreshes, last = 0, _last(memory)
    if memory.written and last and _transitions(status) == _transitions(last):
        refreshes = memory.written.refreshes + 1
    told = Written(status_body(status), now, refreshes)
    return replace(memory, written=told)


def _last(memory: Memory) -> Status | None:
    """The status as it was written last; None when there was none, or it cannot be read."""
    if memory.written is None:
        return None
    try:
        return Status.model_validate(memory.written.status)
    except ValidationError:
        return None


def _transitions(status: Status) -> tuple[object, ...]:
    """Everything of a status that people and tools wait for."""
    return (
        status.phase,
        status.action,
        status.observed_generation,
        tuple((c.type, c.status, c.reason) for c in status.conditions if c.type in OWN),
        tuple(c.message for c in status.conditions if c.type == ConditionType.WRITE_REFUSED),
        status.stable,
        status.candidate,
        status.step,
        None if status.shadow is None else status.shadow.mirror,
        # A proof comes and goes with every count; a failure is news.
        tuple(each.name for each in status.objectives if each.verdict is Verdict.FAIL),
        status.history,
        status.replicas,
        status.selector,
    )


def _news(status: Status) -> Status:
    """The status without what is not worth a write."""
    own = tuple(condition for condition in status.conditions if condition.type in OWN)
    waits = status.phase is Phase.PAUSED or find_condition(own, ConditionType.STALLED) is not None
    kept = None if waits else status.evidence
    return status.model_copy(update={"conditions": own, "evidence": kept})


def _words(status: Status) -> str:
    """The sentence without its numbers."""
    return re.sub(r"\d+", "", status.message or "")


def current_status(state: RolloutState, held: tuple[Hold, ...]) -> Status:
    """The status as it should be."""
    before = state.deployment.status
    return tell(status_input(state, held), state.memory, before, state.now)


def status_input(state: RolloutState, held: tuple[Hold, ...]) -> StatusInput:
    """Where the rollout is."""
    expected = expected_canary(state)
    return StatusInput(
        deployment=state.deployment,
        phase=Phase.PAUSED if state.spec.paused else state.phase,
        roles=state.roles,
        weight=float(state.roles.weight),
        step=state.step,
        stable=state.stable(),
        candidate=state.candidate(),
        previous=state.previous(),
        holds=held,
        clocks=state.clocks,
        trial=state.memory.trial,
        history=updated_history(
            state.deployment.status.history, state.roles, state.revisions, state.now
        ),
        watching=state.watching,
        gateway_accepted=gateway_accepted(state),
        plan=plan_sentence(state, expected),
        expected=expected,
        steps=state.steps,
        leaving=state.sharing_traffic() if state.is_unwanted else None,
        is_promoting=state.promotion_verdict is not None,
        failing=service_words.failing(state),
        degraded=service_words.degraded(state),
    )
