"""What the observer is told of requests and answers, and what it keeps of them: `spec.capture`."""

from typing import Annotated

from pydantic import Field

from model_rollouts.api import ratio
from model_rollouts.api.answer_values import JSONPath, TensorName
from model_rollouts.api.base import ATOMIC, Part, Rule, Written, by, rules, shown
from model_rollouts.api.size import Size, bytes_of
from model_rollouts.api.strings import PositiveDuration

SampleRatio = Annotated[
    str,
    Written(
        ratio.PATTERN,
        "write a percentage such as 10%, with at most four decimals",
        16,
        (
            Rule(
                "self.matches('[1-9]')",
                "write more than 0%, or remove sample: without it no bodies are captured",
                found=shown("self"),
            ),
        ),
    ),
]
HeaderName = Annotated[
    str,
    Written(
        r"^[A-Za-z0-9]([-_A-Za-z0-9]*[A-Za-z0-9])?$",
        "write the name of a request header, such as x-tenant",
        64,
    ),
]
Names = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=256)], ...],
    Field(max_length=100, json_schema_extra=ATOMIC),
]


class Include(Part):
    """Values that the observer keeps. All others are used for comparisons and dropped."""

    inputs: Names = ()
    """Names of inputs whose values are kept, or `*` for all. Defaults to none."""
    outputs: Names = ()
    """Names of outputs whose values are kept, or `*` for all. Defaults to none."""


class BodyValue(Part):
    """A value in a row of a body."""

    name: TensorName
    """How it is called by `include`, by objectives and in the log."""
    path: JSONPath
    """Where it stands in a row, such as `flight.hour`: keys, and places in lists from 0 on."""


class Body(Part):
    """Where values stand in a body of JSON."""

    rows: JSONPath | None = None
    """Where the list of rows stands, such as `data.items`. Without it a body that is a list has a
    row in each place, and any other body is one row."""
    values: Annotated[
        tuple[BodyValue, ...], Field(min_length=1, max_length=100, json_schema_extra=by("name"))
    ]
    """What is read of each row: numbers, texts, truths, or lists of them."""


class BodySchema(Part):
    """Where values stand in bodies of no protocol that the observer knows."""

    request: Body | None = None
    """Of requests. Without it they are read by the protocol of their path."""
    answer: Body | None = None
    """Of answers. Without it they are read by the protocol of their path."""


class Slice(Part):
    """How users are told apart."""

    header: HeaderName
    """Request header whose value names the slice that a request belongs to, e.g. `x-tenant`. The
    first 40 characters are used, as far as they are printable ASCII."""


class Capture(
    Part,
    json_schema_extra=rules(
        Rule(
            "!has(self.include) || has(self.sample)",
            "found include without sample, write sample: 10% or another share: "
            "values are kept of requests whose bodies are captured",
            field=".sample",
        )
    ),
):
    """What the observer is told of requests and answers.

    `capture: {}` tells it of every request when it came, which version answered, how and how fast,
    and nothing of what was in it. Adding, removing or changing `sample`, `maxBody` or `slice` makes
    another revision, with new pods; the other fields restart nothing.
    """

    sample: SampleRatio | None = None
    """Share of requests whose bodies are captured too, e.g. `10%`. The request id decides, so that
    stable and candidate capture the same ones. Without it no bodies are captured."""
    max_body: Size = "64Ki"
    """Size up to which a body is captured. Of a longer one the observer gets this much, and knows
    that it is cut. Defaults to `64Ki`; at most `1Mi`."""
    include: Include | None = None
    """Values that the observer keeps. Without it no values are kept: outputs that an objective
    compares are compared and dropped."""
    body_schema: Annotated[BodySchema | None, Field(alias="schema")] = None
    """Where values stand in JSON that is of no protocol that the observer knows."""
    retention: PositiveDuration = "168h"
    """How long the observer keeps what it was told. Defaults to `168h`."""
    slice: Slice | None = None
    """How users are told apart, so that each slice can be compared on its own."""

    @property
    def bytes_of_body(self) -> int:
        """`max_body` in bytes."""
        return bytes_of(self.max_body)
