"""The route as it should be now, and the move that makes it so again.

An admission webhook, or a CRD of another release, may change each route that is written. That is
tried once and then held to as it is, as with other objects; but never a route that gives the
candidate more than its record says.
"""

from dataclasses import replace

from model_rollouts.rollout.actions import Move, Severity
from model_rollouts.rollout.memory import RouteRepair
from model_rollouts.rollout.objects.route import changed_paths, follows_spec
from model_rollouts.rollout.policies.policy import NextMove
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.routes import reader

TRIES = 3
"""Writes that did not help, after which the same difference stays, whoever writes the route."""


def looked_at(state: RolloutState) -> RouteRepair | None:
    """`Memory.route_repair` as of this pass."""
    last = state.memory.route_repair
    if last is None or not last.paths or last.paths != changed_paths(state):
        return None
    written = state.roles.sequence != last.sequence
    changed = generation_of(state) != last.generation
    # Whoever writes it, a webhook may change it each time: it is not fought for ever.
    is_kept = written or (last.is_kept and (not changed or last.tries >= TRIES))
    return replace(
        last, generation=generation_of(state), sequence=state.roles.sequence, is_kept=is_kept
    )


def tried(state: RolloutState) -> RouteRepair:
    """`Memory.route_repair` once the repair of this pass is written."""
    paths, last = changed_paths(state), state.memory.route_repair
    tries = 1 if last is None or last.paths != paths else last.tries + 1
    return RouteRepair(paths, generation_of(state), state.roles.sequence, tries=tries)


def generation_of(state: RolloutState) -> int:
    """The generation of the route, 0 while there is none."""
    route = state.observed.children.route
    return 0 if route is None else int(route["metadata"].get("generation", 0))


def route_repair(state: RolloutState, *, admitted: bool) -> NextMove | None:
    """The write that makes the route what it should be, None when it is, or has to stay."""
    if state.roles.stable is None:
        return None
    after = state.roles._replace(sequence=state.roles.sequence + 1)
    if state.observed.children.route is None:
        note = "The HTTPRoute was missing and has been created again."
        return NextMove(Move.REPAIR, after, "RouteRepaired", note, note, Severity.WARNING)
    paths = ", ".join(changed_paths(state))
    if not paths:
        return None
    if admitted and follows_spec(state):
        note = f"The HTTPRoute now follows the spec: {paths}."
        return NextMove(Move.REPAIR, after, "RouteUpdated", note, note)
    last = state.memory.route_repair
    if last is not None and last.is_kept and not _gives_too_much(state):
        return None
    note = f"The HTTPRoute was changed by something else and has been restored: {paths}."
    return NextMove(Move.REPAIR, after, "RouteRepaired", note, note, Severity.WARNING)


def _gives_too_much(state: RolloutState) -> bool:
    """Whether somebody besides stable gets more users, or mirrored requests, than recorded."""
    route, roles = state.observed.children.route, state.roles
    if route is None:
        return False
    weights = reader.weights(route)
    others = sum(weights.values()) - weights.get(roles.stable or "", 0)
    if others > roles.weight * sum(weights.values()):
        return True
    _, mirrored = reader.mirror(route) or ("", 0)
    return mirrored > roles.mirror_percent
