"""The plan of one pass: what should be true now, and the one next move."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from model_rollouts.api.deployment import ModelDeployment, read
from model_rollouts.api.status import Phase
from model_rollouts.decision import ObjectiveError
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.requests import Request
from model_rollouts.resources import controller_revision
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.rollout import wakeups as wakes
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
from model_rollouts.rollout.observed import Seen
from model_rollouts.rollout.policies import admission, holds
from model_rollouts.rollout.policies import chain as moves
from model_rollouts.rollout.policies import needs as asking
from model_rollouts.rollout.policies import route_repair as repair
from model_rollouts.rollout.policies.needs import Asked
from model_rollouts.rollout.policies.policy import At, Next
from model_rollouts.rollout.state import clocks, revisions
from model_rollouts.rollout.state import current_trial as trials
from model_rollouts.rollout.state import recorded_roles as roles
from model_rollouts.rollout.state.state import Found, Pace, phase_of
from model_rollouts.rollout.status import events as news
from model_rollouts.rollout.status import invalid_spec as unreadable
from model_rollouts.rollout.status import showing
from model_rollouts.rollout.status import status as telling
from model_rollouts.rollout.status.summary import Hold
from model_rollouts.rollout.trial import peak_load as bearing
from model_rollouts.rollout.trial import shadow_impact as straining


@dataclass(frozen=True, slots=True)
class Settings:
    """What the administrator configured for every rollout."""

    proxy: ProxySettings
    grid: Grid = field(default_factory=Grid)
    pace: Pace = field(default_factory=Pace)


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
    history: Asked | None = None
    measures: Request | None = None
    wake_at: float | None = None


def plan(seen: Seen, memory: Memory, now: float, settings: Settings) -> Plan:
    """The next move of the rollout that is `seen`, at `now` (Unix seconds).

    Never raises for what a person wrote: that becomes a status.
    """
    if seen.obj["metadata"].get("deletionTimestamp"):
        return Plan((), memory)
    try:
        found = _find(seen, read(dict(seen.obj)), memory, now, settings)
        return _plan(found, settings)
    except (ValidationError, ResourceError, ObjectiveError) as error:
        return _stalled(seen, memory, error, now)


def _find(
    seen: Seen, deployment: ModelDeployment, memory: Memory, now: float, settings: Settings
) -> Found:
    stored = revisions.read(seen.children)
    wanted = revisions.wanted(deployment.spec, deployment.metadata.name, stored)
    today = roles.find(seen.children, stored, deployment.status)
    spec = deployment.spec
    phase = phase_of(spec, wanted, today)
    attempt = today.attempt if phase is Phase.FULL else spec.strategy.attempt
    if memory.clocks is None:
        memory = trials.restored(deployment, stored, today)
    # One deadline for shadow and canary: the canary goes on with the clock of the shadow.
    judged = Phase.CANARY if phase is Phase.SHADOW else phase
    about = f"{judged}/{wanted.name}/{attempt}"
    ticked = clocks.tick(memory, about, now, paused=spec.paused)
    memory = replace(memory, clocks=ticked, written=_written(seen, memory, now))
    return Found(
        seen,
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


def _written(seen: Seen, memory: Memory, now: float) -> Written | None:
    """The status as the object has it, whoever wrote it, with the times of our own writes."""
    status, last = seen.obj.get("status"), memory.written
    if not status:
        return None
    return Written(dict(status), last.at if last else now, last.refreshes if last else 0)


def _stalled(seen: Seen, memory: Memory, error: Exception, now: float) -> Plan:
    status = unreadable.status(seen.obj, error, now)
    if status == seen.obj.get("status"):
        return Plan((), memory)
    told = Emit(Severity.WARNING, "InvalidSpec", "Read", status["message"])
    return Plan((WriteStatus(status), told), memory)


def _plan(found: Found, settings: Settings) -> Plan:
    if (checked := _checked(found, settings)) is not None:
        return checked
    refused = _refused(found)
    found = replace(found, memory=trials.at_hand(found, settings.grid))
    if asking.lacks_history(found):
        return Plan((), found.memory, frozenset({Need.HISTORY}), history=asking.about(found))
    since = holds.unscraped_since(found)
    found = replace(found, memory=replace(found.memory, unscraped_since=since))
    held = (*refused, *holds.find(found))
    following = moves.find(At(found, held, admitted=not refused))
    following = following or repair.find(found, admitted=not refused)
    if following is not None:
        return _moved(found, following, held)
    return _stayed(found, held, settings, admitted=not refused)


def _checked(found: Found, settings: Settings) -> Plan | None:
    """What has to be checked before a version is started, or before the route follows the spec."""
    if not asking.lacks_checks(found):
        return None
    if found.phase is not Phase.ADMISSION:
        return Plan((), found.memory, frozenset({Need.CHECK}))
    stored = _to_store(found, settings)
    deployment, *_ = controller_revision.objects(stored, revisions.owner_of(found.deployment), 1)
    tried = workloads.applied(deployment, "it is tried")
    return Plan((tried,), found.memory, frozenset({Need.CHECK}))


def _refused(found: Found) -> tuple[Hold, ...]:
    checked = found.seen.checked
    starts = found.phase in (Phase.ADMISSION, Phase.STARTING)
    if checked is None or not (starts or repair.follows_spec(found)):
        return ()
    children = found.seen.children
    return admission.holds(
        admission.Admission(
            found.deployment, found.wanted, found.revisions, children, checked, found.shadows
        )
    )


def _to_store(found: Found, settings: Settings) -> dict[str, Any]:
    return revisions.to_store(found.deployment, found.wanted, found.revisions, settings.proxy)


def _moved(found: Found, following: Next, held: tuple[Hold, ...]) -> Plan:
    """A write of the route. An advance has its evidence in the status before it."""
    route = found.seen.children.route
    write = WriteRoute(
        repair.body(found, following.roles),
        None if route is None else route["metadata"]["resourceVersion"],
        following.move,
    )
    told = Emit(following.severity, following.reason, following.move.value, following.note)
    begins = found.phase is Phase.STARTING and following.move in (Move.MIRROR, Move.BEGIN)
    memory = replace(
        found.memory,
        clocks=replace(found.clocks, step=0.0),
        split=Split(round(found.now * 1000), mirror=following.roles.mirror),
        routed_at=found.now,
        dispersion=None if begins else found.memory.dispersion,
        strain=None if begins else straining.anew(found.memory.strain),
        load=None if begins else bearing.anew(found.memory.load),
        others=() if begins else found.memory.others,
    )
    if following.move is not Move.EXCHANGE:
        # What was decided before an exchange is still to be told.
        memory = replace(
            memory,
            verdicts=showing.verdicts(found, held) if following.move is Move.ROLL_BACK else (),
            note=following.why,
            superseded=found.roles.candidate if following.move is Move.DROP else None,
        )
    # Evidence for users begins anew with the first of them: none of it could be lost.
    if following.protects or found.phase is not Phase.CANARY:
        return Plan((write, told), memory, wake_at=found.now)
    body = telling.body(showing.status(found, held))
    memory = replace(memory, written=Written(body, found.now))
    return Plan((WriteStatus(body), write, told), memory, wake_at=found.now)


def _stayed(found: Found, held: tuple[Hold, ...], settings: Settings, *, admitted: bool) -> Plan:
    """Objects as they should be, and the status when it has something to tell."""
    measures = trials.measures(found)
    pods = workloads.replicas(found, admitted=admitted)
    raised = workloads.raised(found, pods)
    actions = tuple(_objects(found, settings, pods, raised, admitted=admitted))
    if not (found.phase is Phase.ADMISSION and admitted):
        memory = replace(found.memory, sound=workloads.sound(found, raised, actions))
        found = replace(found, memory=memory)
    if actions and found.seen.refusal is None:
        # What they change is told in the next pass, together with what follows from it.
        memory = replace(
            found.memory, repaired=_repaired(found, actions), grown=_grown(found, actions)
        )
        return Plan(actions, memory, measures=measures, wake_at=found.now)
    memory, status = found.memory, showing.status(found, held)
    told: tuple[Action, ...] = ()
    due = telling.due(status, memory, found.now)
    if due is not None and not all(hold.told for hold in held):
        # What is about to pass by itself, such as the first scrape, is told only if it does not.
        due = found.now + holds.GATEWAY_SECONDS
    elif due is not None and due <= found.now:
        events = news.of(found.deployment.status, status)
        told = (WriteStatus(telling.body(status)), *events)
        memory = telling.written(memory, status, found.now)
        due = telling.due(status, memory, found.now)
    wake_at = wakes.next_at(found, due, refused=not admitted)
    return Plan((*told, *actions), memory, measures=measures, wake_at=wake_at)


def _objects(
    found: Found,
    settings: Settings,
    pods: Mapping[str, int],
    raised: Mapping[str, int],
    *,
    admitted: bool,
) -> Iterator[Action]:
    if found.phase is Phase.ADMISSION and admitted:
        yield Create(_to_store(found, settings))
        return
    for body, why in workloads.running(found, raised):
        yield workloads.applied(body, why)
    yield from workloads.scaled(found, raised, up=True)
    if found.roles.stable is None or workloads.may_shrink(found):
        yield from workloads.scaled(found, pods, up=False)
        yield from workloads.retired(found)


def _repaired(found: Found, actions: Iterable[Action]) -> dict[str, str]:
    repaired = dict(found.memory.repaired)
    for action in actions:
        if isinstance(action, Apply):
            present = workloads.there(found, action.body)
            if present is not None:
                repaired[workloads.key(action.body)] = workloads.state(present)
    return repaired


def _grown(found: Found, actions: Iterable[Action]) -> dict[str, tuple[float, int]]:
    grown = dict(found.memory.grown)
    for action in actions:
        if isinstance(action, Scale):
            has = int(found.seen.children.deployments[action.revision]["spec"]["replicas"])
            if action.replicas > has:
                grown[action.revision] = (found.now, has)
    return grown
