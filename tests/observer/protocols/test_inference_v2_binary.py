"""Bodies of the Open Inference Protocol V2 with binary tensors, and hostile ones."""

import json
import struct
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_rollouts.observer.protocols import PROTOCOLS, Tensor, UnreadableError

V2 = PROTOCOLS["OpenInferenceV2"]
Part = tuple[dict[str, Any], bytes]


def binary(name: str, datatype: str, shape: list[int], data: bytes, size: Any = None) -> Part:
    parameters = {"binary_data_size": len(data) if size is None else size}
    form = {"name": name, "shape": shape, "datatype": datatype, "parameters": parameters}
    return form, data


def message(*parts: Part, behind: bytes = b"", length: bytes | None = None) -> tuple[bytes, Any]:
    """A body that is a request and an answer, and the lookup of its headers."""
    forms = [form for form, _ in parts]
    text = json.dumps({"inputs": forms, "outputs": forms}).encode()
    said = b"%d" % len(text) if length is None else length
    headers = {b"inference-header-content-length": said}
    body = text + b"".join(data for _, data in parts) + behind
    return body, lambda name: headers.get(name, b"")


def read(*parts: Part, wanted: Any = None, **kind: Any) -> list[Tensor]:
    body, header = message(*parts, **kind)
    request = V2.read_request(body, wanted, header)
    assert V2.read_answer(body, wanted, header) == request
    return request


@pytest.mark.parametrize(
    ("datatype", "data", "values"),
    [
        ("BOOL", b"\0\1", [False, True]),
        ("INT8", b"\xff\x7f", [-1, 127]),
        ("UINT8", b"\xff\x7f", [255, 127]),
        ("INT16", b"\xff\xff\1\0", [-1, 1]),
        ("UINT16", b"\xff\xff\1\0", [65_535, 1]),
        ("INT32", struct.pack("<2i", -1, 2**31 - 1), [-1, 2**31 - 1]),
        ("UINT32", struct.pack("<2I", 1, 2**32 - 1), [1, 2**32 - 1]),
        ("INT64", struct.pack("<2q", -1, 2**63 - 1), [-1, 2**63 - 1]),
        ("UINT64", struct.pack("<2Q", 1, 2**64 - 1), [1, 2**64 - 1]),
        # 1.5 and -2: sign, 5 bits of exponent, 10 of fraction.
        ("FP16", b"\x00\x3e\x00\xc0", [1.5, -2.0]),
        ("FP32", struct.pack("<2f", 0.5, -2), [0.5, -2.0]),
        ("FP64", struct.pack("<2d", 0.1, -2), [0.1, -2.0]),
        # 1.5 and -2: the upper half of an FP32.
        ("BF16", b"\xc0\x3f\x00\xc0", [1.5, -2.0]),
        ("BYTES", b"\2\0\0\0hi\0\0\0\0", ["hi", ""]),
        ("BYTES", b"\1\0\0\0\xff\2\0\0\0\xc3\xa9", ["/w==", "é"]),
    ],
)
def test_every_datatype_is_read(datatype: str, data: bytes, values: list[Any]) -> None:
    (tensor,) = read(binary("x", datatype, [2, 1], data))

    assert (tensor.rows, tensor.width, tensor.values) == (2, 1, values)
    assert tensor.is_text == (datatype == "BYTES")
    assert [type(each) for each in tensor.values] == [type(each) for each in values]


def test_json_and_binary_tensors_come_in_any_order() -> None:
    data = struct.pack("<4f", 1, 2, 3, 4)
    plain = {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]}
    parts = [binary("left", "FP64", [1], b"?" * 8), (plain, b""), binary("x", "FP32", [2, 2], data)]

    tensors = read(*parts, wanted={"x", "label"})

    assert [each.name for each in tensors] == ["label", "x"]
    assert tensors[1].row(1) == (3.0, 4.0)
    # Bytes that end as JSON does, or are white space, are still bytes.
    assert read(binary("x", "UINT8", [2], b"}\n"))[0].values == [125, 10]
    assert read(binary("x", "UINT8", [2], b"  "))[0].values == [32, 32]


@pytest.mark.parametrize(
    ("part", "kind", "told"),
    [
        (binary("x", "FP32", [3], b"\0" * 8), {}, "found 8 bytes, its shape says '\\[3\\]'"),
        (binary("x", "FP32", [2], b"\0" * 8, 9), {}, "found binary_data_size 9, 8 bytes are left"),
        (binary("x", "FP32", [2], b"\0" * 8, -1), {}, "found binary_data_size -1, 8 bytes"),
        (binary("x", "FP32", [2], b"\0" * 8, "8"), {}, "JSON: Expected `int"),
        (binary("x", "FP32", [2], b"\0" * 8), {"behind": b"\0"}, "found 1 bytes behind the last"),
        (binary("x", "FP32", [2**40, 2**40], b"\0" * 8), {}, "found 8 bytes"),
        (binary("x", "FP32", [2**40, 0], b""), {}, "1,099,511,627,776 rows without values"),
        (binary("x", "FP32", [-1, -2], b"\0" * 8), {}, "shape"),
        (binary("x", "FP32", [1], b"\0\0\xc0\x7f"), {}, "found NaN or Infinity"),
        (binary("x", "BF16", [1], b"\x80\x7f"), {}, "found NaN or Infinity"),
        (binary("x", "FP8", [1], b"\0"), {}, "found datatype 'FP8'"),
        (binary("x", "BYTES", [1], b"\xff\xff\xff\xffa"), {}, "element 0 ends beyond its bytes"),
        (binary("x", "BYTES", [2], b"\0\0\0\0\1\0\0"), {}, "element 1 ends beyond its bytes"),
        (binary("x", "BYTES", [2], b"\0\0\0\0"), {}, "found 1 values"),
        (binary("x", "FP32", [1], b"\0" * 4), {"length": b"99999"}, "found '99999', the body has"),
        (binary("x", "FP32", [1], b"\0" * 4), {"length": b"-1"}, "found '-1', the body has"),
        (binary("x", "FP32", [1], b"\0" * 4), {"length": b"1" * 5_000}, "the body has"),
        (binary("x", "FP32", [1], b"\0" * 4), {"length": b"9"}, "JSON: "),
        (binary("x", "FP32", [1], b"\0" * 4), {"length": b""}, "JSON: "),
    ],
)
def test_a_body_that_is_wrong_is_refused_with_the_reason(part: Part, kind: Any, told: str) -> None:
    body, header = message(part, **kind)
    for reader in (V2.read_request, V2.read_answer):
        with pytest.raises(UnreadableError, match=told) as refused:
            reader(body, None, header)
        assert len(str(refused.value)) < 500


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(["FP16", "BF16", "INT64", "BOOL", "BYTES"]),
    st.lists(st.integers(-1, 4) | st.integers(), max_size=3),
    st.binary(max_size=24),
    st.integers(-1, 30),
    st.integers(-5, 5),
)
@example("BYTES", [1], b"\0\0\0\0", 4, 0)
def test_whatever_comes_is_read_or_refused(
    datatype: str, shape: list[int], data: bytes, size: int, moved: int
) -> None:
    body, _ = message(binary("x", datatype, shape, data, size))
    length = b"%d" % max(len(body) - len(data) + moved, 0)
    try:
        tensors = V2.read_answer(body, None, lambda _: length)
    except UnreadableError as error:
        assert 0 < len(str(error)) < 500
    else:
        for each in tensors:
            assert each.rows <= len(each.values) == each.rows * each.width
            assert all(isinstance(value, str) is each.is_text for value in each.values)
