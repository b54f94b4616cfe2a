"""Who has which role: read from the record of it, which the route and the status carry."""

from collections.abc import Mapping

from model_rollouts.api import ratio
from model_rollouts.api.phase import Phase
from model_rollouts.api.status import Status
from model_rollouts.rollout.observed import Children
from model_rollouts.rollout.standing import Roles
from model_rollouts.rollout.state.recovered_roles import recovered
from model_rollouts.rollout.state.revisions import Revision
from model_rollouts.routes import record
from model_rollouts.routes.record import RouteRecord, RouteWrite


def read_roles(
    children: Children,
    revisions: Mapping[str, Revision],
    status: Status,
    known: Roles | None = None,
) -> Roles:
    """The roles of today.

    From the record of the route, for it was written in one request with what users get. From that
    of the status when the route is gone or has none. A later write that the status tells of, or
    that this operator has seen (`known`), counts before them: somebody has put an older copy of the
    route back. Without any record they are `recovered`. A record may name a revision that is not
    stored.
    """
    route = children.route
    found = None if route is None else record.read(route)
    told = (_roles(found), _roles(record.read_text(status.record)))
    recorded = [each for each in told if each is not None]
    if not recorded:
        return recovered(children, revisions, status)
    if known is not None:
        recorded.append(known)
    # Of the same write, the route's.
    return max(recorded, key=lambda each: each.sequence)


def with_write(
    before: Roles, after: Roles, *, why: str, dropped: str | None, spec: str | None, now: float
) -> Roles:
    """The roles `after` a write at `now` (Unix seconds), with what it means.

    `why` is its sentence, `dropped` the candidate that is to be told as superseded, `spec` the mark
    of `spec.route` that is written. Where the roles say the same end as `before`, the sentence
    stays that of the write that decided it.
    """
    if _end(after) is not None and _end(after) == _end(before):
        why = "" if before.written is None else before.written.why
    written = RouteWrite(after.sequence, int(now * 1000), why, dropped, spec)
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
        itself=roles.itself_percent,
        hurt=roles.suffered_at_percent,
        since=roles.since,
        suspension=roles.suspension,
        write=roles.write,
        more=roles.more,
    )


def _roles(found: RouteRecord | None) -> Roles | None:
    """The roles that a record tells of; None when it is of no use."""
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
        itself_percent=found.itself,
        suffered_at_percent=found.hurt,
        since=found.since,
        suspension=found.suspension,
        write=found.write,
        more=found.more,
    )
