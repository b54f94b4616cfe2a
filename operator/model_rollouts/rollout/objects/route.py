"""The route that should be, and how the one that is differs from it."""

from fractions import Fraction
from typing import Any

from model_rollouts.api.deployment import ModelDeployment
from model_rollouts.resources.shapes import Body
from model_rollouts.rollout.standing import Roles
from model_rollouts.rollout.state.recorded_roles import record_of
from model_rollouts.rollout.state.revisions import owner_of
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.routes import reader, record
from model_rollouts.routes.features import MARKS_BACKENDS
from model_rollouts.routes.http_route import Backend, Mirror, RouteSpec, http_route, mark_of

_SCALES = (100, 10_000, 1_000_000)


def desired_route(deployment: ModelDeployment, roles: Roles, spec: RouteSpec) -> dict[str, Any]:
    """The route that gives users and copies as `roles` say, with the record of them."""
    assert roles.stable is not None  # nobody serves before the first version is ready
    backends = [Backend(roles.stable, 1)]
    if roles.candidate is not None and roles.weight > 0:
        scale = _scale(roles.weight)
        part = int(roles.weight * scale)
        backends = [Backend(roles.stable, scale - part), Backend(roles.candidate, part)]
    return http_route(
        deployment.metadata.name,
        spec,
        backends,
        record_of(roles),
        namespace=deployment.metadata.namespace,
        owner=owner_of(deployment),
        mirror=None if roles.candidate is None else Mirror(roles.candidate, roles.mirror_percent),
    )


def _scale(weight: Fraction) -> int:
    """The smallest total in which the weight is a whole number: percent where that is enough."""
    return next(scale for scale in _SCALES if (weight * scale).denominator == 1)


def route_body(state: RolloutState, roles: Roles) -> dict[str, Any]:
    """The HTTPRoute that gives users as `roles` say.

    It keeps what there is of the rest while the spec asks for something else that is not admitted.
    """
    route = state.observed.children.route
    if state.keeps_route and route is not None:
        return desired_route(state.deployment, roles, RouteSpec.found(route))
    return desired_route(state.deployment, roles, _asked(state))


def route_mark(state: RolloutState) -> str | None:
    """The mark of what `route_body` follows, None when that is not known."""
    written = state.roles.written
    if state.keeps_route:
        return None if written is None else written.spec
    return mark_of(state.spec.route)


def changed_paths(state: RolloutState) -> tuple[str, ...]:
    """Where the route differs from what it should be, by path."""
    if state.roles.stable is None:
        return ()
    return _differing(state, route_body(state, state.roles))


def _differing(state: RolloutState, wanted: Body) -> tuple[str, ...]:
    route = state.observed.children.route
    if route is None:
        return ()
    # Another release may have written the same record in another form.
    same = record.is_same(route, wanted)
    found = reader.differences(route, wanted)
    return tuple(path for path in found if not (same and path == record.PATH))


def follows_spec(state: RolloutState) -> bool:
    """Whether the route has to change because the spec did, and nobody else is to blame."""
    if state.roles.stable is None or state.spec_fault is not None:
        return False
    written = state.roles.written
    if written is not None and written.spec is not None:
        changed = written.spec != mark_of(state.spec.route)
    else:
        # A release wrote it that does not say what of the spec it followed.
        told = state.deployment.status.observed_generation
        changed = told != state.deployment.metadata.generation
    if not changed:
        return False
    return bool(_differing(state, desired_route(state.deployment, state.roles, _asked(state))))


def _asked(state: RolloutState) -> RouteSpec:
    return RouteSpec.of(state.spec.route, marks_backends=_marks_backends(state))


def _marks_backends(state: RolloutState) -> bool:
    """Whether backends carry filters; what a route has already is kept."""
    route, checked = state.observed.children.route, state.observed.checked
    if route is not None:
        return reader.marks_backends(route)
    features = None if checked is None else checked.gateway.features
    return features is None or MARKS_BACKENDS in features
