"""Which requests reach the model: `spec.route`, in the shapes of Gateway API's HTTPRoute.

Bounds and rules follow HTTPRoute (gateway.networking.k8s.io/v1), so that what is accepted here is
accepted there: otherwise a mistake would show only when the operator writes the route.
"""

from typing import Annotated

from pydantic import Field

from model_rollouts.api import duration
from model_rollouts.api.base import (
    ATOMIC,
    INT32,
    Part,
    Rule,
    Word,
    Written,
    by,
    matches,
    rules,
    shown,
)
from model_rollouts.api.strings import Duration, Label

_DNS_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_DNS_ADVICE = "write a lower-case DNS name, such as models.example.com"

Hostname = Annotated[
    str,
    Written(
        rf"^(\*\.)?{_DNS_NAME}$",
        "write a lower-case DNS name without port, such as arrival.example.com or *.example.com",
        253,
    ),
]
SectionName = Annotated[str, Written(f"^{_DNS_NAME}$", _DNS_ADVICE, 253)]
Group = Annotated[
    str,
    Written(
        rf"^({_DNS_NAME})?$",
        "write an API group, such as gateway.networking.k8s.io",
        253,
        shortest=0,
    ),
]
"""An API group; the core group is the empty string."""
Kind = Annotated[
    str,
    Written(
        r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$",
        "write the kind of a resource, such as Gateway",
        63,
    ),
]
HttpToken = Annotated[
    str,
    Written(
        r"^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$",
        "write a name that HTTP allows, such as x-tenant",
        256,
    ),
]


class ParentRef(Part):
    """A Gateway, or one of its listeners."""

    group: Group = "gateway.networking.k8s.io"
    """API group of the parent. Defaults to `gateway.networking.k8s.io`."""
    kind: Kind = "Gateway"
    """Kind of the parent. Defaults to `Gateway`."""
    namespace: Label | None = None
    """Namespace of the parent. Defaults to the namespace of the ModelDeployment. A Gateway in
    another namespace must allow routes from this one (`allowedRoutes`)."""
    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the parent."""
    section_name: SectionName | None = None
    """Name of the listener. Defaults to all listeners that allow the route."""
    port: Annotated[int, Field(ge=1, le=65535, json_schema_extra=INT32)] | None = None
    """Port of the listener. Defaults to any port."""


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


class PathMatch(
    Part,
    json_schema_extra=rules(
        Rule(
            "self.type == 'RegularExpression' || self.value.startsWith('/')",
            "write a path that starts with '/', such as /v2/models/arrival",
            found=shown("self.value"),
            field=".value",
        ),
        Rule(
            "self.type == 'RegularExpression' || !self.value.startsWith('/') || ("
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


def _same(field: str) -> str:
    """Whether `a` and `b` agree in an optional field; CEL has no bound for what `orValue` gives."""
    return f"(has(a.{field}) ? has(b.{field}) && a.{field} == b.{field} : !has(b.{field}))"


_SAME_PARENT = (
    f"a.group == b.group && a.kind == b.kind && a.name == b.name && {_same('__namespace__')}"
)


class Route(
    Part,
    json_schema_extra=rules(
        Rule(
            "(has(self.hostnames) && self.hostnames.size() > 0) "
            "|| (has(self.matches) && self.matches.size() > 0)",
            "found neither hostnames nor matches, write at least one: "
            "without them the model would get every request of its Gateway",
        )
    ),
):
    """Which requests reach the model."""

    parent_refs: tuple[ParentRef, ...] = Field(
        min_length=1,
        max_length=8,
        json_schema_extra=ATOMIC
        | rules(
            Rule(
                f"self.all(a, self.exists_one(b, {_SAME_PARENT} && {_same('sectionName')}))",
                "found the same parent twice, write each listener once",
            ),
            Rule(
                f"self.all(a, self.all(b, !({_SAME_PARENT}) "
                "|| has(a.sectionName) == has(b.sectionName)))",
                "found the same parent with and without sectionName, "
                "write sectionName in every reference to that parent",
            ),
        ),
    )
    """Gateways that send requests to the model."""
    hostnames: tuple[Hostname, ...] = Field(default=(), max_length=16, json_schema_extra=ATOMIC)
    """Host names of the model, e.g. `arrival.example.com`. Defaults to those of the listener."""
    matches: tuple[Match, ...] = Field(default=(), max_length=16, json_schema_extra=ATOMIC)
    """Requests that the model gets. A request must meet one of the entries. Defaults to all
    requests for the host names. An older HTTPRoute with the same match would take precedence; the
    rollout then stalls with the reason `RouteConflict`."""
    timeouts: Timeouts | None = None
    """How long the Gateway waits for an answer. Defaults to the Gateway's own limits."""
