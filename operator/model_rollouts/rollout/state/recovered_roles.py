"""Who has which role when no record of it is left: read from whatever else tells of it.

Losing a record is never taken for a first version, and a version that was rolled back stays so. A
version that never served all users does not become stable by what was lost.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction

from model_rollouts.api import ratio
from model_rollouts.api.conditions import ConditionType, find_condition
from model_rollouts.api.phase import Outcome, Phase
from model_rollouts.api.status import Past, Status
from model_rollouts.resources.names import backup_service, is_revision_of, shadow_service
from model_rollouts.resources.services import selected
from model_rollouts.resources.shapes import Object
from model_rollouts.rollout.observed import Children
from model_rollouts.rollout.standing import Roles
from model_rollouts.rollout.state.capacity import rounded
from model_rollouts.rollout.state.revisions import Revision
from model_rollouts.routes import reader
from model_rollouts.routes.record import RecordedVerdict

NOBODY = Roles(None, None, None, Phase.ADMISSION, Fraction(0), 1, None, 0)
"""Before the first version."""

_IN_SHADOW = (Phase.SHADOW, Phase.PAUSED)
"""Phases of a status that may be that of a shadow."""

_PROMOTED: Mapping[Outcome, str] = {
    Outcome.PROMOTED: RecordedVerdict.PASS,
    Outcome.PROMOTED_WITH_BOUND: RecordedVerdict.PASS_WITH_BOUND,
}
"""The verdict of a version that is still watched, by how its rollout ended."""


def recovered(children: Children, revisions: Mapping[str, Revision], status: Status) -> Roles:
    """The roles by who has users; without a route by what the status tells, or tells of the past.

    How the last rollout ended stands in the history. What runs is believed last, and only where no
    status says that nobody serves yet.
    """
    route = children.route
    roles = (
        (None if route is None else _from_backends(route, revisions, status))
        or _from_status(status, revisions)
        or _from_history(status, revisions)
    )
    if roles is None:
        return NOBODY if status.phase is not None else _from_workloads(children, revisions)
    if roles.phase is not Phase.FULL:
        return roles
    return _ended(roles, status, revisions) or _watched(roles, status, revisions, children)


def _from_backends(
    route: Object, revisions: Mapping[str, Revision], status: Status
) -> Roles | None:
    """Of two revisions with users the one that served last is stable, by the history.

    Where that knows neither, the older one is: a candidate is stored after it. One alone is stable,
    and what gets copies beside it the candidate. Weight and mirror stay as they are seen. One whose
    name is ours and that is not stored is the older one, for who knows what it was.
    """
    model = route["metadata"]["name"]
    found = {
        name: weight
        for name, weight in reader.weights(route).items()
        if weight > 0 and (name in revisions or is_revision_of(model, name))
    }
    if not found:
        return None
    numbers = {name: each.number for name, each in revisions.items()}
    serving = sorted(found, key=lambda name: numbers.get(name, 0))[:2]
    if len(serving) == 1:
        alone = NOBODY._replace(stable=serving[0], phase=Phase.FULL)
        return _with_copies(alone, reader.mirror(route), revisions)
    stable = next(
        (past.revision for past in served(status, revisions) if past.revision in serving),
        serving[0],
    )
    candidate = next(name for name in serving if name != stable)
    weight = rounded(Fraction(found[candidate], found[stable] + found[candidate]))
    return _sharing(NOBODY._replace(stable=stable), candidate, weight, status, revisions)


def _with_copies(
    serves: Roles, mirror: tuple[str, int] | None, revisions: Mapping[str, Revision]
) -> Roles:
    """The roles with the candidate whose shadow Service gets `mirror` (Service and percent)."""
    service, percent = mirror or ("", 0)
    candidate = next((name for name in revisions if shadow_service(name) == service), None)
    if candidate in (None, serves.stable) or not 0 < percent <= 100:
        return serves
    return serves._replace(candidate=candidate, phase=Phase.SHADOW, mirror_percent=percent)


def _sharing(
    serves: Roles,
    candidate: str,
    weight: Fraction,
    status: Status,
    revisions: Mapping[str, Revision],
) -> Roles:
    """The roles with a candidate that has users: in its canary, unless it was rolled back."""
    told = status.candidate is not None and status.candidate.revision == candidate
    in_canary = told and status.phase is not None and status.phase.shares_traffic
    ended = None if in_canary else _ended(serves, status, revisions)
    if ended is not None and ended.candidate == candidate:
        return ended._replace(weight=weight)
    return serves._replace(candidate=candidate, phase=Phase.CANARY, weight=weight)


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
    return _sharing(serves, candidate.revision, weight, status, revisions)


def _from_history(status: Status, revisions: Mapping[str, Revision]) -> Roles | None:
    last = next(served(status, revisions), None)
    return None if last is None else NOBODY._replace(stable=last.revision, phase=Phase.FULL)


def _from_workloads(children: Children, revisions: Mapping[str, Revision]) -> Roles:
    """The oldest revision that has pods is stable, once there are two and all of its are ready.

    One alone is a first version, and one that never was ready has never served. What has a single
    pod and stands in for one that has more served before that one.
    """
    running = [name for name in revisions if _pods(children, name) > 0]
    if len(running) < 2:
        return NOBODY
    serving = [name for name in running if not _only_stands_in(children, name, running)]
    oldest = min(serving, key=lambda name: revisions[name].number)
    status = children.deployments[oldest].get("status") or {}
    if int(status.get("availableReplicas", 0)) < _pods(children, oldest):
        return NOBODY
    return NOBODY._replace(stable=oldest, phase=Phase.FULL)


def _only_stands_in(children: Children, name: str, running: list[str]) -> bool:
    return _pods(children, name) == 1 and any(
        _pods(children, other) > 1
        and selected(children.services.get(backup_service(other))) == name
        for other in running
    )


def _pods(children: Children, name: str) -> int:
    """The pods that a revision is to have."""
    found = children.deployments.get(name)
    return 0 if found is None else int(found["spec"].get("replicas", 1))


def _decided(status: Status) -> Iterator[Past]:
    """What ended by a decision, the newest first."""
    return (past for past in status.history if past.outcome is not Outcome.SUPERSEDED)


def served(status: Status, revisions: Mapping[str, Revision]) -> Iterator[Past]:
    """How revisions came to serve all users that were not rolled back since, the newest first."""
    seen: set[str] = set()
    for past in _decided(status):
        if past.revision not in seen and past.outcome.serves and past.revision in revisions:
            yield past
        seen.add(past.revision)


def _ended(serves: Roles, status: Status, revisions: Mapping[str, Revision]) -> Roles | None:
    """The roles with the candidate that was rolled back last; None when the last one serves."""
    last, *before = (*_decided(status), None)
    if last is None or last.outcome.serves or last.revision == serves.stable:
        return None
    if last.revision not in revisions:
        return None
    own = next((past for past in before if past and past.revision == last.revision), None)
    # What an override has promoted is not promoted by it again.
    in_watch = own is not None and own.outcome.serves
    return serves._replace(
        candidate=last.revision,
        phase=next(phase for phase in Phase if phase.outcome is last.outcome),
        attempt=last.attempt,
        verdict=RecordedVerdict.FAIL_IN_WATCH if in_watch else None,
    )


def _watched(
    serves: Roles, status: Status, revisions: Mapping[str, Revision], children: Children
) -> Roles:
    """The roles of a version that serves alone, with the one before while it is still watched."""
    last, before = (*served(status, revisions), None, None)[:2]
    if last is None or last.revision != serves.stable:
        return serves
    serves = serves._replace(attempt=last.attempt)
    if find_condition(status.conditions, ConditionType.WATCHING) is None:
        return serves._replace(verdict=RecordedVerdict.SETTLED)
    warm = before is not None and _pods(children, before.revision) > 0
    previous = before.revision if before is not None and warm else None
    return serves._replace(previous=previous, verdict=_PROMOTED[last.outcome])
