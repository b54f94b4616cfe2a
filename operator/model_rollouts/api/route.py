"""Which requests reach the model: `spec.route`, in the shapes of Gateway API's HTTPRoute.

Bounds and rules follow HTTPRoute (gateway.networking.k8s.io/v1), so that what is accepted here is
accepted there: otherwise a mistake would show only when the operator writes the route.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from model_rollouts.api import duration
from model_rollouts.api.base import ATOMIC, INT32, Part, Rule, rules
from model_rollouts.api.route_rules import Match, RouteRule, Timeouts
from model_rollouts.api.strings import DnsName, Group, Hostname, Kind, Label

GATEWAY_API = "gateway.networking.k8s.io"


class ParentRef(Part):
    """A Gateway, or one of its listeners."""

    group: Group = GATEWAY_API
    """API group of the parent. Defaults to `gateway.networking.k8s.io`."""
    kind: Kind = "Gateway"
    """Kind of the parent. Defaults to `Gateway`."""
    namespace: Label | None = None
    """Namespace of the parent. Defaults to the namespace of the ModelDeployment. A Gateway in
    another namespace must allow routes from this one (`allowedRoutes`)."""
    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the parent."""
    section_name: DnsName | None = None
    """Name of the listener. Defaults to all listeners that allow the route."""
    port: Annotated[int, Field(ge=1, le=65535, json_schema_extra=INT32)] | None = None
    """Port of the listener. Defaults to any port."""


def _same(field: str) -> str:
    """Whether `a` and `b` agree in an optional field; CEL has no bound for what `orValue` gives."""
    return f"(has(a.{field}) ? has(b.{field}) && a.{field} == b.{field} : !has(b.{field}))"


def _same_kind(field: str, usual: str) -> str:
    """Whether `a` and `b` agree in a field whose default only the operator knows."""
    of_a, of_b = (f"(has({x}.{field}) ? {x}.{field} : '{usual}')" for x in "ab")
    return f"{of_a} == {of_b}"


_SAME_PARENT = (
    f"{_same_kind('group', GATEWAY_API)} && {_same_kind('kind', 'Gateway')} "
    f"&& a.name == b.name && {_same('__namespace__')}"
)


class Route(
    Part,
    json_schema_extra=rules(
        Rule(
            "(has(self.hostnames) && self.hostnames.size() > 0) || (has(self.rules) "
            "&& self.rules.size() > 0 ? self.rules.all(r, has(r.matches) && r.matches.size() > 0) "
            ": has(self.matches) && self.matches.size() > 0)",
            "found neither hostnames nor matches, write at least one: "
            "without them the model would get every request of its Gateway",
        ),
        Rule(
            "!has(self.rules) || self.rules.size() == 0 || (!has(self.timeouts) "
            "&& (!has(self.matches) || self.matches.size() == 0))",
            "found rules beside matches or timeouts, write these inside the rules",
            field=".rules",
        ),
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
    """Requests that the model gets, short for `rules` with a single one. A request must meet one of
    the entries. Defaults to all requests for the host names. An older HTTPRoute with the same match
    would take precedence; the rollout then stalls with the reason `RouteConflict`."""
    timeouts: Timeouts | None = None
    """How long the Gateway waits for an answer. Defaults to the Gateway's own limits."""
    rules: tuple[RouteRule, ...] = Field(
        default=(),
        max_length=8,
        json_schema_extra=ATOMIC
        | rules(
            Rule(
                "self.all(a, !has(a.name) || self.exists_one(b, has(b.name) && a.name == b.name))",
                "found the same name twice, write a different name for each rule",
            )
        ),
    )
    """Rules of Gateway API, with matches, filters and timeouts, in place of `matches` and
    `timeouts`. Every rule has the same weights and the same mirroring."""

    def as_rules(self) -> tuple[RouteRule, ...]:
        """The rules, also where they are written in the short form."""
        return self.rules or (RouteRule(matches=self.matches, timeouts=self.timeouts),)

    def time_limits(self) -> Iterator[tuple[str, str]]:
        """After which times the Gateway ends requests: the field of each, and what it says."""
        places = [("spec.route.timeouts", self.timeouts)]
        places += [
            (f"spec.route.rules[{i}].timeouts", r.timeouts) for i, r in enumerate(self.rules)
        ]
        for place, each in places:
            if each is not None:
                for name, text in (
                    ("request", each.request),
                    ("backendRequest", each.backend_request),
                ):
                    if text is not None and duration.span(text) > timedelta():
                        yield f"{place}.{name}", text
