"""What two versions may differ in: the block `disagreement` of an objective, and its digest.

The observer compares by it and writes its digest on what it counts; the operator asks for counts
with the digest of the block as it is now. So nothing is judged that was compared otherwise.
"""

import hashlib
import json
from typing import Annotated, NamedTuple

from pydantic import Field

from model_rollouts.api import ratio
from model_rollouts.api.answer_values import JSONPath, TensorName
from model_rollouts.api.base import INT32, Part, Rule, Word, Written, rules, shown

_TOLERANCE = 'write a number in quotes, such as "0.01", or a percentage such as "1%"'

Tolerance = Annotated[
    str,
    Written(
        r"^[0-9]{1,9}(\.[0-9]{1,9})?%?$",
        _TOLERANCE,
        20,
        (
            Rule(
                "self.matches('[1-9]')",
                "write more than zero: two servers can round the last digit differently",
                found=shown("self"),
            ),
        ),
    ),
]

Likeness = Annotated[
    str,
    Written(
        ratio.PATTERN,
        "write a percentage such as 80%, with at most four decimals",
        16,
        (
            Rule(
                "self.matches('[1-9]')",
                "write more than 0%: with that all answers agree",
                found=shown("self"),
            ),
        ),
    ),
]


class Compared(Word):
    """What of an answer is compared."""

    LABEL = "Label", "Equal or not: classes, texts and whole numbers."
    SCORE = "Score", "A number, equal within `tolerance`."
    VECTOR = "Vector", "All columns of a row together, such as an embedding: within `tolerance`."
    RANKING = (
        "Ranking",
        "The columns of a row as a list, best first: alike if the two have `atLeast` of the first "
        "`top` in common.",
    )
    TEXT = (
        "Text",
        "The same words, whatever their case and punctuation; with `atLeast` that share of them "
        "(token F1).",
    )
    JSON = "JSON", "A text of JSON: equal whatever its spaces and order of keys, or in `fields`."


class Distance(Word):
    """How far two vectors are apart."""

    MAX = "Max", "The largest difference of a column."
    MEAN = "Mean", "The mean difference of the columns."
    COSINE = "Cosine", "1 minus the cosine of the angle: 0 for the same direction, at most 2."


class Against(Word):
    """Whose answers the candidate's have to agree with."""

    STABLE = "Stable", "Those of stable."
    SELF = (
        "Self",
        "Those of stable, as often as stable agrees with itself: for models that do not answer the "
        "same request the same way each time.",
    )


def _only_of(field: str, of: str) -> Rule:
    return Rule(
        f"!has(self.{field}) || self.of == '{of}'",
        f"remove `{field}`, or write of: {of}",
        found=f"'{field} with of ' + self.of",
    )


class Disagreement(
    Part,
    json_schema_extra=rules(
        Rule(
            "(self.of in ['Score', 'Vector']) == has(self.tolerance)",
            "write `tolerance` if `of` is Score or Vector, and only then",
            found="'of ' + self.of + (has(self.tolerance) ? ' with' : ' without') + ' tolerance'",
        ),
        Rule(
            "self.of == 'Ranking' ? has(self.atLeast) : self.of == 'Text' || !has(self.atLeast)",
            "write `atLeast` if `of` is Ranking, remove it unless `of` is Ranking or Text",
            found="'of ' + self.of + (has(self.atLeast) ? ' with' : ' without') + ' atLeast'",
        ),
        _only_of("distance", "Vector"),
        _only_of("top", "Ranking"),
        _only_of("fields", "JSON"),
        Rule(
            "!has(self.distance) || self.distance != 'Cosine' || !has(self.tolerance) || "
            "!self.tolerance.matches('%')",
            'write `tolerance` as a number such as "0.05": an angle is no share of a size',
            found="'the distance Cosine with tolerance ' + self.tolerance",
        ),
    ),
):
    """What is compared in the answers of stable and the candidate to the same request."""

    of: Compared
    """What of an answer is compared."""
    output: TensorName | None = None
    """Name of the output in the Open Inference Protocol V2, e.g. `species`. Required when an
    answer has several outputs; defaults to the only one."""
    against: Against = Against.STABLE
    """`Self` asks a second pod of stable too, for at most a tenth of the mirrored requests. Only
    these are compared, and an answer counts where one of the two, candidate or second pod, differs
    from what users got and the other does not. The candidate then fails only if it differs more
    often than the limits allow, and more often than stable differs from itself. It needs a Gateway
    that mirrors a request twice. Defaults to `Stable`."""
    tolerance: Tolerance | None = None
    """How far two scores or vectors may be apart: a number such as `"0.01"`, or a percentage of
    stable's such as `"1%"`. Required for `of: Score` and `of: Vector`, and only for them."""
    distance: Distance | None = None
    """How far two vectors are apart. Defaults to `Max`."""
    top: Annotated[int, Field(ge=1, le=1_000, json_schema_extra=INT32)] | None = None
    """How many of a ranking count, from its first. Defaults to all."""
    at_least: Likeness | None = None
    """Which share two rankings or texts must have in common. Required for `of: Ranking`."""
    fields: (
        Annotated[
            tuple[JSONPath, ...],
            Field(min_length=1, max_length=20, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = None
    """What of the JSON is compared, such as `items.0.price`. Defaults to all of it."""


class Bound(NamedTuple):
    """How far two scores may be apart: an amount, or a share of stable's score."""

    amount: float
    is_relative: bool


def bound(tolerance: str) -> Bound:
    """What `tolerance` allows: `"1%"` is a share of 0.01."""
    number = float(tolerance.removesuffix("%"))
    relative = tolerance.endswith("%")
    return Bound(number / 100 if relative else number, relative)


def comparison(block: Disagreement) -> str:
    """The digest of the block, 8 hex digits: the value of the label `comparison`.

    The first of SHA-256 of its fields that are there, as JSON with sorted keys and no spaces.
    """
    fields = block.model_dump(mode="json", by_alias=True, exclude_none=True)
    if block.against is Against.STABLE:
        # As releases have it that knew nothing else.
        del fields["against"]
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
