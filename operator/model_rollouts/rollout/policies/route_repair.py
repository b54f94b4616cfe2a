"""The route as it should be now, and the move that makes it so again."""

from typing import Any

from model_rollouts.rollout.actions import Move, Severity
from model_rollouts.rollout.objects import route as routing
from model_rollouts.rollout.policies import admission
from model_rollouts.rollout.policies.policy import Next
from model_rollouts.rollout.state.state import Found
from model_rollouts.rollout.status.summary import Roles
from model_rollouts.routes.reader import differences


def body(found: Found, roles: Roles) -> dict[str, Any]:
    """The HTTPRoute that gives users as `roles` say."""
    return routing.route(found.deployment, roles, marks_backends=_marks_backends(found))


def changed(found: Found) -> tuple[str, ...]:
    """Where the route differs from what it should be, by path."""
    route = found.seen.children.route
    if route is None or found.roles.stable is None:
        return ()
    return differences(route, body(found, found.roles))


def follows_spec(found: Found) -> bool:
    """Whether the route has to change because the spec did, and nobody else is to blame."""
    told = found.deployment.status.observed_generation
    return told != found.deployment.metadata.generation and bool(changed(found))


def find(found: Found, *, admitted: bool) -> Next | None:
    """The write that makes the route what it should be, None when it is."""
    if found.roles.stable is None:
        return None
    after = found.roles._replace(sequence=found.roles.sequence + 1)
    if found.seen.children.route is None:
        note = "The HTTPRoute was gone and is there again."
        return Next(Move.REPAIR, after, "RouteRepaired", note, note, Severity.WARNING)
    paths = ", ".join(changed(found))
    if not paths:
        return None
    if follows_spec(found):
        note = f"The HTTPRoute follows the spec: {paths}."
        return Next(Move.REPAIR, after, "RouteUpdated", note, note) if admitted else None
    note = f"Somebody else changed the HTTPRoute: {paths}. It is again as it was."
    return Next(Move.REPAIR, after, "RouteRepaired", note, note, Severity.WARNING)


def _marks_backends(found: Found) -> bool:
    """Whether backends carry filters; what a route has already is kept."""
    route, checked = found.seen.children.route, found.seen.checked
    if route is not None:
        rules = route["spec"].get("rules") or []
        return any(ref.get("filters") for rule in rules for ref in rule.get("backendRefs") or [])
    features = None if checked is None else checked.gateway.features
    return features is None or admission.MARKS_BACKENDS in features
