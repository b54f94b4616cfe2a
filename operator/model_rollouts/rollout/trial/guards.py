"""The guards that every rollout has unless it says otherwise: one row each.

They roll back what nobody had to think of beforehand, and never promote or hold anything. What
they compare with is stable at the same time, and the pods; docs/guards.md has their limits.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from model_rollouts import decision
from model_rollouts.api.deployment import Spec
from model_rollouts.api.guards import (
    CLIENT_ERRORS,
    LATENCY_AGAINST_STABLE,
    RESTARTS,
    GuardRole,
    Guards,
)
from model_rollouts.api.objectives import Objective, Role
from model_rollouts.api.ratio import share
from model_rollouts.rollout.trial.objectives import Edges


class Known(NamedTuple):
    """What is fixed before the first count: bucket edges, and the time that is usual at stable.

    `usual` (seconds) is `Memory.usual`.
    """

    edges: Edges
    usual: float | None


_Make = Callable[[str, decision.Role, Guards, Known], decision.Objective | None]

_CRASHES_BAD = 10
"""A crash rate that is bad in multiples of the limit: crashes are rare, so fewer decide slowly."""


def _client_errors(
    name: str, role: decision.Role, guards: Guards, known: Known
) -> decision.Objective:
    more = float(share(guards.tolerance_of(CLIENT_ERRORS)))
    return decision.client_errors(name, more, role=role)


def _restarts(name: str, role: decision.Role, guards: Guards, known: Known) -> decision.Objective:
    good = Decimal(guards.crash_limit)
    return decision.restarts(name, float(good), float(_CRASHES_BAD * good), role=role)


def _latency(
    name: str, role: decision.Role, guards: Guards, known: Known
) -> decision.Objective | None:
    if known.usual is None:
        return None
    return decision.latency_against_stable(
        name,
        known.usual,
        known.edges.candidate,
        stable_edges=known.edges.stable,
        more=float(share(guards.tolerance_of(LATENCY_AGAINST_STABLE))),
        role=role,
    )


_GUARDS: dict[str, _Make] = {
    CLIENT_ERRORS: _client_errors,
    RESTARTS: _restarts,
    LATENCY_AGAINST_STABLE: _latency,
}


def guards_of(
    objectives: Sequence[Objective], guards: Guards | None, known: Known, *, baseline: bool
) -> Iterator[decision.Objective]:
    """The guards of a trial beside `objectives`, None for those that every rollout has.

    `baseline`: whether stable has users beside it. An objective of that name stands in place of the
    guard. Latency is promised or guarded.
    """
    taken = {objective.name for objective in objectives}
    if any(
        o.latency is not None
        and not o.latency.is_own
        and o.slice is None
        and o.acting_role is not Role.REPORT
        for o in objectives
    ):
        taken.add(LATENCY_AGAINST_STABLE)
    guards = guards or Guards()
    for name, make in _GUARDS.items():
        role = guards.role_of(name)
        if name in taken or role is GuardRole.OFF:
            continue
        made = make(name, decision.Role(role.value), guards, known)
        if made is not None and (baseline or not made.kind.traits.needs_stable):
            yield made


def guards_latency(spec: Spec) -> bool:
    """Whether the time that is usual at stable has to be known."""
    known = Known(Edges((), ()), usual=1.0)
    found = guards_of(spec.objectives, spec.strategy.guards, known, baseline=True)
    names = (each.name for each in found)
    return LATENCY_AGAINST_STABLE in names
