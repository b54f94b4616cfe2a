"""The route as it should be now, and the move that makes it so again."""

from model_rollouts.rollout.actions import Move, Severity
from model_rollouts.rollout.objects.route import changed_paths, follows_spec
from model_rollouts.rollout.policies.policy import NextMove
from model_rollouts.rollout.state.state import RolloutState


def route_repair(state: RolloutState, *, admitted: bool) -> NextMove | None:
    """The write that makes the route what it should be, None when it is."""
    if state.roles.stable is None:
        return None
    after = state.roles._replace(sequence=state.roles.sequence + 1)
    if state.observed.children.route is None:
        note = "The HTTPRoute was missing and has been created again."
        return NextMove(Move.REPAIR, after, "RouteRepaired", note, note, Severity.WARNING)
    paths = ", ".join(changed_paths(state))
    if not paths:
        return None
    if follows_spec(state):
        note = f"The HTTPRoute now follows the spec: {paths}."
        return NextMove(Move.REPAIR, after, "RouteUpdated", note, note) if admitted else None
    note = f"The HTTPRoute was changed by something else and has been restored: {paths}."
    return NextMove(Move.REPAIR, after, "RouteRepaired", note, note, Severity.WARNING)
