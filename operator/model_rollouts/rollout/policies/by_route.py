"""A person's hand on the route: users that were given back to stable are not given away again.

Weights and record are one write of ours, so a route whose weights say less for a version than its
own record does was edited. Without a record the roles say what it should be. An older copy that was
put back as a whole says the same in both and is no edit; nor is anything but less for the version
on trial and more for the one that takes over: that is repaired.
"""

from fractions import Fraction

from model_rollouts.api import ratio
from model_rollouts.api.phase import Phase
from model_rollouts.rollout.actions import Move
from model_rollouts.rollout.policies import protect
from model_rollouts.rollout.policies.policy import NextMove, PolicyInput
from model_rollouts.rollout.state.capacity import rounded
from model_rollouts.rollout.state.recorded_roles import record_of
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.routes import reader, record
from model_rollouts.routes.record import RecordedVerdict
from model_rollouts.text import capitalized, percent

_ROUNDING = Fraction(1, 200)
"""Shares that differ by less are the same: people and gateways round weights to whole percents."""


def edited(given: PolicyInput) -> NextMove | None:
    """A rollback by hand: in the route, users were given to stable, or in a watch to previous."""
    state, roles = given.state, given.state.roles
    if state.leaving is not None:
        return _left(given, _kept(state, roles.candidate, roles.stable))
    in_canary = roles.phase.shares_traffic
    if not in_canary and not state.watching:
        return None
    to = roles.stable if in_canary else roles.previous
    kept = _kept(state, state.judged, to)
    if kept is None:
        return None
    who = given.version(state.judged)
    why = f"Users of {who} were given to {given.version(to)} in the HTTPRoute."
    back = protect.back if in_canary else protect.back_from_watch
    return back(given, RecordedVerdict.ROUTE_EDITED, why, most=rounded(kept))


def _kept(state: RolloutState, giving: str | None, taking: str | None) -> Fraction | None:
    """The share that a version has left of which users were given to another one; else None."""
    route = state.observed.children.route
    found = None if route is None else reader.shares(route)
    if route is None or found is None or giving is None or taking is None:
        return None
    said = _said(state)
    left, lost = found.get(giving, Fraction(0)), said.get(giving, 0) - found.get(giving, 0)
    gained = found.get(taking, 0) - said.get(taking, 0)
    least = _ROUNDING if left else 0
    return left if min(lost, gained) > least else None


def _said(state: RolloutState) -> dict[str | None, Fraction]:
    """The share of each revision by the record that the route carries, or by the roles."""
    route = state.observed.children.route
    known = (None if route is None else record.read(route)) or record_of(state.roles)
    weight = ratio.share(known.weight)
    return {known.candidate: weight, known.stable: 1 - weight}


def _left(given: PolicyInput, kept: Fraction | None) -> NextMove | None:
    """Fewer users for a version that was rolled back, and has some until stable has pods."""
    roles = given.state.roles
    if kept is None:
        return None
    weight = rounded(kept)
    named = roles.candidate if weight or roles.phase is not Phase.FULL else None
    after = roles._replace(candidate=named, weight=weight, sequence=roles.sequence + 1)
    gets = f"{percent(1 - weight)} of users" if weight else "all users"
    who, before = given.version(roles.stable), given.version(roles.candidate)
    said = capitalized(
        f"{who} was given {gets} in the HTTPRoute, before pods replaced those of {before}."
    )
    return NextMove(Move.EASE, after, "Exchanged", said, said)
