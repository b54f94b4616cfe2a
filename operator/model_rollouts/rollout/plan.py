"""The plan of one pass: what should be true now, and the one next move."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pydantic import ValidationError

from model_rollouts.api.deployment import ModelDeployment
from model_rollouts.api.phase import Phase
from model_rollouts.decision import ObjectiveError
from model_rollouts.metrics.grid import SPARING_MS, Grid
from model_rollouts.metrics.requests import Request
from model_rollouts.resources.companions import Companion
from model_rollouts.resources.errors import ResourceError
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.resources.shapes import Body
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
from model_rollouts.rollout.memory import Memory, Written
from model_rollouts.rollout.objects import backups, budget, companions, workloads
from model_rollouts.rollout.objects.route import follows_spec, route_body, route_mark
from model_rollouts.rollout.observed import (
    BucketsQuery,
    CasesQuery,
    FallbackQuery,
    LatencyQuery,
    Observed,
)
from model_rollouts.rollout.policies import chain, holds, needs
from model_rollouts.rollout.policies.entry import Entry, admit
from model_rollouts.rollout.policies.metrics_holds import behind_since, unscraped_since
from model_rollouts.rollout.policies.needs import HistoryQuery, SizesQuery
from model_rollouts.rollout.policies.policy import NextMove, PolicyInput
from model_rollouts.rollout.policies.route_repair import looked_at, route_repair, tried
from model_rollouts.rollout.rest import Rest, rest_of
from model_rollouts.rollout.standing import Hold
from model_rollouts.rollout.state import clocks, current_trial, replicas, revisions
from model_rollouts.rollout.state.readable_spec import readable, refused, without_objectives
from model_rollouts.rollout.state.recorded_roles import read_roles, with_write
from model_rollouts.rollout.state.state import (
    Pace,
    RolloutState,
    attempt_at,
    fresh_until_ms,
    phase_of,
)
from model_rollouts.rollout.status.events import events_of
from model_rollouts.rollout.status.history import untold_drop
from model_rollouts.rollout.status.invalid_spec import invalid_status
from model_rollouts.rollout.status.status import (
    current_status,
    status_body,
    status_due,
    status_written,
)
from model_rollouts.rollout.trial import own_pods
from model_rollouts.rollout.wakeups import next_wakeup
from model_rollouts.routes.acceptance import silent_gateways


@dataclass(frozen=True, slots=True)
class Settings:
    """What the administrator configured for every rollout."""

    proxy: ProxySettings
    grid: Grid = field(default_factory=Grid)
    pace: Pace = field(default_factory=Pace)
    sparing_ms: int = SPARING_MS
    """About how long an interval is of what serves after its watch (milliseconds)."""
    companions: tuple[Companion, ...] = ()
    """What is written beside each Service of a revision."""
    most_weights: Mapping[str, int] = field(default_factory=dict)
    """The largest weights that gateways take, by name of their controller, beside what is known."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass found to do.

    `actions` in the order of their commits. `memory` is what is known whatever becomes of them,
    `done` what is known once all of them were done, None when that is the same. `otherwise` is done
    in place of what comes after a write of the route that failed. `needs` are asked
    beside the pass, and their answers planned with in a later one: `tries` is the Deployment of
    `Need.CHECK` that is tried dry, None when there is none, `alike` the Deployments of stored
    revisions that may be the same as that one, by name, `history` what `Need.HISTORY` is about,
    `sizes` what `Need.SIZES` is about, and likewise `cases`, `buckets`, `fallback` and `latencies`;
    `inputs` is the digest of the reference that `Need.INPUTS` is about.
    `silent` are the Gateways that say nothing of the route, as `namespace/name`: `Need.PARENTS` is
    whether they exist.
    `measures` is what the ticker has to count for this rollout, with the watermark to go on from;
    None when nothing is counted. `wake_at` (Unix seconds) is when to plan again although nothing
    changed, None for never. `follows_pods`: the next plans are made with what is known of its pods;
    the cluster is asked for them once more because of those that are `doubted`, by name. `rest`
    says for which counts nothing will be done either, None where any may change that. `is_last`: no
    plan follows from what it does, which is to tell other words and numbers in the same status.
    """

    actions: tuple[Action, ...]
    memory: Memory
    done: Memory | None = None
    otherwise: tuple[Action, ...] = ()
    needs: frozenset[Need] = frozenset()
    tries: Apply | None = None
    alike: Mapping[str, Body] = field(default_factory=dict)
    history: HistoryQuery | None = None
    sizes: SizesQuery | None = None
    cases: CasesQuery | None = None
    buckets: BucketsQuery | None = None
    fallback: FallbackQuery | None = None
    latencies: LatencyQuery | None = None
    inputs: str | None = None
    silent: tuple[str, ...] = ()
    measures: Request | None = None
    wake_at: float | None = None
    follows_pods: bool = False
    doubted: tuple[str, ...] = ()
    rest: Rest | None = None
    is_last: bool = False

    def told(self) -> Memory:
        """What is known once its status was written, and something else was not done."""
        return self.memory if self.done is None else replace(self.memory, written=self.done.written)

    @property
    def protects(self) -> bool:
        """Whether its write of the route takes users or mirrored requests from a version."""
        return any(isinstance(each, WriteRoute) and each.protects for each in self.actions)


def make_plan(observed: Observed, memory: Memory, now: float, settings: Settings) -> Plan:
    """The next move of the rollout that is `observed`, at `now` (Unix seconds).

    What protects users is found from what is stored, before anything about the version that is
    asked for; trouble with that one holds it, and ends no pass. Never raises for what a person
    wrote: that becomes a status.
    """
    if observed.obj["metadata"].get("deletionTimestamp"):
        return Plan((), memory)
    try:
        return _planned(observed, memory, now, settings)
    except (ValidationError, ResourceError) as error:
        return _unreadable(observed, memory, error, now)


def _planned(observed: Observed, memory: Memory, now: float, settings: Settings) -> Plan:
    deployment, fault = readable(observed.obj)
    try:
        return _plan(_find(observed, deployment, fault, memory, now, settings), settings)
    except ObjectiveError as error:
        fault, deployment = fault or refused(observed.obj, error), without_objectives(observed.obj)
        return _plan(_find(observed, deployment, fault, memory, now, settings), settings)


def _find(
    observed: Observed,
    deployment: ModelDeployment,
    fault: str | None,
    memory: Memory,
    now: float,
    settings: Settings,
) -> RolloutState:
    spec, metadata = deployment.spec, deployment.metadata
    stored = revisions.read(observed.children)
    today = read_roles(observed.children, stored, deployment.status, memory.roles)
    if fault is None:
        wanted = revisions.wanted(
            spec,
            metadata.name,
            stored,
            today,
            observed.checked_now,
            presumes=not needs.waits_long(observed, now),
        )
    stored = revisions.with_missing(
        stored, (today.stable, today.candidate, today.previous), metadata.namespace
    )
    if fault is not None:
        # Nobody knows what is asked for: what there is stays as it is.
        wanted = revisions.as_it_is(spec, stored, today.candidate or today.stable)
    phase = phase_of(spec, wanted, today)
    attempt = today.attempt if phase is Phase.FULL else attempt_at(spec, wanted.name, today)
    if memory.clocks is None:
        memory = current_trial.restored(deployment, stored, today)
        written_at = None if today.written is None else min(today.written.ms / 1000, now)
        memory = replace(memory, clocks=clocks.found(memory.clocks, written_at))
    # One deadline for shadow and canary: the canary goes on with the clock of the shadow.
    judged = Phase.CANARY if phase.is_judged else phase
    about = f"{judged}/{wanted.name}/{attempt}"
    memory = current_trial.since_write(memory, today.sequence)
    trial = None if phase.is_preparing else memory.trial
    fresh = (
        None
        if trial is None
        else fresh_until_ms(trial, memory, settings.grid.step_ms, settings.pace)
    )
    ticked = clocks.tick(
        memory,
        about,
        now,
        sequence=today.sequence,
        fresh_until=None if fresh is None else fresh / 1000,
    )
    users = replicas.observed(observed, deployment, memory, today, now)
    memory = replace(
        memory,
        clocks=ticked,
        written=_written(observed, memory, now),
        roles=today,
        replicas=users,
    )
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
        settings.most_weights,
        settings.companions,
        spec_fault=fault,
    )


def _written(observed: Observed, memory: Memory, now: float) -> Written | None:
    """The status as the object has it, whoever wrote it, with the times of our own writes."""
    status, last = observed.obj.get("status"), memory.written
    if not status:
        return None
    return Written(dict(status), now) if last is None else replace(last, status=dict(status))


def _unreadable(observed: Observed, memory: Memory, error: Exception, now: float) -> Plan:
    status = invalid_status(observed.obj, error, now)
    if status == observed.obj.get("status"):
        return Plan((), memory)
    told = Emit(Severity.WARNING, "InvalidSpec", "Read", status["message"])
    return Plan((WriteStatus(status), told), memory)


def _plan(state: RolloutState, settings: Settings) -> Plan:
    state = _knowing(state, current_trial.at_hand(state, settings.grid))
    known = state.memory.knowing(
        unscraped_since=unscraped_since(state),
        unaccepted_since=holds.unaccepted_since(state),
        behind_since=behind_since(state),
    )
    state = _knowing(state, known)
    entry = admit(state, settings.proxy)
    state = replace(
        state,
        keeps_route=not entry.is_open and follows_spec(state),
        admitted=entry.is_open,
    )
    state = _knowing(state, state.memory.knowing(route_repair=looked_at(state)))
    held = (*entry.holds, *chain.active_holds(state))
    running = chain.timers_run(state, held, admitted=entry.is_open)
    if running != state.clocks.running:
        ticked = replace(state.clocks, running=running)
        state = replace(state, clocks=ticked, memory=replace(state.memory, clocks=ticked))
    given = PolicyInput(state, held, admitted=entry.is_open)
    following = chain.next_move(given) or route_repair(state, admitted=entry.is_open)
    plan = _stayed(state, held, entry) if following is None else _moved(state, following, held)
    route, sizes = state.observed.children.route, needs.sizes_query(state)
    asked = _asked(state, entry) | ({Need.SIZES} if sizes else frozenset())
    history = needs.history_query(state) if Need.HISTORY in asked else None
    ends_here = following is None and not asked and (plan.is_last or not plan.actions)
    cases, buckets = needs.cases_query(state), needs.buckets_query(state)
    fallback, latencies = needs.fallback_query(state), needs.latency_query(state)
    inputs = needs.inputs_query(state)
    beside = {
        Need.CASES: cases,
        Need.INPUTS: inputs,
        Need.BUCKETS: buckets,
        Need.FALLBACK: fallback,
        Need.LATENCIES: latencies,
    }
    rest = rest_of(state, held, plan.wake_at) if ends_here else None
    return replace(
        plan,
        rest=rest,
        is_last=ends_here and plan.is_last,
        # Not left to the next tick: all whose rest is over would be planned with it.
        wake_at=plan.wake_at if rest is None else rest.until,
        # An observer that is away makes no passes: its answer asks for one when it comes. So does
        # that of Prometheus about buckets, and about fallbacks. How long requests took is told by
        # the next pass.
        needs=asked | {need for need, query in beside.items() if query is not None},
        tries=entry.tries,
        alike=entry.alike,
        history=history,
        sizes=sizes,
        cases=cases,
        buckets=buckets,
        fallback=fallback,
        latencies=latencies,
        inputs=inputs,
        silent=() if route is None else silent_gateways(route),
        follows_pods=needs.follows_pods(state),
        doubted=own_pods.doubted(state.observed, state.memory.unknown_pods),
    )


def _knowing(state: RolloutState, memory: Memory) -> RolloutState:
    """The state with that memory; the very same, with all that was made of it, when none is new."""
    return state if memory == state.memory else replace(state, memory=memory)


def _asked(state: RolloutState, entry: Entry) -> frozenset[Need]:
    # What stalls whatever the answer is told, and is to be corrected first.
    checks = needs.lacks_checks(state) and not entry.stalls
    asked = {Need.CHECK: checks, Need.HISTORY: needs.asks_history(state)}
    return frozenset(need for need, lacking in asked.items() if lacking)


def _moved(state: RolloutState, following: NextMove, held: tuple[Hold, ...]) -> Plan:
    """A write of the route. An advance has its evidence in the status before it.

    What the write means is in its record and read from there, for its answer may never come.
    """
    route, memory = state.observed.children.route, state.memory
    dropped = untold_drop(state.roles, state.deployment.status.history)
    if following.move is Move.DROP:
        dropped = state.roles.candidate
    roles = with_write(
        state.roles,
        following.roles,
        why=following.why,
        dropped=dropped,
        spec=route_mark(state),
        now=state.now,
    )
    write = WriteRoute(
        route_body(state, roles),
        None if route is None else route["metadata"]["resourceVersion"],
        following.move,
        protects=following.protects,
    )
    told = Emit(following.severity, following.reason, following.move.value, following.note)
    if following.move is Move.REPAIR:
        memory = replace(memory, route_repair=tried(state))
    measures = current_trial.measures(state)
    # That the route cannot be written is told, and not before it was tried once more.
    otherwise = _told(state, held).actions if state.observed.failures else ()
    actions: tuple[Action, ...] = (write, told)
    # Evidence for users begins anew with the first of them: none of it could be lost.
    if not following.protects and state.phase.shares_traffic:
        body = status_body(current_status(state, held))
        memory = replace(memory, written=Written(body, state.now))
        actions = (WriteStatus(body), *actions)
    return Plan(actions, state.memory, memory, otherwise, measures=measures, wake_at=state.now)


def _stayed(state: RolloutState, held: tuple[Hold, ...], entry: Entry) -> Plan:
    """Objects as they should be, and the status when it has something to tell."""
    measures = current_trial.measures(state)
    pods = workloads.replicas(state, admitted=entry.is_open)
    raised = workloads.raised(state, pods)
    actions = tuple(_objects(state, pods, raised, entry))
    if not any(isinstance(each, Create) for each in actions):
        sound = workloads.sound(state, raised, actions)
        state = _knowing(state, state.memory.knowing(sound=sound))
    if actions and not state.observed.failures:
        # What they change is told in the next pass, together with what follows from it.
        memory = replace(
            state.memory,
            repaired=_repaired(state, actions),
            grown=_grown(state, actions),
            accompanied=companions.accompanied(state, actions),
        )
        return Plan(actions, state.memory, memory, measures=measures, wake_at=state.now)
    told = _told(state, held)
    memory = told.memory
    if actions:
        memory = replace(memory, accompanied=companions.accompanied(state, actions))
    return Plan(
        (*told.actions, *actions),
        state.memory,
        memory,
        measures=measures,
        wake_at=next_wakeup(state, told.due, refused=not entry.is_open),
        is_last=told.is_refresh and not actions and not state.observed.failures,
    )


class _Told(NamedTuple):
    """What the status has to tell now, the memory after that, and when it has more to tell.

    `is_refresh`: it has only other words and numbers.
    """

    actions: tuple[Action, ...]
    memory: Memory
    due: float | None
    is_refresh: bool = False


def _told(state: RolloutState, held: tuple[Hold, ...]) -> _Told:
    memory, status = state.memory, current_status(state, held)
    due = status_due(status, memory, state.now)
    if due is None:
        return _Told((), memory, None)
    if not all(hold.told for hold in held):
        # What is about to pass by itself, such as the first scrape, is told only if it does not.
        return _Told((), memory, state.now + needs.WAITING_SECONDS)
    if due > state.now:
        return _Told((), memory, due)
    events = tuple(events_of(state.deployment.status, status))
    after = status_written(memory, status, state.now)
    return _Told(
        (WriteStatus(status_body(status)), *events),
        after,
        status_due(status, after, state.now),
        is_refresh=not events and after.written is not None and after.written.refreshes > 0,
    )


def _objects(
    state: RolloutState, pods: Mapping[str, int], raised: Mapping[str, int], entry: Entry
) -> Iterator[Action]:
    if entry.stored is not None and entry.is_open:
        yield Create(entry.stored)
    for body, why in workloads.running(state, raised):
        yield workloads.applied(body, why)
    for revision, _ in workloads.inhabited(state, raised):
        yield from companions.missing(state, revision)
    for body, why in backups.written(state, raised):
        yield workloads.applied(body, why)
    yield from budget.written(state)
    if state.spec_fault is not None:
        # Nobody knows how many pods are asked for.
        return
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
