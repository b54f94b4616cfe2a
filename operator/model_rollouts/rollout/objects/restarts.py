"""Pods that are replaced because you ask for it: `strategy.restart`, for a changed Secret.

The revision stays the same, and so do its users: nothing is judged anew. It waits while two
versions are compared, for what serves has to stay as it is then.
"""

from enum import Enum, auto

from model_rollouts.resources import restart
from model_rollouts.resources.shapes import Body, Object
from model_rollouts.rollout.state import second_chances
from model_rollouts.rollout.state.state import RolloutState


class Restart(Enum):
    """Where a restart is."""

    WAITS = auto()
    """Until two versions are not compared any more."""
    UNDER_WAY = auto()
    STOPPED = auto()
    """The service became worse: pods that are left keep what they have."""


def as_asked(state: RolloutState, body: Body, present: Object | None) -> Body:
    """The Deployment of a revision with the token that its pods should have now."""
    asked, extra = state.spec.strategy.restart, state.spec.strategy.max_extra_replicas
    if present is None:
        return restart.with_token(body, asked)
    has = restart.token(present)
    if asked is None or has == asked or not _may(state, body["metadata"]["name"]):
        return restart.replacing(
            restart.with_token(body, has),
            restart.mark(present),
            stops=_stops(state, present),
            in_place=restart.is_under_way(present) and extra == 0,
        )
    begun = restart.UNWATCHED if _is_ill(state) else restart.WATCHED
    body = restart.with_token(body, asked)
    return restart.replacing(body, begun, stops=False, in_place=extra == 0)


def mark_of_asked(state: RolloutState, present: Object) -> str | None:
    """What changes with what a restart asks of a Deployment; None where it asks for nothing."""
    asked = state.spec.strategy.restart
    if asked is None and restart.mark(present) is None:
        return None
    may = _may(state, present["metadata"]["name"])
    return f"{asked} {may} {_stops(state, present)} {restart.is_under_way(present)}"


def as_it_is(body: Body, present: Object | None) -> Body:
    """The Deployment with the token that its pods have: what differs from it is repaired.

    How its pods are replaced for a token is not looked at.
    """
    if present is None:
        return body
    body = restart.with_token(body, restart.token(present))
    if restart.mark(present) is None:
        return body
    return {**body, "spec": {**body["spec"], "strategy": present["spec"].get("strategy")}}


def repaired(body: Body, present: Object) -> Body:
    """The Deployment as it is written where something else has changed it.

    What is replaced then are no pods of this revision: the mark goes.
    """
    return restart.with_token(body, restart.token(present))


def of_stable(state: RolloutState) -> tuple[Restart, int, int] | None:
    """Where the restart of what serves is, and how many of how many pods it has replaced."""
    asked = state.spec.strategy.restart
    found = state.observed.children.deployments.get(state.roles.stable or "")
    if asked is None or found is None:
        return None
    pods = int(found["spec"].get("replicas", 1))
    if restart.token(found) != asked:
        return None if _may(state, found["metadata"]["name"]) else (Restart.WAITS, 0, pods)
    if not restart.is_under_way(found):
        return None
    where = Restart.STOPPED if _stops(state, found) else Restart.UNDER_WAY
    return where, restart.replaced(found), pods


def _may(state: RolloutState, name: str) -> bool:
    roles = state.roles
    if state.spec.paused or roles.phase.is_judged or state.exchanging:
        return False
    if name in (roles.stable, state.wanted.name):
        return True
    stable = state.observed.children.deployments.get(roles.stable or "")
    stands_in = second_chances.kept_warm(state)
    beside = {roles.previous, None if stands_in is None else stands_in.name}
    if name not in beside or stable is None:
        return False
    done = restart.token(stable) == state.spec.strategy.restart
    return done and not restart.is_under_way(stable)


def _is_ill(state: RolloutState) -> bool:
    service = state.memory.service
    return service is not None and (service.failing or service.degraded)


def _stops(state: RolloutState, present: Object) -> bool:
    watched = restart.mark(present) == restart.WATCHED
    return watched and restart.is_under_way(present) and _is_ill(state)
