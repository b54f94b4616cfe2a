"""Who has which role: read from the route, for the route is what users get."""

from collections.abc import Mapping
from fractions import Fraction

from model_rollouts.api import ratio
from model_rollouts.api.phase import Phase
from model_rollouts.api.status import Status
from model_rollouts.resources.names import shadow_service
from model_rollouts.resources.shapes import Object
from model_rollouts.rollout.observed import Children
from model_rollouts.rollout.standing import Roles
from model_rollouts.rollout.state.capacity import rounded
from model_rollouts.rollout.state.revisions import Revision
from model_rollouts.routes import reader, record
from model_rollouts.routes.record import RouteRecord, RouteWrite

NOBODY = Roles(None, None, None, Phase.ADMISSION, Fraction(0), 1, None, 0)
"""Before the first version."""


_IN_SHADOW = (Phase.SHADOW, Phase.PAUSED)
"""Phases of a status that may be that of a shadow."""


def read_roles(children: Children, revisions: Mapping[str, Revision], status: Status) -> Roles:
    """The roles of today.

    From the record of the route; without a usable one from its backends; without a route from the
    status, and last from what runs. Losing any of these is never taken for a first version.
    A route may name a revision that is not stored.
    """
    route = children.route
    if route is None:
        return _from_status(status, revisions) or _from_workloads(children, revisions)
    recorded = _from_record(route, revisions)
    return recorded or _from_backends(route, revisions) or _from_workloads(children, revisions)


def with_write(before: Roles, after: Roles, *, why: str, dropped: str | None, now: float) -> Roles:
    """The roles `after` a write at `now` (Unix seconds), with what it means.

    `why` is its sentence, `dropped` the candidate that is to be told as superseded. Where the roles
    say the same end as `before`, the sentence stays that of the write that decided it.
    """
    if _end(after) is not None and _end(after) == _end(before):
        why = "" if before.written is None else before.written.why
    written = RouteWrite(after.sequence, int(now * 1000), why, dropped)
    return after._replace(write=written, more=before.more)


def _end(roles: Roles) -> tuple[object, ...] | None:
    """How a rollout has ended by its roles, None while a candidate is judged."""
    if roles.phase.is_judged:
        return None
    tried = roles.candidate if roles.phase.has_ended else None
    return roles.phase, roles.verdict, roles.stable, roles.attempt, tried


def record_of(roles: Roles) -> RouteRecord:
    """The roles as the route carries them."""
    return RouteRecord(
        stable=roles.stable,
        candidate=roles.candidate,
        phase=roles.phase.value,
        weight=ratio.ratio(roles.weight),
        attempt=roles.attempt,
        verdict=roles.verdict,
        sequence=roles.sequence,
        previous=roles.previous,
        mirror=roles.mirror_percent,
        hurt=roles.suffered_at_percent,
        since=roles.since,
        write=roles.write,
        more=roles.more,
    )


def _from_record(route: Object, revisions: Mapping[str, Revision]) -> Roles | None:
    found = record.read(route)
    if found is None or found.stable is None:
        return None
    phase = next((phase for phase in Phase if phase == found.phase), None)
    if phase is None:
        return None
    return Roles(
        stable=found.stable,
        candidate=found.candidate,
        previous=found.previous,
        phase=phase,
        weight=ratio.share(found.weight),
        attempt=found.attempt,
        verdict=found.verdict,
        sequence=found.sequence,
        mirror_percent=found.mirror,
        suffered_at_percent=found.hurt,
        since=found.since,
        write=found.write,
        more=found.more,
    )


def _from_backends(route: Object, revisions: Mapping[str, Revision]) -> Roles | None:
    """The older of two revisions with users is stable: a candidate is stored after it.

    One alone is stable, and what gets copies beside it the candidate. Weight and mirror stay as
    they are seen.
    """
    found = {
        name: weight
        for name, weight in reader.weights(route).items()
        if name in revisions and weight > 0
    }
    if not found:
        return None
    serving = sorted(found, key=lambda name: revisions[name].number)[:2]
    if len(serving) == 1:
        alone = NOBODY._replace(stable=serving[0], phase=Phase.FULL)
        return _with_copies(alone, reader.mirror(route), revisions)
    stable, candidate = serving
    weight = Fraction(found[candidate], found[stable] + found[candidate])
    return NOBODY._replace(
        stable=stable, candidate=candidate, phase=Phase.CANARY, weight=rounded(weight)
    )


def _with_copies(
    serves: Roles, mirror: tuple[str, int] | None, revisions: Mapping[str, Revision]
) -> Roles:
    """The roles with the candidate whose shadow Service gets `mirror` (Service and percent)."""
    service, percent = mirror or ("", 0)
    candidate = next((name for name in revisions if shadow_service(name) == service), None)
    if candidate in (None, serves.stable) or not 0 < percent <= 100:
        return serves
    return serves._replace(candidate=candidate, phase=Phase.SHADOW, mirror_percent=percent)


def _from_status(status: Status, revisions: Mapping[str, Revision]) -> Roles | None:
    stable = status.stable
    if stable is None or stable.revision not in revisions:
        return None
    serves = NOBODY._replace(stable=stable.revision, phase=Phase.FULL)
    candidate = status.candidate
    if candidate is None or candidate.revision not in revisions:
        return serves
    if status.shadow is not None and status.phase in _IN_SHADOW:
        mirror = int(ratio.share(status.shadow.mirror) * 100)
        return _with_copies(serves, (shadow_service(candidate.revision), mirror), revisions)
    try:
        weight = ratio.share(candidate.weight)
    except ValueError:
        return serves
    if not 0 < weight < 1:
        return serves
    return serves._replace(candidate=candidate.revision, phase=Phase.CANARY, weight=weight)


def _from_workloads(children: Children, revisions: Mapping[str, Revision]) -> Roles:
    """The oldest revision that has pods is stable, once there are two; one alone is a first."""
    running = [
        name
        for name in sorted(revisions, key=lambda name: revisions[name].number)
        if name in children.deployments
        and int(children.deployments[name]["spec"].get("replicas", 1)) > 0
    ]
    if len(running) < 2:
        return NOBODY
    return NOBODY._replace(stable=running[0], phase=Phase.FULL)
