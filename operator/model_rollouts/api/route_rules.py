"""One rule of the route: which requests it is for, and what the Gateway does with them.

Shapes, bounds and rules are those of HTTPRoute (gateway.networking.k8s.io/v1). What a rule of an
HTTPRoute has besides is declared and refused: a client that does not validate would lose it
silently.
"""

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from model_rollouts.api import duration
from model_rollouts.api.base import (
    ATOMIC,
    Part,
    Rule,
    Word,
    by,
    is_or_absent,
    matches,
    rules,
    shown,
)
from model_rollouts.api.route_filters import Filter
from model_rollouts.api.strings import DnsName, Duration, HttpToken


class MatchType(Word):
    """How a header or a query parameter is compared."""

    EXACT = "Exact", "The value is equal."
    REGULAR_EXPRESSION = (
        "RegularExpression",
        "The value matches a regular expression, in the syntax of the Gateway.",
    )


class PathType(Word):
    """How a path is compared."""

    EXACT = "Exact", "The path is equal."
    PATH_PREFIX = "PathPrefix", "The path starts with these elements: `/v2` matches `/v2/models`."
    REGULAR_EXPRESSION = (
        "RegularExpression",
        "The path matches a regular expression, in the syntax of the Gateway.",
    )


class Method(Word):
    """An HTTP method."""

    GET = "GET", "Reads."
    HEAD = "HEAD", "Reads the headers only."
    POST = "POST", "Sends data to process, such as an inference request."
    PUT = "PUT", "Replaces."
    DELETE = "DELETE", "Deletes."
    CONNECT = "CONNECT", "Opens a tunnel."
    OPTIONS = "OPTIONS", "Asks which methods are allowed."
    TRACE = "TRACE", "Echoes the request."
    PATCH = "PATCH", "Changes a part."


_FREE_PATH = "!has(self.value) || (has(self.type) && self.type == 'RegularExpression')"


class PathMatch(
    Part,
    json_schema_extra=rules(
        Rule(
            f"{_FREE_PATH} || self.value.startsWith('/')",
            "write a path that starts with '/', such as /v2/models/arrival",
            found=shown("self.value"),
            field=".value",
        ),
        Rule(
            f"{_FREE_PATH} || !self.value.startsWith('/') || ("
            + matches("self.value", r"^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$")
            + " && !"
            + matches("self.value", r"//|/\.\.?(/|$)|%2[fF]")
            + ")",
            "write a plain path, without '//', elements '.' or '..', %2F, '#', '?' and spaces",
            found=shown("self.value"),
            field=".value",
        ),
    ),
):
    """A condition on the path of a request."""

    type: PathType = PathType.PATH_PREFIX
    """How the path is compared. Defaults to `PathPrefix`."""
    value: Annotated[str, Field(max_length=1024)] = "/"
    """Path to compare with. Defaults to `/`."""


class HeaderMatch(Part):
    """A condition on one header of a request."""

    type: MatchType = MatchType.EXACT
    """How the value is compared. Defaults to `Exact`."""
    name: HttpToken
    """Name of the header. Upper and lower case are the same."""
    value: Annotated[str, Field(min_length=1, max_length=4096)]
    """Value to compare with."""


class QueryParamMatch(Part):
    """A condition on one query parameter of a request."""

    type: MatchType = MatchType.EXACT
    """How the value is compared. Defaults to `Exact`."""
    name: HttpToken
    """Name of the parameter."""
    value: Annotated[str, Field(min_length=1, max_length=1024)]
    """Value to compare with."""


class Match(Part):
    """Conditions on a request. All of them must be met."""

    path: PathMatch = PathMatch()
    """Condition on the path. Defaults to any path."""
    headers: tuple[HeaderMatch, ...] = Field(
        default=(), max_length=16, json_schema_extra=by("name")
    )
    """Conditions on headers. All of them must be met."""
    query_params: tuple[QueryParamMatch, ...] = Field(
        default=(), max_length=16, json_schema_extra=by("name")
    )
    """Conditions on query parameters. All of them must be met."""
    method: Method | None = None
    """HTTP method of the request. Defaults to any method."""


_TIMEOUTS_READABLE = " && ".join(
    matches(f"self.{field}", duration.PATTERN) for field in ("request", "backendRequest")
)


class Timeouts(
    Part,
    json_schema_extra=rules(
        Rule(
            f"!has(self.request) || !has(self.backendRequest) || !({_TIMEOUTS_READABLE}) "
            "|| duration(self.request) == duration('0s') "
            "|| duration(self.backendRequest) <= duration(self.request)",
            "write at most the time of `request`, which includes it",
            found="self.backendRequest + ' with a `request` of ' + self.request",
            field=".backendRequest",
        )
    ),
):
    """How long the Gateway waits for an answer."""

    request: Duration | None = None
    """Time limit for a whole request, retries included, e.g. `10s`; `0s` is no limit. Defaults to
    the Gateway's own limit."""
    backend_request: Duration | None = None
    """Time limit for one attempt to reach the model, e.g. `3s`; `0s` is no limit. Defaults to the
    Gateway's own limit."""


Unused = Annotated[
    dict[str, Any] | None,
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]
UnusedList = Annotated[
    list[Any] | None,
    WithJsonSchema(
        {
            "type": "array",
            "maxItems": 64,
            "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        }
    ),
]


def _refused(name: str, advice: str) -> Rule:
    field = to_camel(name)
    return Rule(f"!has(self.{field})", f"found {field}, {advice}", field=f".{field}")


_REPLACES_PREFIX = (
    "has(self.filters) && self.filters.exists(f, has(f.urlRewrite) && has(f.urlRewrite.path) "
    "&& f.urlRewrite.path.type == 'ReplacePrefixMatch')"
)
_ONE_PREFIX = (
    "has(self.matches) && self.matches.size() == 1 && has(self.matches[0].path) && "
    f"{is_or_absent('self.matches[0].path.type', 'PathPrefix')}"
)
_ONCE = "self.all(a, a.type == 'ExtensionRef' || self.exists_one(b, a.type == b.type))"


class RouteRule(
    Part,
    json_schema_extra=rules(
        _refused(
            "backend_refs",
            "leave it out: the operator sends requests to the revisions of this ModelDeployment",
        ),
        _refused(
            "session_persistence",
            "leave it out: a session that stays with one version would not follow the weights",
        ),
        _refused(
            "retry",
            "leave it out: a failed request that is sent again hides the failure of a version",
        ),
        Rule(
            f"!({_REPLACES_PREFIX}) || ({_ONE_PREFIX})",
            "found ReplacePrefixMatch, write exactly one match in this rule, with a path of type "
            "PathPrefix",
            field=".filters",
        ),
    ),
):
    """Requests of one kind, and what the Gateway does with them."""

    name: DnsName | None = None
    """Name of the rule, for policies of the Gateway that refer to it."""
    matches: tuple[Match, ...] = Field(default=(), max_length=8, json_schema_extra=ATOMIC)
    """Requests that the rule is for. A request must meet one of the entries. Defaults to all
    requests for the host names."""
    filters: tuple[Filter, ...] = Field(
        default=(),
        max_length=6,
        json_schema_extra=ATOMIC
        | rules(Rule(_ONCE, "found two filters of the same type, write one with all changes")),
    )
    """What the Gateway does with the requests and their answers, in addition to weights and
    mirroring."""
    timeouts: Timeouts | None = None
    """How long the Gateway waits for an answer. Defaults to the Gateway's own limits."""
    backend_refs: UnusedList = None
    """Refused: the operator writes the backends."""
    session_persistence: Unused = None
    """Refused: users move between versions by the weights."""
    retry: Unused = None
    """Refused: the requests that a version fails are what it is judged on."""
