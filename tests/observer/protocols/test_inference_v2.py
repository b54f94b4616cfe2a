"""Bodies of the Open Inference Protocol V2, as servers write them and as an enemy does."""

import gzip
import json
from base64 import b64encode
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_rollouts.observer.protocols import (
    LARGEST_BODY,
    PROTOCOLS,
    Tensor,
    UnreadableError,
    row_count,
    unpacked,
)
from tests.observer.protocols.hostile import ANYTHING, CORPUS, is_read_or_refused

V2 = PROTOCOLS["OpenInferenceV2"]


def body(data: Any, shape: list[int], datatype: str = "FP64", name: str = "x") -> bytes:
    tensor = {"name": name, "shape": shape, "datatype": datatype, "data": data}
    return json.dumps({"inputs": [tensor], "outputs": [tensor]}).encode()


def read(text: bytes, wanted: Collection[str] | None = None) -> list[Tensor]:
    request = V2.read_request(text, wanted)
    assert V2.read_answer(text, wanted) == request
    return request


@pytest.mark.parametrize(
    ("data", "shape", "datatype", "rows"),
    [
        ([1.5, 2, 3, 4], [2, 2], "FP32", [(1.5, 2.0), (3.0, 4.0)]),
        ([[1.5, 2], [3, 4]], [2, 2], "FP64", [(1.5, 2), (3, 4)]),
        ([1, 2], [2], "INT64", [1, 2]),
        ([[1], [2]], [2, 1], "UINT8", [1, 2]),
        ([True, False], [2], "BOOL", [True, False]),
        (["a", "b\n\"'"], [2, 1], "BYTES", ["a", "b\n\"'"]),
        ([[[1], [2]], [[3], [4]]], [2, 2, 1], "INT8", [(1, 2), (3, 4)]),
        ([1e308], [1], "FP64", [1e308]),
        ([7], [], "INT32", [7]),
        ([], [0, 3], "FP64", []),
    ],
)
def test_flat_and_nested_data_are_rows(
    data: Any, shape: list[int], datatype: str, rows: list[Any]
) -> None:
    (tensor,) = read(body(data, shape, datatype))

    assert [tensor.row(index) for index in range(tensor.rows)] == rows
    assert tensor.is_text == (datatype == "BYTES")


def test_only_what_is_wanted_is_read() -> None:
    good = {"name": "a", "shape": [1], "datatype": "FP64", "data": [1]}
    bad = {"name": "b", "shape": [9], "datatype": "FP64", "data": [1]}
    text = json.dumps({"inputs": [good, bad], "outputs": [good, bad]}).encode()

    assert [each.name for each in read(text, {"a", "c"})] == ["a"]
    with pytest.raises(UnreadableError, match="'b': found 1 values, its shape says '\\[9\\]'"):
        read(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (body([1.0], [1])[:-9], "JSON: "),
        (b"", "JSON: "),
        (b"\xff\xfe", "JSON: "),
        (b'{"inputs": 3, "outputs": 3}', "JSON: Expected `array`"),
        (body([float("nan")], [1]), "JSON"),
        (body([float("inf")], [1]), "JSON"),
        (body([1], [1]).replace(b"[1]}", b"[1e999]}"), "JSON"),
        (body(["1"], [1]), "Expected `float`"),
        (body([1.5], [1], "INT64"), "Expected `int`"),
        (body([1, 2, 3], [2, 2]), "found 3 values"),
        (body([1], [1, 10_000_000]), "found 1 values"),
        (body([[1], [2, 3]], [2, 1]), "not of its shape"),
        (body([[1], ["a"]], [2, 1]), "found 'str'"),
        (body([[1], [True]], [2, 1]), "found 'bool'"),
        (body([1], [-1]), "shape"),
        (body([], [10**12, 0]), "found 1,000,000,000,000 rows without values"),
        (body([1], [1] * 9), "shape"),
        (body([1], [1], "COMPLEX"), "datatype 'COMPLEX'"),
        (body([1], [1], name="x" * 65_536), "its name has 65,536 characters"),
        (body([1], [1], name=""), "its name has 0 characters"),
        (body([1], [1]).replace(b'"data": [1]', b'"parameters": {}'), "found no data"),
        (
            json.dumps(
                {
                    key: [{"name": "a", "shape": [1], "datatype": "FP64", "data": [1]}] * 2
                    for key in ("inputs", "outputs")
                }
            ).encode(),
            "the same name",
        ),
    ],
)
def test_a_body_that_is_wrong_is_refused_with_the_reason(text: bytes, told: str) -> None:
    for read_it in (V2.read_request, V2.read_answer):
        with pytest.raises(UnreadableError, match=told) as refused:
            read_it(text, None)
        assert len(str(refused.value)) < 500


@pytest.mark.parametrize("where", ["shape", "data", "beside"])
def test_lists_within_ten_thousand_lists_are_refused(where: str) -> None:
    deep = "[" * 10_000 + "]" * 10_000
    part = {"shape": "[1]", "data": "[1]", where: deep}
    tensor = f'{{"name": "x", "datatype": "FP64", "shape": {part["shape"]}, "data": {part["data"]}'
    text = f'{{"inputs": [{tensor}, "parameters": {part.get("beside", "0")}}}]}}'.encode()

    with pytest.raises(UnreadableError):
        V2.read_request(text, None)


def test_a_million_columns_are_read_or_refused_by_their_number() -> None:
    many = json.dumps(
        {
            "inputs": [
                {"name": f"c{n}", "shape": [0], "datatype": "FP64", "data": []}
                for n in range(9_999)
            ]
        }
    ).encode()

    with pytest.raises(UnreadableError, match="found 9,999 tensors"):
        V2.read_request(many, None)
    (wide,) = read(body([0] * 1_000_000, [1, 1_000_000], "INT8"))
    assert (wide.rows, wide.width) == (1, 1_000_000)


def test_rows_of_tensors_are_the_same_rows() -> None:
    two, three = Tensor("a", 2, 1, [1, 2], False), Tensor("b", 3, 1, [1, 2, 3], False)

    assert row_count([two, two]) == 2
    assert row_count([]) == 0
    with pytest.raises(UnreadableError, match="different numbers of rows: 2, 3"):
        row_count([two, three])


def test_gzip_and_base64_are_unpacked() -> None:
    text = body([1.0], [1])

    assert unpacked(text, is_base64=False) == text
    assert unpacked(b64encode(text), is_base64=True) == text
    assert unpacked(b64encode(gzip.compress(text)), is_base64=True) == text


@pytest.mark.parametrize(
    ("packed", "is_base64", "told"),
    [
        (b"no base64!", True, "base64"),
        (gzip.compress(b"0" * (LARGEST_BODY + 1)), False, "gzip: more than 4,194,304 bytes"),
        (gzip.compress(b"0" * 1_000)[:-9], False, "gzip: the stream has no end"),
        (b"\x1f\x8b" + b"0" * 50, False, "gzip: "),
        (b"0" * (LARGEST_BODY + 1), False, "found 4,194,305 bytes"),
    ],
)
def test_what_cannot_be_unpacked_is_refused(packed: bytes, is_base64: bool, told: str) -> None:
    with pytest.raises(UnreadableError, match=told):
        unpacked(packed, is_base64=is_base64)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_corpus_is_read_or_refused(path: Path, protocol: str) -> None:
    is_read_or_refused(PROTOCOLS[protocol], path.read_bytes())


TENSOR = st.fixed_dictionaries(
    {
        "name": st.text(max_size=5) | ANYTHING,
        "shape": st.lists(st.integers(-1, 4), max_size=3) | ANYTHING,
        "datatype": st.sampled_from(["FP64", "INT64", "BOOL", "BYTES", "FP99"]) | ANYTHING,
        "data": ANYTHING,
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(TENSOR, max_size=3), st.integers(0, 12))
@example([{"name": "x", "shape": [2, 2], "datatype": "FP64", "data": [[1, 2], [3]]}], 0)
@example([{"name": "x", "shape": [1], "datatype": "INT64", "data": [10**400]}], 0)
def test_whatever_comes_is_read_or_refused(tensors: list[Any], cut: int) -> None:
    text = json.dumps({"inputs": tensors, "outputs": tensors}).encode()

    is_read_or_refused(V2, text[: len(text) - cut])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3)))
def test_flat_and_nested_say_the_same(rows: list[list[float]]) -> None:
    (nested,) = read(body(rows, [len(rows), 3]))
    (flat,) = read(body([each for row in rows for each in row], [len(rows), 3]))

    assert nested == flat
