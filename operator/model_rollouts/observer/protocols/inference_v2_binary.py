"""The Open Inference Protocol V2 with binary tensors: their bytes stand behind the JSON.

A header says how long the JSON is, and `binary_data_size` of a tensor how many bytes are its own,
in the order of the tensors. Numbers are in little endian; BYTES are elements, each behind its
length in 4 bytes, and read as text: as base64 where it is no UTF-8.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/extensions/binary_data.md
"""

import math
import struct
from base64 import b64encode
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from model_rollouts.observer.protocols import inference_v2
from model_rollouts.observer.protocols.inference_v2 import (
    JsonTensor,
    check_shape,
    read_tensor,
    shaped,
)
from model_rollouts.observer.protocols.tensors import (
    MOST_TENSORS,
    Header,
    Tensor,
    UnreadableError,
    Value,
    checked,
    decoded,
    no_header,
    told,
)

LENGTH_OF_JSON = b"inference-header-content-length"

_FORMATS = {
    "BOOL": "?",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    # The upper half of an FP32: there is no format of its own.
    "BF16": "H",
}
_FLOATS = ("FP16", "FP32", "FP64", "BF16")
_LENGTH = struct.Struct("<I")


class _Parameters(msgspec.Struct, gc=False):
    binary_data_size: int | None = None


class _Tensor(JsonTensor, gc=False):
    parameters: _Parameters | None = None


class _Request(msgspec.Struct, gc=False):
    inputs: list[_Tensor]


class _Answer(msgspec.Struct, gc=False):
    outputs: list[_Tensor]


_REQUEST = msgspec.json.Decoder(_Request)
_ANSWER = msgspec.json.Decoder(_Answer)


def read_request(
    body: bytes, wanted: Collection[str] | None, header: Header = no_header
) -> list[Tensor]:
    """The inputs that are `wanted`, all of them for None; raises UnreadableError."""
    try:
        return inference_v2.read_request(body, wanted)
    except UnreadableError:
        # What is JSON alone is never asked for its headers.
        if not (length := header(LENGTH_OF_JSON)):
            raise
    text, data = _parts(body, length)
    tensors = decoded(_REQUEST, text).inputs
    return _read(tensors, data, wanted)


def read_answer(
    body: bytes, wanted: Collection[str] | None, header: Header = no_header
) -> list[Tensor]:
    """The outputs that are `wanted`, all of them for None; raises UnreadableError."""
    try:
        return inference_v2.read_answer(body, wanted)
    except UnreadableError:
        if not (length := header(LENGTH_OF_JSON)):
            raise
    text, data = _parts(body, length)
    tensors = decoded(_ANSWER, text).outputs
    return _read(tensors, data, wanted)


def _parts(body: bytes, length: bytes) -> tuple[bytes, bytes]:
    """The JSON and what stands behind it."""
    size = int(length) if length.isdigit() and len(length) < 10 else len(body) + 1
    if size > len(body):
        raise UnreadableError(
            f"{LENGTH_OF_JSON.decode()}: found {told(length.decode(errors='replace'))}, the body "
            f"has {len(body):,} bytes"
        )
    return body[:size], body[size:]


def _read(tensors: Sequence[_Tensor], data: bytes, wanted: Collection[str] | None) -> list[Tensor]:
    if len(tensors) > MOST_TENSORS:
        raise UnreadableError(f"found {len(tensors):,} tensors, at most {MOST_TENSORS:,} are read")
    chosen: list[Tensor] = []
    checked([each.name for each in tensors if wanted is None or each.name in wanted])
    at = 0
    for each in tensors:
        size = each.parameters.binary_data_size if each.parameters is not None else None
        begin, at = at, at + (size or 0)
        if (size or 0) < 0 or at > len(data):
            raise UnreadableError(
                f"tensor {told(each.name)}: found binary_data_size {size:,}, "
                f"{len(data) - begin:,} bytes are left"
            )
        if wanted is not None and each.name not in wanted:
            continue
        chosen.append(read_tensor(each) if size is None else _binary(each, data[begin:at]))
    if at < len(data):
        raise UnreadableError(f"found {len(data) - at:,} bytes behind the last tensor")
    return chosen


def _binary(tensor: _Tensor, data: bytes) -> Tensor:
    name, shape, kind = tensor.name, tensor.shape, tensor.datatype
    check_shape(name, shape)
    if kind == "BYTES":
        return shaped(name, shape, _texts(name, data), is_text=True)
    code = _FORMATS.get(kind)
    if code is None:
        raise UnreadableError(f"tensor {told(name)}: found datatype {told(kind)}")
    # The bytes say how many values there are: a shape may say any number.
    size = struct.calcsize(f"<{code}")
    if len(data) != math.prod(shape) * size:
        raise UnreadableError(
            f"tensor {told(name)}: found {len(data):,} bytes, its shape says {told(str(shape))}"
        )
    count = len(data) // size
    values: Any = struct.unpack(f"<{count}{code}", data)
    if kind == "BF16":
        whole = struct.pack(f"<{count}I", *(each << 16 for each in values))
        values = struct.unpack(f"<{count}f", whole)
    if kind in _FLOATS and not all(map(math.isfinite, values)):
        raise UnreadableError(f"tensor {told(name)}: found NaN or Infinity")
    return shaped(name, shape, list(values), is_text=False)


def _texts(name: str, data: bytes) -> list[Value]:
    found: list[Value] = []
    at = 0
    while at < len(data):
        begin = at + _LENGTH.size
        length = _LENGTH.unpack_from(data, at)[0] if begin <= len(data) else 0
        at = begin + length
        if at > len(data):
            raise UnreadableError(
                f"tensor {told(name)}: element {len(found):,} ends beyond its bytes"
            )
        element = data[begin:at]
        try:
            found.append(element.decode())
        except UnicodeDecodeError:
            found.append(b64encode(element).decode())
    return found
