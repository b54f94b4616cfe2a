"""Parts of the requests that are judged on their own: `spec.slices`, as in docs/slices.md."""

from typing import Annotated

from model_rollouts.api.base import ATOMIC, Part, Rule, Written, one_of, rules, shown
from model_rollouts.api.size import bytes_of
from model_rollouts.api.strings import Label

LARGEST_NUMBER = 8

_REFUSED = (
    # Secrets would stand in the spec and in the pod.
    "authorization",
    "cookie",
    "proxy-authorization",
    # Of one connection, or of the proxy's own.
    "connection",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-model-shadow",
)

SliceHeader = Annotated[
    str,
    Written(
        r"^[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
        "write the name of a request header in lower case, such as x-haul",
        64,
        (
            Rule(
                "self != 'content-length'",
                "write contentLength: {atLeast: 8Ki} in place of header: sizes are compared as "
                "numbers",
                found=shown("self"),
            ),
            Rule(
                f"!(self in {list(_REFUSED)} || self.startsWith('x-envoy-'))",
                "write a header of your own, such as x-haul: this one is a secret, belongs to one "
                "connection, or does not reach the model as it was sent",
                found=shown("self"),
            ),
        ),
    ),
]

SliceValue = Annotated[
    str,
    Written(
        r"^[!-~]([ -~]*[!-~])?$",
        "write printable ASCII without space around it, such as long; values are no patterns",
        128,
    ),
]

Bytes = Annotated[
    str,
    Written(
        r"^[1-9][0-9]{0,3}(Ki|Mi)$",
        "write a size such as 8Ki or 1Mi, from 1Ki to 9999Mi",
        8,
    ),
]


class ContentLength(Part):
    """Requests by the size of their body."""

    at_least: Bytes
    """Smallest size of a body in the slice, e.g. `8Ki`: the request header `content-length` says
    so. Requests without that header (chunked, most of gRPC) are not in the slice, however large."""

    @property
    def bytes(self) -> int:
        """`at_least` in bytes."""
        return bytes_of(self.at_least)


class Slice(
    Part,
    json_schema_extra=rules(
        Rule(
            "has(self.header) != has(self.contentLength)",
            "write either `header` with `value` or `prefix`, or `contentLength`",
            found="(has(self.header) ? 'both' : 'neither of') + ' header and contentLength'",
        ),
        Rule(
            "!has(self.header) || has(self.value) != has(self.prefix)",
            "write either `value` or `prefix`: what the header of a request in the slice is, or "
            "how it begins",
            found="(has(self.value) ? 'both' : 'neither of') + ' value and prefix'",
        ),
        Rule(
            "has(self.header) || !(has(self.value) || has(self.prefix))",
            "write the `header` that has it, or remove it",
            found="(has(self.value) ? 'value' : 'prefix') + ' without header'",
        ),
    ),
):
    """A part of the requests, told by a header or by the size of the body."""

    name: Label
    """Name of the slice, as shown in messages and metrics."""
    header: SliceHeader | None = None
    """Request header by which requests are told apart, in lower case, e.g. `x-haul`. With it,
    `value` or `prefix` is required."""
    value: SliceValue | None = None
    """What the header is in requests of the slice, compared as it is written."""
    prefix: SliceValue | None = None
    """How the header begins in requests of the slice, in place of `value`."""
    content_length: ContentLength | None = None
    """Size of the body of requests in the slice, in place of `header`."""


def _holds(b: str) -> str:
    """Whether the slice `a` has every request of the slice `b`."""
    return (
        f"a.name != {b}.name && has(a.header) && has({b}.header) && a.header == {b}.header && "
        f"((has(a.value) && has({b}.value) && a.value == {b}.value) || "
        f"(has(a.prefix) && has({b}.value) && {b}.value.startsWith(a.prefix)) || "
        f"(has(a.prefix) && has({b}.prefix) && {b}.prefix.startsWith(a.prefix)))"
    )


def _one(wrong: str, place: int = 0) -> str:
    return f"'slice ' + {one_of('self', LARGEST_NUMBER, wrong, place)}.name"


SLICES = ATOMIC | rules(
    Rule(
        "self.all(a, self.exists_one(b, a.name == b.name))",
        "write a different name for each",
        found=_one("!self.exists_one(b, self[i].name == b.name)") + " + ' twice'",
    ),
    Rule(
        f"self.all(a, self.all(b, !({_holds('b')})))",
        "write values or prefixes of which no request has two: its requests would be judged twice",
        found=_one(f"self.exists(a, {_holds('self[i]')})")
        + " + ' whose requests another one of the same header has'",
    ),
    Rule(
        "self.filter(s, has(s.contentLength)).size() <= 1",
        "write one: the larger requests would be in both",
        found=_one("has(self[i].contentLength)", place=1)
        + " + ' as the second one with contentLength'",
    ),
)
