"""A reference: how the values of a data set are spread, as counts in bins.

One small JSON file. It has no time of its making and no name of a machine, so the same data give
the same bytes. Rows themselves are not in it; of texts it has the most frequent ones, and lengths
alone where most are different.
"""

import math
from itertools import chain, pairwise
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

FORMAT = "model-rollouts/reference"
FORMAT_VERSION = 1

LARGEST_FILE = 256 * 1024
"""Bytes: a ConfigMap holds 1 MiB."""
MOST_INPUTS = 50
MOST_BINS = 20
LONGEST_NAME = 128
LONGEST_VALUE = 64
"""Characters of a name of a column, and of a value that is a category."""

Count = Annotated[int, Meta(ge=0, le=2**53)]
Counts = Annotated[tuple[Count, ...], Meta(min_length=1, max_length=MOST_BINS)]
Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
Value = Annotated[str, Meta(max_length=LONGEST_VALUE)]
Edges = Annotated[tuple[float, ...], Meta(min_length=2, max_length=MOST_BINS + 1)]


class BadReferenceError(ValueError):
    """The file is no reference; the message names the field, what was found and what is needed."""


class _Binned(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", rename="camel"):
    """Counts of numbers: bin i has edges[i] <= value < edges[i + 1], the last one its end too.

    Where the last two edges are equal, the last bin is that one value. `below` and `above` are
    values before the first edge and after the last one; `missing` includes NaN. With `is_whole` all
    values of the reference are whole numbers.
    """

    name: Name
    edges: Edges
    counts: Counts
    missing: Count = 0
    below: Count = 0
    above: Count = 0
    is_whole: bool = field(default=False, name="whole")

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.counts) + 1:
            raise ValueError(
                f"edges: found {len(self.edges)} for {len(self.counts)} counts, need one more"
            )
        inner = list(pairwise(self.edges[:-1]))
        if any(a >= b for a, b in inner) or self.edges[-2] > self.edges[-1]:
            raise ValueError("edges: found some that do not ascend")

    @property
    def cells(self) -> tuple[int, ...]:
        """All counts but those of missing values; the last ones are outside of the reference."""
        return (*self.counts, self.below, self.above)

    @property
    def outside(self) -> int:
        """Values that the bins do not cover."""
        return self.below + self.above

    @property
    def bins(self) -> object:
        """Equal for columns that can be compared."""
        return (type(self), self.edges)


class Numbers(_Binned, tag="number", frozen=True, forbid_unknown_fields=True):
    """Numbers by their value."""


class Lengths(_Binned, tag="text", frozen=True, forbid_unknown_fields=True):
    """Texts of which most are different, by their length in characters."""


class Categories(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="category"):
    """Counts of the most frequent values; `others` are all values that are not named."""

    name: Name
    values: Annotated[tuple[Value, ...], Meta(min_length=1, max_length=MOST_BINS)]
    counts: Counts
    others: Count = 0
    missing: Count = 0

    def __post_init__(self) -> None:
        if len(self.values) != len(self.counts):
            raise ValueError(
                f"values: found {len(self.values)} for {len(self.counts)} counts, need as many"
            )
        if len(set(self.values)) < len(self.values):
            raise ValueError("values: found one twice")

    @property
    def cells(self) -> tuple[int, ...]:
        """All counts but those of missing values; the last one is of all other values."""
        return (*self.counts, self.others)

    @property
    def outside(self) -> int:
        """Values that have no count of their own."""
        return self.others

    @property
    def bins(self) -> object:
        """Equal for columns that can be compared."""
        return (type(self), self.values)


Column = Numbers | Lengths | Categories


class Dataset(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where the rows came from: SHA-256 of the files, and the id of the snapshot, if one is told.

    Of several files, `digest` is that of their digests, each a line of hexadecimal digits.
    """

    digest: Annotated[str, Meta(pattern="^sha256:[0-9a-f]{64}$")]
    id: Annotated[str, Meta(max_length=512)] = ""


class Reference(
    Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"
):
    """How a data set is spread. `importances` say how much the model uses an input; they only sort.

    `score` and `label` are what the model answered, or what was true.
    """

    format: str
    format_version: int
    rows: Annotated[int, Meta(ge=1, le=2**53)]
    dataset: Dataset
    inputs: Annotated[tuple[Column, ...], Meta(min_length=1, max_length=MOST_INPUTS)]
    score: Column | None = None
    label: Column | None = None
    importances: dict[Name, Annotated[float, Meta(ge=0)]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"format: found '{self.format}', need '{FORMAT}'")
        if self.format_version != FORMAT_VERSION:
            raise ValueError(
                f"formatVersion: found {self.format_version}, this release reads {FORMAT_VERSION}: "
                "make the reference again"
            )
        names = [each.name for each in self.columns]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"inputs: found '{name}' twice")
        for each in self.columns:
            if (found := sum(each.cells) + each.missing) != self.rows:
                raise ValueError(f"'{each.name}': found counts of {found} rows, need {self.rows}")
        inputs = {each.name for each in self.inputs}
        for name, value in self.importances.items():
            if name not in inputs:
                raise ValueError(f"importances: found '{name}', which is no input")
            if not math.isfinite(value):
                raise ValueError(f"importances: found {value} for '{name}', need a finite number")

    @property
    def columns(self) -> tuple[Column, ...]:
        """Inputs, score and label."""
        return tuple(chain(self.inputs, (each for each in (self.score, self.label) if each)))


def read(content: bytes) -> Reference:
    """The reference in a file. Raises BadReferenceError."""
    if len(content) > LARGEST_FILE:
        raise BadReferenceError(f"found {len(content):,} bytes, a reference has at most 256 KiB")
    try:
        return msgspec.json.decode(content, type=Reference)
    except msgspec.ValidationError as error:
        raise BadReferenceError(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadReferenceError(f"it is no JSON: {error}") from None


def write(reference: Reference) -> bytes:
    """The file: the same bytes for the same reference. Raises BadReferenceError if it is large."""
    fields = msgspec.to_builtins(reference)
    if reference.importances:
        fields["importances"] = dict(sorted(reference.importances.items()))
    lines = [f'"{name}": {_line(value)}' for name, value in fields.items()]
    content = ("{\n" + ",\n".join(lines) + "\n}\n").encode()
    if len(content) > LARGEST_FILE:
        raise BadReferenceError(
            f"the reference has {len(content):,} bytes, and at most 256 KiB are allowed: choose "
            "fewer inputs with --include, or fewer bins with --bins"
        )
    return content


def _line(value: object) -> str:
    """JSON in one line, of inputs each in its own: what a person compares line by line."""
    if isinstance(value, list | tuple):
        return "[\n" + ",\n".join(_line(each) for each in value) + "\n]"
    return msgspec.json.encode(value).decode()
