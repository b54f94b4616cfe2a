"""What users get when the model does not answer: a part of the revision's input.

A request gets one second chance, from the proxy beside the model. Changing it needs another proxy,
and so another revision.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from model_rollouts.resources import names
from model_rollouts.resources.errors import ResourceError

MAX_BODY = 262_144
"""Bytes of a request that are held back for a second chance where nothing is said."""
MAX_CONCURRENT = 100
"""Requests of a pod that the fallback answers at once, where nothing is said."""
LONGEST_MS = 300_000
"""Within which the proxy ends a request on which nothing moves, in milliseconds."""
LONGEST_STATIC = 65_536
"""Bytes of an answer that is the same for everybody."""


class On(StrEnum):
    """What of the model gives a request its second chance."""

    SERVER_ERROR = "ServerError"
    TIMEOUT = "Timeout"
    CONNECT_FAILURE = "ConnectFailure"


EVERY = frozenset(On)


@dataclass(frozen=True, slots=True)
class Static:
    """The proxy gives the same answer to everybody, with the status 200."""

    body: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Service:
    """A Service of the same namespace answers."""

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class Previous:
    """The revision that served before answers, or the one that serves now for one on its way.

    Which one that is, its Service says: it changes, and no proxy with it.
    """


@dataclass(frozen=True, slots=True)
class Fallback:
    """Who answers, and when.

    `after_ms` is how long the model has, in milliseconds; None unless TIMEOUT is among `on`.
    `resend`: the request is sent with its body. `max_body` is in bytes: a longer request has no
    second chance. `max_concurrent` bounds the requests of a pod that are answered so at once.
    """

    to: Static | Service | Previous
    on: frozenset[On] = EVERY
    after_ms: int | None = None
    resend: bool = True
    max_body: int = MAX_BODY
    max_concurrent: int = MAX_CONCURRENT

    @property
    def type(self) -> str:
        """The word of the spec for who answers, which users see in a header."""
        return _TYPES[type(self.to)]


_TYPES = {Static: "Static", Service: "Service", Previous: "PreviousRevision"}


def form_of(fallback: Fallback) -> dict[str, Any]:
    """The canonical form of `fallback`: plain data in which nothing has its default value."""
    form: dict[str, Any]
    match fallback.to:
        case Static(body, content_type):
            form = {"static": {"body": body, "contentType": content_type}}
        case Service(name, port):
            form = {"service": {"name": name, "port": port}}
        case Previous():
            form = {"previous": True}
    if fallback.on != EVERY:
        form["on"] = sorted(fallback.on)
    if fallback.after_ms is not None:
        form["afterMs"] = fallback.after_ms
    if not fallback.resend:
        form["resend"] = False
    if fallback.max_body != MAX_BODY:
        form["maxBody"] = fallback.max_body
    if fallback.max_concurrent != MAX_CONCURRENT:
        form["maxConcurrent"] = fallback.max_concurrent
    return form


def from_form(form: Mapping[str, Any]) -> Fallback:
    """What was written as `form_of` writes it."""
    static, service = form.get("static"), form.get("service")
    to: Static | Service | Previous = Previous()
    if static is not None:
        to = Static(static["body"], static["contentType"])
    elif service is not None:
        to = Service(service["name"], service["port"])
    return Fallback(
        to=to,
        on=frozenset(map(On, form["on"])) if "on" in form else EVERY,
        after_ms=form.get("afterMs"),
        resend=form.get("resend", True),
        max_body=form.get("maxBody", MAX_BODY),
        max_concurrent=form.get("maxConcurrent", MAX_CONCURRENT),
    )


def require_valid(model: str, fallback: Fallback) -> None:
    """Raise ResourceError unless `fallback` can stand in for the ModelDeployment `model`."""
    resource, to, after = names.describe(model), fallback.to, fallback.after_ms
    is_wanted = On.TIMEOUT in fallback.on
    if (after is not None) != is_wanted or (after is not None and not 0 < after <= LONGEST_MS):
        raise ResourceError(
            resource,
            "fallback.after",
            "nothing" if after is None else f"{after} ms",
            f"write a time of more than 0s and at most {LONGEST_MS // 1000}s if `on` has"
            f" {On.TIMEOUT}, and only then",
        )
    if isinstance(to, Static):
        if (size := len(to.body.encode())) > LONGEST_STATIC:
            raise ResourceError(
                resource,
                "fallback.static.body",
                f"{size} bytes",
                f"write at most {LONGEST_STATIC} bytes, or have a Service answer",
            )
    elif isinstance(to, Service) and names.is_service_of(model, to.name):
        raise ResourceError(
            resource,
            "fallback.service.name",
            to.name,
            "write a Service of another model: this one leads back to the model that did not"
            " answer",
        )
