"""What a route needs of a gateway, by the names of features of Gateway API (GEP-2162)."""

from collections.abc import Iterator

from model_rollouts.api.route import Route
from model_rollouts.api.route_filters import Filter, FilterType
from model_rollouts.api.route_rules import RouteRule

REQUEST_TIMEOUT = "HTTPRouteRequestTimeout"
BACKEND_TIMEOUT = "HTTPRouteBackendTimeout"
MIRROR = "HTTPRouteRequestMirror"
MIRROR_PERCENT = "HTTPRouteRequestPercentageMirror"
MIRRORS = "HTTPRouteRequestMultipleMirrors"
_PARENT_PORT = "HTTPRouteParentRefPort"
_METHODS = "HTTPRouteMethodMatching"
_QUERIES = "HTTPRouteQueryParamMatching"
_NAMES = "HTTPRouteNamedRouteRule"
_ANSWER_HEADERS = "HTTPRouteResponseHeaderModification"
_CORS = "HTTPRouteCORS"
_HOST = "HTTPRouteHostRewrite"
_PATH = "HTTPRoutePathRewrite"

UNTOLD = frozenset({_PARENT_PORT, _METHODS, _QUERIES, _NAMES, _ANSWER_HEADERS, _CORS, _HOST, _PATH})
"""Features that the table of controllers says nothing of (`controllers.py`): only a GatewayClass
that claims others can lack them."""


def needed(route: Route) -> Iterator[tuple[str, str]]:
    """Each feature that `spec.route` needs, after the field that needs it."""
    if any(each.port is not None for each in route.parent_refs):
        yield "parentRefs", _PARENT_PORT
    for rule in route.as_rules():
        for field, feature in _of_rule(rule):
            yield f"rules.{field}" if route.rules else field, feature


def _of_rule(rule: RouteRule) -> Iterator[tuple[str, str]]:
    timeouts = rule.timeouts
    if timeouts is not None and timeouts.request is not None:
        yield "timeouts", REQUEST_TIMEOUT
    if timeouts is not None and timeouts.backend_request is not None:
        yield "timeouts", BACKEND_TIMEOUT
    if any(each.method is not None for each in rule.matches):
        yield "matches", _METHODS
    if any(each.query_params for each in rule.matches):
        yield "matches", _QUERIES
    if rule.name is not None:
        yield "name", _NAMES
    for each in rule.filters:
        for feature in _of_filter(each):
            yield "filters", feature


def _of_filter(asked: Filter) -> Iterator[str]:
    rewrite = asked.url_rewrite
    if asked.type is FilterType.RESPONSE_HEADER_MODIFIER:
        yield _ANSWER_HEADERS
    if asked.type is FilterType.CORS:
        yield _CORS
    if rewrite is not None and rewrite.hostname is not None:
        yield _HOST
    if rewrite is not None and rewrite.path is not None:
        yield _PATH
