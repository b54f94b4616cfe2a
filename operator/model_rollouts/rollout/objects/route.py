"""The route that should be, and how the one that is differs from it."""

from fractions import Fraction
from typing import Any

from model_rollouts.api.deployment import ModelDeployment
from model_rollouts.resources.shapes import Body, Object
from model_rollouts.rollout.standing import Roles
from model_rollouts.rollout.state.recorded_roles import record_of
from model_rollouts.rollout.state.revisions import owner_of
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.routes import controllers, reader, record
from model_rollouts.routes.controllers import Controller
from model_rollouts.routes.http_route import Backend, Mirror, RouteSpec, http_route, mark_of

_SCALES = (100, 10_000, 1_000_000)


def desired_route(deployment: ModelDeployment, roles: Roles, spec: RouteSpec) -> dict[str, Any]:
    """The route that gives users and copies as `roles` say, with the record of them."""
    assert roles.stable is not None  # nobody serves before the first version is ready
    backends = [Backend(roles.stable, 1)]
    if roles.candidate is not None and roles.weight > 0:
        part, others = weights(roles.weight, spec.most_weight)
        backends = [Backend(roles.stable, others), Backend(roles.candidate, part)]
    return http_route(
        deployment.metadata.name,
        spec,
        backends,
        record_of(roles),
        namespace=deployment.metadata.namespace,
        owner=owner_of(deployment),
        mirror=None
        if roles.candidate is None
        else Mirror(
            roles.candidate,
            roles.mirror_percent,
            roles.stable,
            min(roles.itself_percent, roles.mirror_percent),
        ),
    )


def weights(share: Fraction, most: int) -> tuple[int, int]:
    """Whole numbers for a share above 0 and below 1 and for the rest, none of them above `most`.

    They add up to 100, 10,000 or 1,000,000 where that is exact. Where no total is, they are the
    nearest, and never a share of nobody.
    """
    for scale in _SCALES:
        part = share * scale
        if part.denominator == 1 and max(part, scale - part) <= most:
            return int(part), int(scale - part)
    nearest = min(
        max(share.limit_denominator(most), Fraction(1, most + 1)), Fraction(most, most + 1)
    )
    return nearest.numerator, nearest.denominator - nearest.numerator


def controller_of(state: RolloutState) -> Controller:
    """What the gateways of the route do: those that told of it, or those that the spec names."""
    route, checked = state.observed.children.route, state.observed.checked
    names = frozenset() if route is None else reader.controllers(route)
    if not names and checked is not None:
        names = checked.gateway.controllers
    return controllers.of(names, state.most_weights)


def route_body(state: RolloutState, roles: Roles) -> dict[str, Any]:
    """The HTTPRoute that gives users as `roles` say.

    It keeps what there is of the rest while the spec asks for something else that is not admitted.
    """
    route = state.observed.children.route
    if state.keeps_route and route is not None:
        controller = controller_of(state)
        found = RouteSpec.found(
            route,
            keeps_places=_keeps_places(route, controller),
            most_weight=controller.most_weight,
        )
        return desired_route(state.deployment, roles, found)
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
    route, controller = state.observed.children.route, controller_of(state)
    marks = controller.marks_backends if route is None else reader.marks_backends(route)
    return RouteSpec.of(
        state.spec.route,
        marks_backends=marks,
        keeps_places=_keeps_places(route, controller),
        most_weight=controller.most_weight,
    )


def _keeps_places(route: Object | None, controller: Controller) -> bool:
    """Whether a version that serves alone has both places; a route that has is left as it is."""
    found = None if route is None else reader.keeps_places(route)
    if (
        route is None
        or found is None
        or max(reader.weights(route).values()) > controller.most_weight
    ):
        return controller.keeps_places
    return found
