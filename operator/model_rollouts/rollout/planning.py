"""The plan of one pass: what should be true now, and the one next move."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from model_rollouts.api.deployment import ModelDeployment, read
from model_rollouts.api.status import Phase
from model_rollouts.decision import ObjectiveError
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.measured import Request
from model_rollouts.resources import controller_revision
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.rollout import (
    admission,
    clocks,
    history,
    holds,
    moves,
    news,
    repair,
    revisions,
    roles,
    showing,
    telling,
    trials,
    unreadable,
    wakes,
    workloads,
)
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
from model_rollouts.rollout.found import Found, phase_of
from model_rollouts.rollout.memory import Memory, Split, Written
from model_rollouts.rollout.next_move import At, Next
from model_rollouts.rollout.seen import Seen
from model_rollouts.rollout.situation import Hold


@dataclass(frozen=True, slots=True)
class Settings:
    """What the administrator configured for every rollout."""

    proxy: ProxySettings
    grid: Grid = field(default_factory=Grid)


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose history is asked for: the revision that is to be judged, and those that served."""

    candidate: str
    served: tuple[str, ...]


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
        found = _find(seen, read(dict(seen.obj)), memory, now, settings.grid.step_ms)
        return _plan(found, settings)
    except (ValidationError, ResourceError, ObjectiveError) as error:
        return _stalled(seen, memory, error, now)


def _find(
    seen: Seen, deployment: ModelDeployment, memory: Memory, now: float, step_ms: int
) -> Found:
    stored = revisions.read(seen.children)
    wanted = revisions.wanted(deployment.spec, deployment.metadata.name, stored)
    today = roles.find(seen.children, stored, deployment.status)
    spec = deployment.spec
    phase = phase_of(spec, wanted, today)
    attempt = today.attempt if phase is Phase.FULL else spec.strategy.attempt
    if memory.clocks is None:
        memory = trials.restored(deployment, stored, today)
    about = f"{phase}/{wanted.name}/{attempt}"
    ticked = clocks.tick(memory, about, now, paused=spec.paused)
    memory = replace(memory, clocks=ticked, written=_written(seen, memory, now))
    return Found(seen, deployment, stored, wanted, today, phase, memory, ticked, now, step_ms)


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
    if (asked := _asked(found, settings)) is not None:
        return asked
    refused = _refused(found)
    found = replace(found, memory=trials.at_hand(found, settings.grid))
    if _lacks_history(found):
        return _asks_history(found)
    held = (*refused, *holds.find(found))
    following = moves.find(At(found, held, admitted=not refused))
    following = following or repair.find(found, admitted=not refused)
    if following is not None:
        return _moved(found, following, held)
    return _stayed(found, held, settings, admitted=not refused)


def _asked(found: Found, settings: Settings) -> Plan | None:
    """What has to be asked before a version is started, or before the route follows the spec."""
    starts = found.phase is Phase.ADMISSION
    if not (starts or repair.follows_spec(found)):
        return None
    checked = found.seen.checked
    if checked is not None and checked.generation == found.deployment.metadata.generation:
        return None
    if not starts:
        return Plan((), found.memory, frozenset({Need.CHECK}))
    stored = _to_store(found, settings)
    deployment, *_ = controller_revision.objects(stored, revisions.owner_of(found.deployment), 1)
    tried = workloads.applied(deployment, "it is tried")
    return Plan((tried,), found.memory, frozenset({Need.CHECK}))


def _lacks_history(found: Found) -> bool:
    """Whether a candidate is to be judged, or has pods and could be, and nothing is known yet."""
    if found.seen.metrics_error is not None or found.seen.history is not None:
        return False
    if found.phase is Phase.STARTING and not found.goes_all_the_way:
        # Whether or not the version before it is still being watched.
        candidate = found.candidate()
        return candidate is not None and candidate.is_ready
    return found.judged is not None and found.memory.trial is None


def _asks_history(found: Found) -> Plan:
    """The errors of what serves now and served before, asked once before it is compared with."""
    told = found.deployment.status.history
    served = [past.revision for past in told if past.outcome in history.SERVES]
    known = [found.roles.stable, *served]
    names = {name for name in known if name in found.revisions and name != found.wanted.name}
    needs = frozenset({Need.HISTORY})
    asked = Asked(candidate=found.wanted.name, served=tuple(sorted(filter(None, names))))
    return Plan((), found.memory, needs, history=asked)


def _refused(found: Found) -> tuple[Hold, ...]:
    checked = found.seen.checked
    if checked is None or not (
        found.phase in (Phase.ADMISSION, Phase.STARTING) or repair.follows_spec(found)
    ):
        return ()
    children = found.seen.children
    return admission.holds(
        admission.Admission(found.deployment, found.wanted, found.revisions, children, checked)
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
    memory = replace(
        found.memory,
        clocks=replace(found.clocks, step=0.0),
        split=Split(round(found.now * 1000)),
        routed_at=found.now,
        verdicts=showing.verdicts(found, held) if following.move is Move.ROLL_BACK else (),
        note=following.why,
        dispersion=None if following.move is Move.BEGIN else found.memory.dispersion,
        superseded=found.roles.candidate if following.move is Move.DROP else None,
    )
    if following.protects or found.phase is not Phase.CANARY:
        return Plan((write, told), memory, wake_at=found.now)
    body = telling.body(showing.status(found, held))
    memory = replace(memory, written=Written(body, found.now))
    return Plan((WriteStatus(body), write, told), memory, wake_at=found.now)


def _stayed(found: Found, held: tuple[Hold, ...], settings: Settings, *, admitted: bool) -> Plan:
    """Objects as they should be, and the status when it has something to tell."""
    measures = trials.measures(found)
    actions = tuple(_objects(found, settings, admitted=admitted))
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
        # The gateway is about to say what has become of the route: both are told together.
        due = found.now + holds.GATEWAY_SECONDS
    elif due is not None and due <= found.now:
        events = news.of(found.deployment.status, status)
        told = (WriteStatus(telling.body(status)), *events)
        memory = telling.written(memory, status, found.now)
        due = telling.due(status, memory, found.now)
    wake_at = wakes.next_at(found, due, refused=not admitted)
    return Plan((*told, *actions), memory, measures=measures, wake_at=wake_at)


def _objects(found: Found, settings: Settings, *, admitted: bool) -> Iterator[Action]:
    if found.phase is Phase.ADMISSION:
        if admitted:
            yield Create(_to_store(found, settings))
        return
    pods = workloads.replicas(found, admitted=admitted)
    for body, why in workloads.running(found, pods):
        yield workloads.applied(body, why)
    yield from workloads.scaled(found, pods, up=True)
    if workloads.may_shrink(found):
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
