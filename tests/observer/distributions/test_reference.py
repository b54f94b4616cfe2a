"""The file of a reference: read as it was written, bounded, and refused with what to write."""

import json
from typing import Any

import pytest

from model_rollouts.observer.distributions import (
    LARGEST_FILE,
    BadReferenceError,
    Categories,
    Dataset,
    Lengths,
    Numbers,
    Reference,
    edges_of,
    label,
    read,
    write,
)
from model_rollouts.observer.distributions.reference import FORMAT

HOUR = Numbers("hour", (0, 6, 12, 23), (20, 50, 28), 2, is_whole=True)
CARRIER = Categories("carrier", ("UA", "DL"), (60, 30), 10)
REVIEW = Lengths("review", (1, 100, 2_000), (40, 60), is_whole=True)
SCORE = Numbers("score", (0.0, 0.25, 1.0), (75, 25))
DATASET = Dataset("sha256:" + "a" * 64, "flights@7")
REFERENCE = Reference(FORMAT, 1, 100, DATASET, (HOUR, CARRIER, REVIEW), SCORE, None, {"hour": 0.5})


def changed(path: str, value: Any) -> bytes:
    """The file with another value at a path such as `inputs.0.counts`."""
    content = json.loads(write(REFERENCE))
    *parents, last = path.split(".")
    at = content
    for each in parents:
        at = at[int(each) if each.isdecimal() else each]
    if value is None:
        del at[last]
    else:
        at[int(last) if last.isdecimal() else last] = value
    return json.dumps(content).encode()


def test_a_file_is_read_as_it_was_written() -> None:
    assert read(write(REFERENCE)) == REFERENCE


def test_the_file_has_a_line_for_each_input() -> None:
    lines = write(REFERENCE).decode().splitlines()

    assert [line for line in lines if '"name":"carrier"' in line] == [
        '{"kind":"category","name":"carrier","values":["UA","DL"],"counts":[60,30],"others":10,'
        '"missing":0},'
    ]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format", "other", "format: found 'other', need 'model-rollouts/reference'"),
        ("formatVersion", 2, "this release reads 1: make the reference again"),
        ("rows", 99, "'hour': found counts of 100 rows, need 99"),
        ("rows", 0, "`int` >= 1"),
        ("dataset.digest", "sha256:abc", "matching regex"),
        ("dataset", None, "missing required field `dataset`"),
        ("inputs", [], "length >= 1"),
        ("inputs.0.kind", "vector", "Invalid value 'vector'"),
        ("inputs.0.edges", [0, 6, 12], "edges: found 3 for 3 counts, need one more"),
        ("inputs.0.edges", [0, 12, 6, 23], "edges: found some that do not ascend"),
        ("inputs.0.edges", [0, 0, 6, 23], "edges: found some that do not ascend"),
        ("inputs.0.counts", [20, 50.5, 28], "Expected `int`"),
        ("inputs.0.counts", [20, -1, 79], "`int` >= 0"),
        ("inputs.0.counts", [1] * 21, "length <= 20"),
        ("inputs.0.name", "n" * 129, "length <= 128"),
        ("inputs.0.surprise", 1, "unknown field `surprise`"),
        ("inputs.1.name", "hour", "inputs: found 'hour' twice"),
        ("inputs.1.values", ["UA", "UA"], "values: found one twice"),
        ("inputs.1.values", ["UA"], "values: found 1 for 2 counts, need as many"),
        ("inputs.1.values", ["UA", "x" * 65], "length <= 64"),
        ("score.name", "hour", "inputs: found 'hour' twice"),
        ("importances", {"hours": 1}, "importances: found 'hours', which is no input"),
        ("importances", {"hour": -1}, ">= 0"),
    ],
)
def test_a_wrong_file_is_refused(path: str, value: Any, message: str) -> None:
    with pytest.raises(BadReferenceError) as refused:
        read(changed(path, value))

    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is no JSON"),
        (b"\xff\xfe", "it is no JSON"),
        (b"[" * 100_000, ""),
        (b'{"format": "model-rollouts/reference", "rows": 1e999}', ""),
        (b" " * (LARGEST_FILE + 1), "found 262,145 bytes, a reference has at most 256 KiB"),
    ],
)
def test_what_is_no_file_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(BadReferenceError) as refused:
        read(content)

    assert message in str(refused.value)


def test_a_reference_of_fifty_inputs_fits() -> None:
    # The longest numbers and names there are.
    edges = tuple(-1.2345678901234567e-300 + index * 1.2345678901234567e299 for index in range(21))
    inputs = tuple(Numbers(f"{index:0>128}", edges, (10**12 + 7,) * 20) for index in range(50))

    content = write(Reference(FORMAT, 1, 20 * (10**12 + 7), DATASET, inputs))

    assert len(content) < LARGEST_FILE


@pytest.mark.parametrize(
    ("few", "quantiles", "least", "most", "edges"),
    [
        ([3.0], [], 3, 3, (3, 3)),
        ([0.0, 1.0], [], 0, 1, (0, 1, 1)),
        (None, [10.12345, 20.0], 1.23456789, 30.5, (1.23456789, 10.12, 20, 30.5)),
        # Half of all values are 0, or are the largest one.
        (None, [0.0, 0.0, 5.0], 0, 9, (0, 5, 9)),
        (None, [5.0, 9.0, 9.0], 0, 9, (0, 5, 9, 9)),
        # Rounded, they would lie outside.
        (None, [1.00004, 1.00005], 1.00003, 1.00006, (1.00003, 1.00006)),
    ],
)
def test_edges(
    few: list[float] | None,
    quantiles: list[float],
    least: float,
    most: float,
    edges: tuple[float, ...],
) -> None:
    assert edges_of(few, quantiles, least, most) == edges


@pytest.mark.parametrize(
    ("column", "cells", "words"),
    [
        (HOUR, (0, 0), "in 0-5"),
        (HOUR, (1, 2), "in 6-23"),
        (HOUR, (3, 3), "below 0"),
        (HOUR, (4, 4), "above 23"),
        (SCORE, (0, 0), "in 0-0.25"),
        (REVIEW, (1, 1), "in 100-2,000 characters"),
        (CARRIER, (0, 0), "'UA'"),
        (CARRIER, (2, 2), "other values"),
        (Numbers("x", (-5, 1.5, 2), (1, 1)), (0, 0), "in -5 to 1.5"),
        (Numbers("x", (1, 2, 2), (1, 1), is_whole=True), (0, 0), "at 1"),
        (Numbers("x", (1, 2, 2), (1, 1), is_whole=True), (1, 1), "at 2"),
        (Numbers("x", (1, 2, 2), (1, 1)), (0, 1), "in 1-2"),
    ],
)
def test_cells_have_names(column: Any, cells: tuple[int, int], words: str) -> None:
    assert label(column, *cells) == words
