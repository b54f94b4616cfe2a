"""What users get when the model does not answer: `spec.fallback`."""

from typing import Annotated

from pydantic import Field

from model_rollouts.api import duration
from model_rollouts.api.base import ATOMIC, INT32, Part, Rule, Word, Written, rules, shown
from model_rollouts.api.route import Route
from model_rollouts.api.size import Size, bytes_of

LONGEST_BODY = 16_384
"""Characters. It is an argument of the proxy, and Linux takes 128 KiB in one."""

After = Annotated[
    str,
    Written(
        duration.PATTERN,
        "write a time such as 2s or 1s500ms",
        32,
        (
            Rule(
                "(duration(self) > duration('0s') && duration(self) <= duration('300s'))",
                "write a time of more than 0s and at most 300s",
                found=shown("self"),
            ),
        ),
    ),
]
ContentType = Annotated[
    str,
    Written(
        r"^[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+(; ?[a-z-]+=[A-Za-z0-9_.-]+)?$",
        "write a media type, such as application/json or text/plain; charset=utf-8",
        128,
    ),
]
ServiceName = Annotated[
    str,
    Written(
        r"^[a-z]([-a-z0-9]*[a-z0-9])?$",
        "write the name of a Service in the same namespace, such as arrival-rules",
        63,
    ),
]


class FallbackType(Word):
    """Who answers in place of the model."""

    STATIC = "Static", "The proxy itself: everybody gets the same answer, with the status 200."
    SERVICE = "Service", "Another Service of the same namespace."
    PREVIOUS_REVISION = (
        "PreviousRevision",
        "The revision that served before; for one on its way, the one that serves.",
    )


class On(Word):
    """What of the model counts as no answer."""

    SERVER_ERROR = "ServerError", "The model answered with a status 5xx."
    TIMEOUT = "Timeout", "The model's answer has not begun `after` the request was read."
    CONNECT_FAILURE = (
        "ConnectFailure",
        "The model takes no connection, or breaks it before its answer begins.",
    )


class StaticAnswer(Part):
    """An answer that is the same for everybody."""

    body: Annotated[str, Field(max_length=LONGEST_BODY)]
    """Body of the answer, at most 16,384 characters."""
    content_type: ContentType = "application/json"
    """Its `content-type`. Defaults to `application/json`."""


class FallbackService(Part):
    """A Service of the same namespace."""

    name: ServiceName
    """Name of the Service."""
    port: Annotated[int, Field(ge=1, le=65535, json_schema_extra=INT32)]
    """Port of the Service. It speaks HTTP without TLS."""


def _member(type: FallbackType, field: str, what: str) -> Rule:
    """The union has the member of its type and no other."""
    return Rule(
        f"(self.type == '{type.value}') == has(self.{field})",
        f"write `{field}` with {what} if the type is {type.value}, and only then",
        found=f"'type ' + self.type + (has(self.{field}) ? ' with' : ' without') + ' {field}'",
        field=f".{field}",
    )


class Fallback(
    Part,
    json_schema_extra=rules(
        _member(FallbackType.STATIC, "static", "`body`"),
        _member(FallbackType.SERVICE, "service", "`name` and `port`"),
        Rule(
            f"('{On.TIMEOUT.value}' in self.on) == has(self.after)",
            "write after: 2s or another time if `on` has Timeout, and only then",
            found=f"(has(self.after) ? 'after' : 'no after') + ' and ' + "
            f"('{On.TIMEOUT.value}' in self.on ? '' : 'no ') + 'Timeout in on'",
            field=".after",
        ),
    ),
):
    """What users get when the model does not answer: one second chance for each request.

    The model is judged as without it: what it did counts, and not what users got. Answers of the
    fallback have the header `x-model-fallback: <type>`. Changing it makes another revision, with
    new pods.
    """

    type: FallbackType
    """Who answers in place of the model."""
    static: StaticAnswer | None = None
    """The answer, for the type Static."""
    service: FallbackService | None = None
    """Who is asked, for the type Service. It is asked in the same way as the model was: method,
    path and headers, and `x-model-fallback-of: <revision>`."""
    on: Annotated[
        tuple[On, ...],
        Field(min_length=1, max_length=3, json_schema_extra=ATOMIC),
    ] = tuple(On)
    """What of the model counts as no answer. Defaults to `ServerError`, `Timeout`,
    `ConnectFailure`."""
    after: After | None = None
    """How long the model has before the fallback is asked, e.g. `2s`; as long has the fallback.
    Required if `on` has Timeout; at most `300s`. A model that is too slow by it has failed."""
    resend_request: bool = True
    """Whether the fallback gets the body of the request. Defaults to `true`."""
    max_body: Size = "256Ki"
    """Size up to which the body of a request is kept for the fallback. A request with a longer one
    has no second chance. Defaults to `256Ki`; at most `1Mi`."""
    max_concurrent: Annotated[int, Field(ge=1, le=10_000, json_schema_extra=INT32)] = 100
    """Requests that each pod has answered by the fallback at the same time. Beyond it users get
    what the model answered. Defaults to `100`."""

    def comes_late(self, route: Route) -> tuple[str, str] | None:
        """The first timeout of `route` that ends a request before `after` is over, and its text."""
        if self.after is None:
            return None
        end = duration.span(self.after)
        cuts = (each for each in route.time_limits() if duration.span(each[1]) <= end)
        return next(cuts, None)

    @property
    def bytes_of_body(self) -> int:
        """`max_body` in bytes."""
        return bytes_of(self.max_body)
