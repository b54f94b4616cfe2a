"""Rows that wait for their commit, as compact as they will be in the table."""

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from model_rollouts.observer.capture.sequences import State
from model_rollouts.observer.protocols import Tensor

ROW_BYTES = 900
"""About what a row takes in memory beside its numbers: a tuple, ids, and its share of lists."""

MOST_SCHEMAS = 10_000
"""Different sets of tensors that are known at once; whoever sends more has values left out."""


class Row(NamedTuple):
    """One row of one request at one arm, without its values."""

    prediction_id: str
    request_id: str
    row: int
    time_us: int
    date: str
    namespace: str
    model: str
    version: str
    revision: str
    pod: str
    arm: str
    slice: str
    answered_by: str
    status: int
    flags: str
    latency_ms: float
    request_bytes: int
    answer_bytes: int
    outcome: str
    schema: str
    comparison: str
    disagreement: float | None


class Lists:
    """A column of lists of numbers, and one of lists of texts, filled row by row."""

    def __init__(self) -> None:
        self.numbers = array("d")
        self.offsets = array("i", [0])
        self.texts: list[list[str]] = []

    def add(self, tensors: Iterable[Tensor], row: int) -> None:
        """The values of a row of all tensors, in their order."""
        texts: list[str] = []
        for each in tensors:
            values = each.values[row * each.width : (row + 1) * each.width]
            if each.is_text:
                texts += values  # type: ignore[arg-type] # texts have texts
            else:
                self._add(values)  # type: ignore[arg-type] # and others have numbers
        self.offsets.append(len(self.numbers))
        self.texts.append(texts)

    def _add(self, values: list[float]) -> None:
        try:
            # Adds all of them or none, in one go.
            self.numbers.fromlist(values)
        except OverflowError:
            # A whole number of JSON may be larger than any double.
            largest = 1.7976931348623157e308
            self.numbers.extend(max(-largest, min(largest, each)) for each in values)


class _Field(msgspec.Struct):
    name: str
    width: int
    is_text: bool


class Schema(NamedTuple):
    """What the values in the lists of a row are; `fields` is JSON."""

    digest: str
    namespace: str
    model: str
    fields: str


class Chunk:
    """What one commit will hold."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.features = Lists()
        self.outputs = Lists()
        self.schemas: dict[str, Schema] = {}
        self.records: Counter[tuple[str, str, str, str]] = Counter()
        """Records by namespace, model, revision and arm: of several rows, one."""
        self.state: list[State] = []

    @property
    def bytes(self) -> int:
        """About how much memory it takes."""
        numbers = len(self.features.numbers) + len(self.outputs.numbers)
        return ROW_BYTES * len(self.rows) + 8 * numbers

    def add(self, row: Row, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        """A row with its values."""
        self.rows.append(row)
        self.features.add(inputs, row.row)
        self.outputs.add(outputs, row.row)


class Schemas:
    """Digests of the sets of tensors of models, and which of them are new to this process."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Schema] = {}

    def of(
        self, namespace: str, model: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
    ) -> Schema | None:
        """The schema of these tensors; None when there are too many."""
        key = (
            namespace,
            model,
            tuple((each.name, each.width, each.is_text) for each in inputs),
            tuple((each.name, each.width, each.is_text) for each in outputs),
        )
        found = self._known.get(key)
        if found is None and len(self._known) < MOST_SCHEMAS:
            fields = msgspec.json.encode(
                {
                    "inputs": [_Field(each.name, each.width, each.is_text) for each in inputs],
                    "outputs": [_Field(each.name, each.width, each.is_text) for each in outputs],
                }
            )
            digest = hashlib.sha256(f"{namespace}/{model}/".encode() + fields).hexdigest()[:16]
            found = self._known[key] = Schema(digest, namespace, model, fields.decode())
        return found
