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
        "write a name as HTTP allows it, such as x-tenant",
        256,
    ),
]


class ParentRef(Part):
    """A Gateway, or one listener of it."""

    group: Group = "gateway.networking.k8s.io"
    """API group of the parent."""
    kind: Kind = "Gateway"
    """Kind of the parent."""
    namespace: Label | None = None
    """Namespace of the parent; without it, the namespace of the ModelDeployment. A Gateway
    elsewhere must admit routes of this namespace (`allowedRoutes`)."""
    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the parent."""
    section_name: SectionName | None = None
    """The listener; without it, all that admit the route."""
    port: Annotated[int, Field(ge=1, le=65535, json_schema_extra=INT32)] | None = None
    """The port of the listeners; without it, any."""


class MatchType(Word):
    """How a header or a query parameter is compared."""

    EXACT = "Exact", "The value is equal."
    REGULAR_EXPRESSION = (
        "RegularExpression",
        "The value matches; the dialect is that of the Gateway's implementation.",
    )


class PathType(Word):
    """How a path is compared."""

    EXACT = "Exact", "The path is equal."
    PATH_PREFIX = "PathPrefix", "The path begins with these whole elements."
    REGULAR_EXPRESSION = (
        "RegularExpression",
        "The path matches; the dialect is that of the Gateway's implementation.",
    )


class Method(Word):
    """A method of HTTP."""

    GET = "GET", "Reads."
    HEAD = "HEAD", "Reads the headers only."
    POST = "POST", "Sends something to be processed, as an inference request."
    PUT = "PUT", "Replaces."
    DELETE = "DELETE", "Deletes."
    CONNECT = "CONNECT", "Opens a tunnel."
    OPTIONS = "OPTIONS", "Asks what is possible."
    TRACE = "TRACE", "Echoes."
    PATCH = "PATCH", "Changes in part."


class PathMatch(
    Part,
    json_schema_extra=rules(
        Rule(
            "self.type == 'RegularExpression' || self.value.startsWith('/')",
            "write a path that begins with '/', such as /v2/models/arrival",
            found=shown("self.value"),
            field=".value",
        ),
        Rule(
            "self.type == 'RegularExpression' || !self.value.startsWith('/') || ("
            + matches("self.value", r"^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$")
            + " && !"
            + matches("self.value", r"//|/\.\.?(/|$)|%2[fF]")
            + ")",
            "write a plain path: no '//', no element '.' or '..', no %2F, no '#', '?' or blank",
            found=shown("self.value"),
            field=".value",
        ),
    ),
):
    """What the path of a request must be."""

    type: PathType = PathType.PATH_PREFIX
    """How the path is compared."""
    value: Annotated[str, Field(max_length=1024)] = "/"
    """The path."""


class HeaderMatch(Part):
    """What a header of a request must be."""

    type: MatchType = MatchType.EXACT
    """How the value is compared."""
    name: HttpToken
    """Name of the header; upper and lower case are the same."""
    value: Annotated[str, Field(min_length=1, max_length=4096)]
    """The value to compare with."""


class QueryParamMatch(Part):
    """What a query parameter of a request must be."""

    type: MatchType = MatchType.EXACT
    """How the value is compared."""
    name: HttpToken
    """Name of the parameter."""
    value: Annotated[str, Field(min_length=1, max_length=1024)]
    """The value to compare with."""


class Match(Part):
    """Conditions that a request must meet, all of them."""

    path: PathMatch = PathMatch()
    """What the path must be; without it, anything."""
    headers: tuple[HeaderMatch, ...] = Field(
        default=(), max_length=16, json_schema_extra=by("name")
    )
    """What headers must be, all of them."""
    query_params: tuple[QueryParamMatch, ...] = Field(
        default=(), max_length=16, json_schema_extra=by("name")
    )
    """What query parameters must be, all of them."""
    method: Method | None = None
    """The method; without it, any."""


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
            found="self.backendRequest + ' within a request of ' + self.request",
            field=".backendRequest",
        )
    ),
):
    """How long the Gateway waits."""

    request: Duration | None = None
    """Longest time for a whole request; `0s` is no limit. Without it the Gateway's own."""
    backend_request: Duration | None = None
    """Longest time for one try at the model; `0s` is no limit. Without it the Gateway's own."""


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
            "the model would answer every request of its Gateway",
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
                "found a parent with and without sectionName, "
                "write it for every reference to that parent",
            ),
        ),
    )
    """The Gateways that the model is reached through."""
    hostnames: tuple[Hostname, ...] = Field(default=(), max_length=16, json_schema_extra=ATOMIC)
    """The host names that the model answers to; without them, all of the listener."""
    matches: tuple[Match, ...] = Field(default=(), max_length=16, json_schema_extra=ATOMIC)
    """Which requests the model answers; a request must meet one of them. Without them, all of the
    host names. Another HTTPRoute with the same match that is older would win."""
    timeouts: Timeouts | None = None
    """How long the Gateway waits for answers."""
