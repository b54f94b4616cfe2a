"""What status tells of a situation: conditions, the sentence, and when it is worth a write."""

import re
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from pydantic import ValidationError

from model_rollouts.api.conditions import ConditionType, Reason, find_condition
from model_rollouts.api.phase import Phase
from model_rollouts.api.ratio import ratio
from model_rollouts.api.status import (
    LONGEST_HISTORY,
    LONGEST_MESSAGE,
    Arm,
    FallbackStatus,
    ObjectiveStatus,
    RouteAddress,
    ShadowStatus,
    Status,
    Verdict,
)
from model_rollouts.resources.names import selector
from model_rollouts.rollout.memory import Memory, PeakLoad, Written
from model_rollouts.rollout.objects.workloads import gateway_accepted
from model_rollouts.rollout.standing import Hold, Roles, Standing
from model_rollouts.rollout.state import second_chances
from model_rollouts.rollout.state.forecast import expected_canary, plan_sentence
from model_rollouts.rollout.state.recorded_roles import record_of
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.rollout.status import (
    budget_words,
    capacity_words,
    pod_words,
    scrape_words,
    service_words,
)
from model_rollouts.rollout.status.action import action_needed
from model_rollouts.rollout.status.case_words import is_same_candidate, with_cases
from model_rollouts.rollout.status.conditions import OWN, conditions_of
from model_rollouts.rollout.status.history import updated_history
from model_rollouts.rollout.status.latency_words import latency_of, without_numbers
from model_rollouts.rollout.status.message import sentence
from model_rollouts.rollout.status.notices import notices
from model_rollouts.rollout.status.progress import Progress, progress_of
from model_rollouts.rollout.status.summary import StatusInput
from model_rollouts.rollout.trial import stored_evidence
from model_rollouts.routes.record import encode
from model_rollouts.text import cut, observed

ANSWER_REFRESH = 10.0
"""What a check or a list is answered with is told soon, and not at once: two operators that heard
different answers write in turn."""
FIRST_REFRESH = 75.0
"""Longer than the shortest step and what it takes to end it: its end tells all of it."""
COUNTS_REFRESH = 120.0
"""Numbers in a sentence that stays are hardly news, and evidence that is lost with the operator is
counted once more."""
LAST_REFRESH = 1800.0
_SLOWER = 1.5

_MOVES = OWN - {ConditionType.CHANGES_UNSEEN}
"""Conditions that tell of the rollout itself."""


def tell(given: StatusInput, memory: Memory, before: Status, now: float) -> Status:
    """The status of `given`; `before` is the one that the object has.

    `now` (Unix seconds) dates what changes. Every string is cut to its bound: a status that could
    not be written would hide a rollback.
    """
    shown = progress_of(given)
    objectives = with_cases(given, _objectives(given, shown, memory, before), before)
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
        addresses=before.addresses if given.addresses is None else given.addresses,
        stable=None if stable is None else _arm(stable, 1 - given.weight),
        candidate=None if candidate is None else _arm(candidate, given.weight),
        step=given.step,
        shadow=_shadow(given, memory, before),
        fallback=given.fallback,
        objectives=objectives,
        latency=latency_of(given, before),
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
    ended, candidate = memory.ended, given.candidate
    if given.phase is Phase.PAUSED:
        return before.objectives if is_same_candidate(given, before) else ()
    if not given.phase.has_ended:
        return ()
    if ended is None or candidate is None or _tells_of_the_end(given, before):
        return before.objectives
    if (ended.revision, ended.attempt) != (candidate.revision, given.roles.attempt):
        return before.objectives
    shown = progress_of(replace(given, trial=ended))
    return () if shown is None else shown.objectives


def _tells_of_the_end(given: StatusInput, before: Status) -> bool:
    """Whether the status has the failure already: another operator may have counted otherwise."""
    failed = any(each.verdict is Verdict.FAIL for each in before.objectives)
    return failed and before.phase is given.phase and is_same_candidate(given, before)


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
    first = before.plan if is_same_candidate(given, before) else None
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


def _addresses(state: RolloutState) -> tuple[RouteAddress, ...] | None:
    """Where clients reach the model; None while nothing was asked about its gateways."""
    checked = state.observed.checked_now
    if checked is None:
        return None
    return tuple(
        RouteAddress(url=cut(each.url, 512), gateway=cut(each.gateway, 320))
        for each in checked.gateway.addresses
    )


def _fallback(state: RolloutState) -> FallbackStatus | None:
    """What users got from fallbacks lately."""
    known = second_chances.answers(state)
    total = sum(each.total for each in known)
    if not total:
        return None
    given = min(sum(each.of_fallback for each in known), total)
    return FallbackStatus(
        share=observed(given / total).replace(" ", ""), answers=given, total=total
    )


def _arm(standing: Standing, weight: float) -> Arm:
    millionths = min(max(round(weight * 1_000_000), 0), 1_000_000)
    return Arm(
        revision=cut(standing.revision, 63),
        version=cut(standing.version, 63),
        weight=ratio(Fraction(millionths, 1_000_000)),
        rendered_by=f"builder {standing.builder}{', in a mesh' if standing.in_mesh else ''}",
    )


def _scale(given: StatusInput) -> dict[str, Any]:
    """What an autoscaler looks at: the pods of all versions that have users.

    Their load is that of all users, and so is the number that an autoscaler makes of it.
    """
    stable = given.stable
    if stable is None:
        return {"desired_replicas": given.users}
    beside = given.candidate if given.weight > 0 else None
    other = given.leaving or beside
    serving = (stable,) if other is None else (stable, other)
    labels: dict[str, list[str]] = {}
    for each in serving:
        for label, value in selector(each.revision).items():
            labels.setdefault(label, []).append(value)
    return {
        "desired_replicas": given.users,
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

    A transition is due at once, another answer of the API server 10 s after the last write. Another
    sentence waits 75 s at first, other numbers in the same one 2 minutes; half as long again each
    time, 30 minutes at most. Clocks of a rollout that waits for a person are no news. What somebody
    else has replaced is written again at once, and then ever more slowly: two operators that see
    different things would write in turn.
    """
    known = _last(memory)
    if memory.written is None or known is None:
        return now
    if _transitions(status) != _transitions(known):
        repeats = memory.written.repeats if _is_repeated(status, memory.written) else 0
        wait = ANSWER_REFRESH * _SLOWER ** min(repeats, 100) if repeats else 0.0
        return max(now, memory.written.at + min(wait, LAST_REFRESH))
    if _news(status) == _news(known):
        return None
    if _answers(status) != _answers(known):
        return max(now, memory.written.at + ANSWER_REFRESH)
    # The bound before the power: 1.5 to the power of many refreshes is no float.
    slower = _SLOWER ** min(memory.written.refreshes, 100)
    first = COUNTS_REFRESH if _words(status) == _words(known) else FIRST_REFRESH
    return max(now, memory.written.at + min(first * slower, LAST_REFRESH))


def status_written(memory: Memory, status: Status, now: float) -> Memory:
    """The memory after `status` was written at `now`."""
    refreshes, repeats, last = 0, 0, _last(memory)
    if memory.written and last:
        if _transitions(status) == _transitions(last):
            # Numbers in between do not end it: whoever else writes is still there.
            refreshes, repeats = memory.written.refreshes + 1, memory.written.repeats
        elif _is_repeated(status, memory.written):
            repeats = memory.written.repeats + 1
    body = status_body(status)
    return replace(memory, written=Written(body, now, refreshes, mark(status), repeats))


def _is_repeated(status: Status, written: Written) -> bool:
    """Whether a status tells again what we wrote last, and somebody else has replaced."""
    return written.own == mark(status)


def mark(status: Status) -> int:
    """A number for all that people and tools wait for: a status that is kept takes kilobytes."""
    return hash(repr(_transitions(status)))


def _last(memory: Memory) -> Status | None:
    """The status as it stands; None when there is none, or it cannot be read."""
    return None if memory.written is None else _read(memory.written.status)


def _read(body: Mapping[str, Any] | None) -> Status | None:
    try:
        return None if body is None else Status.model_validate(body)
    except ValidationError:
        return None


def _transitions(status: Status) -> tuple[object, ...]:
    """Everything of a status that people and tools wait for."""
    return (
        status.phase,
        status.action,
        status.observed_generation,
        tuple((c.type, c.status, c.reason) for c in status.conditions if c.type in _MOVES),
        tuple(c.message for c in status.conditions if c.type == ConditionType.WRITE_REFUSED),
        status.stable,
        status.candidate,
        status.step,
        None if status.shadow is None else status.shadow.mirror,
        # A proof comes and goes with every count; a failure is news.
        tuple(each.name for each in status.objectives if each.verdict is Verdict.FAIL),
        status.history,
        status.desired_replicas,
        # In a canary the pods of the candidate grow with each step, and the step is told then.
        status.replicas if status.candidate is None else None,
        status.selector,
    )


def _answers(status: Status) -> tuple[object, ...]:
    """What is told soon: unanswered checks and lists, which pods there were, the worst answers.

    An operator that begins again counts the pods that the evidence names, and no others that went.
    """
    told = (Reason.CHECKING, Reason.CHANGES_UNSEEN)
    messages = tuple(c.message for c in status.conditions if c.reason in told)
    # What a version did wrong is looked for soon after it was rolled back.
    ended = status.phase is not None and status.phase.has_ended
    cases = tuple(each.worst_predictions for each in status.objectives) if ended else ()
    return messages, frozenset(stored_evidence.pods(status.evidence)), cases


def _news(status: Status) -> Status:
    """The status without what is not worth a write."""
    own = tuple(condition for condition in status.conditions if condition.type in OWN)
    waits = status.phase is Phase.PAUSED or find_condition(own, ConditionType.STALLED) is not None
    kept = None if waits else status.evidence
    latency = without_numbers(status.latency)
    return status.model_copy(update={"conditions": own, "evidence": kept, "latency": latency})


def _words(status: Status) -> str:
    """The sentence without its numbers."""
    return re.sub(r"\d+", "", status.message or "")


def _dropped(state: RolloutState) -> str | None:
    """Whose evidence was dropped and what follows, in sentences."""
    memory = state.memory
    if memory.dropped is None or memory.trial is None:
        return None
    version = state.revisions[memory.trial.revision].version
    return (
        f"What was counted of version {version} before counts no more: {memory.dropped}. Weights "
        "stay as they are, and the version is judged on what is counted since."
    )


def current_status(state: RolloutState, held: tuple[Hold, ...]) -> Status:
    """The status as it should be."""
    before = state.deployment.status
    return tell(status_input(state, held), state.memory, before, state.now)


def status_input(state: RolloutState, held: tuple[Hold, ...]) -> StatusInput:
    """Where the rollout is."""
    expected, relieved = expected_canary(state), second_chances.relieves(state)
    return StatusInput(
        deployment=state.deployment,
        phase=Phase.PAUSED if state.spec.paused else state.phase,
        roles=state.roles,
        weight=float(state.roles.weight),
        step=state.step,
        share=float(state.share),
        stable=state.stable,
        candidate=state.candidate,
        previous=state.previous,
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
        leaving=state.sharing_traffic if state.is_unwanted else None,
        is_promoting=state.promotion_verdict is not None,
        desired=state.desired,
        scale_down=capacity_words.scale_down(state),
        in_place=capacity_words.in_place(state),
        failing=None if state.is_asleep or relieved else service_words.failing(state),
        degraded=service_words.degraded(state),
        scrapes=scrape_words.interval(state),
        not_counted=pod_words.not_counted(state),
        dropped=_dropped(state),
        budget_omitted=budget_words.omitted(state),
        notices=notices(state),
        fallback=_fallback(state),
        addresses=_addresses(state),
        cases=state.observed.cases,
        latencies=state.observed.latencies,
        unanswered={} if state.observed.buckets is None else state.observed.buckets.unanswered,
        unseen=service_words.unseen(state.observed.unlisted),
    )
