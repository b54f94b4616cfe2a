"""The plan of one pass: what should be true now, and the one next move."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from model_rollouts.api.deployment import ModelDeployment, read
from model_rollouts.api.phase import Phase
from model_rollouts.decision import ObjectiveError
from model_rollouts.metrics.grid import SPARING_MS, Grid
from model_rollouts.metrics.requests import Request
from model_rollouts.resources import controller_revision
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.rollout.actions import (
    Action,
    Apply,
    Create,
    Emit,
    Move,
    Need,
    Scale,
    Severity,
    WriteRoute,
    WriteStatus,
)
from model_rollouts.rollout.memory import Memory, Split, Written
from model_rollouts.rollout.objects import workloads
from model_rollouts.rollout.objects.route import follows_spec, route_body
from model_rollouts.rollout.observed import Observed
from model_rollouts.rollout.policies import chain, needs
from model_rollouts.rollout.policies.admission import Admission
from model_rollouts.rollout.policies.holds import GATEWAY_SECONDS, unscraped_since
from model_rollouts.rollout.policies.needs import HistoryQuery
from model_rollouts.rollout.policies.policy import NextMove, PolicyInput
from model_rollouts.rollout.policies.route_repair import route_repair
from model_rollouts.rollout.standing import Hold
from model_rollouts.rollout.state import clocks, current_trial, revisions
from model_rollouts.rollout.state.recorded_roles import read_roles
from model_rollouts.rollout.state.state import Pace, RolloutState, phase_of
from model_rollouts.rollout.status.events import events_of
from model_rollouts.rollout.status.invalid_spec import invalid_status
from model_rollouts.rollout.status.status import (
    current_status,
    objective_verdicts,
    status_body,
    status_due,
    status_written,
)
from model_rollouts.rollout.trial import peak_load, shadow_impact
from model_rollouts.rollout.wakeups import next_wakeup


@dataclass(frozen=True, slots=True)
class Settings:
    """What the administrator configured for every rollout."""

    proxy: ProxySettings
    grid: Grid = field(default_factory=Grid)
    pace: Pace = field(default_factory=Pace)
    sparing_ms: int = SPARING_MS
    """About how long an interval is of what serves after its watch (milliseconds)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass found to do.

    `actions` in the order of their commits. `needs` are asked first, and then planned again.
    `measures` is what the ticker has to count for this rollout, with the watermark to go on from;
    None when nothing is counted. `history` is what `Need.HISTORY` is about. `wake_at` (Unix
    seconds) is when to plan again although nothing changed, None for never.
    """

    actions: tuple[Action, ...]
    memory: Memory
    needs: frozenset[Need] = frozenset()
    history: HistoryQuery | None = None
    measures: Request | None = None
    wake_at: float | None = None


def make_plan(observed: Observed, memory: Memory, now: float, settings: Settings) -> Plan:
    """The next move of the rollout that is `observed`, at `now` (Unix seconds).

    Never raises for what a person wrote: that becomes a status.
    """
    if observed.obj["metadata"].get("deletionTimestamp"):
        return Plan((), memory)
    try:
        found = _find(observed, read(dict(observed.obj)), memory, now, settings)
        return _plan(found, settings)
    except (ValidationError, ResourceError, ObjectiveError) as error:
        return _stalled(observed, memory, error, now)


def _find(
    observed: Observed, deployment: ModelDeployment, memory: Memory, now: float, settings: Settings
) -> RolloutState:
    stored = revisions.read(observed.children)
    wanted = revisions.wanted(deployment.spec, deployment.metadata.name, stored)
    today = read_roles(observed.children, stored, deployment.status)
    spec = deployment.spec
    phase = phase_of(spec, wanted, today)
    attempt = today.attempt if phase is Phase.FULL else spec.strategy.attempt
    if memory.clocks is None:
        memory = current_trial.restored(deployment, stored, today)
    # One deadline for shadow and canary: the canary goes on with the clock of the shadow.
    judged = Phase.CANARY if phase.is_judged else phase
    about = f"{judged}/{wanted.name}/{attempt}"
    ticked = clocks.tick(memory, about, now, paused=spec.paused)
    memory = replace(memory, clocks=ticked, written=_written(observed, memory, now))
    return RolloutState(
        observed,
        deployment,
        stored,
        wanted,
        today,
        phase,
        memory,
        ticked,
        now,
        settings.grid.step_ms,
        settings.pace,
    )


def _written(observed: Observed, memory: Memory, now: float) -> Written | None:
    """The status as the object has it, whoever wrote it, with the times of our own writes."""
    status, last = observed.obj.get("status"), memory.written
    if not status:
        return None
    return Written(dict(status), last.at if last else now, last.refreshes if last else 0)


def _stalled(observed: Observed, memory: Memory, error: Exception, now: float) -> Plan:
    status = invalid_status(observed.obj, error, now)
    if status == observed.obj.get("status"):
        return Plan((), memory)
    told = Emit(Severity.WARNING, "InvalidSpec", "Read", status["message"])
    return Plan((WriteStatus(status), told), memory)


def _plan(state: RolloutState, settings: Settings) -> Plan:
    if (checked := _checked(state, settings)) is not None:
        return checked
    refused = _refused(state)
    state = replace(state, memory=current_trial.at_hand(state, settings.grid))
    if needs.lacks_history(state):
        return Plan((), state.memory, frozenset({Need.HISTORY}), history=needs.history_query(state))
    since = unscraped_since(state)
    state = replace(state, memory=replace(state.memory, unscraped_since=since))
    held = (*refused, *chain.active_holds(state))
    following = chain.next_move(PolicyInput(state, held, admitted=not refused))
    following = following or route_repair(state, admitted=not refused)
    if following is not None:
        return _moved(state, following, held)
    return _stayed(state, held, settings, admitted=not refused)


def _checked(state: RolloutState, settings: Settings) -> Plan | None:
    """What has to be checked before a version is started, or before the route follows the spec."""
    if not needs.lacks_checks(state):
        return None
    if state.phase is not Phase.ADMISSION:
        return Plan((), state.memory, frozenset({Need.CHECK}))
    stored = _to_store(state, settings)
    deployment, *_ = controller_revision.objects(stored, revisions.owner_of(state.deployment), 1)
    tried = workloads.applied(deployment, "it is tried")
    return Plan((tried,), state.memory, frozenset({Need.CHECK}))


def _refused(state: RolloutState) -> tuple[Hold, ...]:
    checked = state.observed.checked
    starts = state.phase.is_preparing
    if checked is None or not (starts or follows_spec(state)):
        return ()
    children = state.observed.children
    return chain.refusals(
        Admission(state.deployment, state.wanted, state.revisions, children, checked, state.shadows)
    )


def _to_store(state: RolloutState, settings: Settings) -> dict[str, Any]:
    return revisions.to_store(state.deployment, state.wanted, state.revisions, settings.proxy)


def _moved(state: RolloutState, following: NextMove, held: tuple[Hold, ...]) -> Plan:
    """A write of the route. An advance has its evidence in the status before it."""
    route = state.observed.children.route
    write = WriteRoute(
        route_body(state, following.roles),
        None if route is None else route["metadata"]["resourceVersion"],
        following.move,
    )
    told = Emit(following.severity, following.reason, following.move.value, following.note)
    begins = state.phase is Phase.STARTING and following.move in (Move.MIRROR, Move.BEGIN)
    memory = replace(
        state.memory,
        clocks=replace(state.clocks, step=0.0),
        split=Split(round(state.now * 1000), mirror=following.roles.mirror_percent),
        routed_at=state.now,
        dispersion=None if begins else state.memory.dispersion,
        shadow_impact=None
        if begins
        else shadow_impact.without_evidence(state.memory.shadow_impact),
        peak_load=None if begins else peak_load.without_evidence(state.memory.peak_load),
        others=() if begins else state.memory.others,
    )
    if following.move is not Move.EXCHANGE:
        # What was decided before an exchange is still to be told.
        memory = replace(
            memory,
            verdicts=objective_verdicts(state, held) if following.move is Move.ROLL_BACK else (),
            note=following.why,
            superseded=state.roles.candidate if following.move is Move.DROP else None,
        )
    # Evidence for users begins anew with the first of them: none of it could be lost.
    if following.protects or not state.phase.shares_traffic:
        return Plan((write, told), memory, wake_at=state.now)
    body = status_body(current_status(state, held))
    memory = replace(memory, written=Written(body, state.now))
    return Plan((WriteStatus(body), write, told), memory, wake_at=state.now)


def _stayed(
    state: RolloutState, held: tuple[Hold, ...], settings: Settings, *, admitted: bool
) -> Plan:
    """Objects as they should be, and the status when it has something to tell."""
    measures = current_trial.measures(state)
    pods = workloads.replicas(state, admitted=admitted)
    raised = workloads.raised(state, pods)
    actions = tuple(_objects(state, settings, pods, raised, admitted=admitted))
    if not (state.phase is Phase.ADMISSION and admitted):
        memory = replace(state.memory, sound=workloads.sound(state, raised, actions))
        state = replace(state, memory=memory)
    if actions and state.observed.refusal is None:
        # What they change is told in the next pass, together with what follows from it.
        memory = replace(
            state.memory, repaired=_repaired(state, actions), grown=_grown(state, actions)
        )
        return Plan(actions, memory, measures=measures, wake_at=state.now)
    memory, status = state.memory, current_status(state, held)
    told: tuple[Action, ...] = ()
    due = status_due(status, memory, state.now)
    if due is not None and not all(hold.told for hold in held):
        # What is about to pass by itself, such as the first scrape, is told only if it does not.
        due = state.now + GATEWAY_SECONDS
    elif due is not None and due <= state.now:
        events = events_of(state.deployment.status, status)
        told = (WriteStatus(status_body(status)), *events)
        memory = status_written(memory, status, state.now)
        due = status_due(status, memory, state.now)
    wake_at = next_wakeup(state, due, refused=not admitted)
    return Plan((*told, *actions), memory, measures=measures, wake_at=wake_at)


def _objects(
    state: RolloutState,
    settings: Settings,
    pods: Mapping[str, int],
    raised: Mapping[str, int],
    *,
    admitted: bool,
) -> Iterator[Action]:
    if state.phase is Phase.ADMISSION and admitted:
        yield Create(_to_store(state, settings))
        return
    for body, why in workloads.running(state, raised):
        yield workloads.applied(body, why)
    yield from workloads.scaled(state, raised, up=True)
    if state.roles.stable is None or workloads.gateway_accepted(state):
        yield from workloads.scaled(state, pods, up=False)
        yield from workloads.retired(state)


def _repaired(state: RolloutState, actions: Iterable[Action]) -> dict[str, str]:
    repaired = dict(state.memory.repaired)
    for action in actions:
        if isinstance(action, Apply):
            present = workloads.there(state, action.body)
            if present is not None:
                repaired[workloads.key(action.body)] = workloads.change_mark(present)
    return repaired


def _grown(state: RolloutState, actions: Iterable[Action]) -> dict[str, tuple[float, int]]:
    grown = dict(state.memory.grown)
    for action in actions:
        if isinstance(action, Scale):
            has = int(state.observed.children.deployments[action.revision]["spec"]["replicas"])
            if action.replicas > has:
                grown[action.revision] = (state.now, has)
    return grown
