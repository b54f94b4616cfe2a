"""What the observer is told of requests and answers, and what it keeps of them: `spec.capture`."""

from typing import Annotated

from pydantic import Field

from model_rollouts.api import ratio
from model_rollouts.api.base import ATOMIC, Part, Rule, Written, rules, shown
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
    retention: PositiveDuration = "168h"
    """How long the observer keeps what it was told. Defaults to `168h`."""
    slice: Slice | None = None
    """How users are told apart, so that each slice can be compared on its own."""

    @property
    def bytes_of_body(self) -> int:
        """`max_body` in bytes."""
        return bytes_of(self.max_body)
