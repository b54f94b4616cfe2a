"""The Open Inference Protocol V2 in JSON: flat and nested data, several rows, several tensors.

https://github.com/kserve/open-inference-protocol. The first dimension of a tensor counts the rows.
Numbers that JSON does not have (NaN, Infinity) and those that no double holds are refused.
"""

import math
import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec

from model_rollouts.observer.protocols.tensors import (
    MOST_DIMENSIONS,
    MOST_TENSORS,
    Tensor,
    UnreadableError,
    Value,
    checked,
    decoded,
    no_json,
    told,
)


class JsonTensor(msgspec.Struct, gc=False):
    """A tensor as it is written, its data not yet read."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw = msgspec.Raw()


class _Request(msgspec.Struct, gc=False):
    inputs: list[JsonTensor]


class _Answer(msgspec.Struct, gc=False):
    outputs: list[JsonTensor]


_REQUEST = msgspec.json.Decoder(_Request)
_ANSWER = msgspec.json.Decoder(_Answer)
_NESTED = msgspec.json.Decoder(list)


class _Kind(NamedTuple):
    """How the values of a datatype are read, and what they are in Python."""

    flat: msgspec.json.Decoder[Any]
    types: type | tuple[type, ...]


_FLOATS = _Kind(msgspec.json.Decoder(list[float]), (float, int))
_INTEGERS = _Kind(msgspec.json.Decoder(list[int]), int)
_TRUTHS = _Kind(msgspec.json.Decoder(list[bool]), bool)
_TEXTS = _Kind(msgspec.json.Decoder(list[str]), str)

_KINDS: dict[str, _Kind] = {
    "BOOL": _TRUTHS,
    "BYTES": _TEXTS,
    **dict.fromkeys(("FP16", "FP32", "FP64", "BF16"), _FLOATS),
    **{f"{sign}INT{bits}": _INTEGERS for sign in ("", "U") for bits in (8, 16, 32, 64)},
}

_NESTING = re.compile(rb"[ \t\r\n]*\[[ \t\r\n]*\[")
"""How lists of lists begin. A match copies nothing of the data."""


def read_request(body: bytes, wanted: Collection[str] | None) -> list[Tensor]:
    """The inputs that are `wanted`, all of them for None; raises UnreadableError."""
    tensors = decoded(_REQUEST, body).inputs
    return _read(tensors, wanted)


def read_answer(body: bytes, wanted: Collection[str] | None) -> list[Tensor]:
    """The outputs that are `wanted`, all of them for None; raises UnreadableError."""
    tensors = decoded(_ANSWER, body).outputs
    return _read(tensors, wanted)


def _read(tensors: Sequence[JsonTensor], wanted: Collection[str] | None) -> list[Tensor]:
    if len(tensors) > MOST_TENSORS:
        raise UnreadableError(f"found {len(tensors):,} tensors, at most {MOST_TENSORS:,} are read")
    chosen = [each for each in tensors if wanted is None or each.name in wanted]
    checked([each.name for each in chosen])
    return [read_tensor(each) for each in chosen]


def read_tensor(tensor: JsonTensor) -> Tensor:
    """The tensor with its data in JSON; raises UnreadableError."""
    name, shape = tensor.name, tensor.shape
    kind = _KINDS.get(tensor.datatype)
    if kind is None:
        raise UnreadableError(f"tensor {told(name)}: found datatype {told(tensor.datatype)}")
    check_shape(name, shape)
    data = bytes(tensor.data)
    if not data:
        raise UnreadableError(f"tensor {told(name)}: found no data")
    try:
        if _NESTING.match(data):
            values = _flattened(_NESTED.decode(data), shape, kind.types, name)
        else:
            values = kind.flat.decode(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"tensor {told(name)}: {no_json(error)}") from None
    return shaped(name, shape, values, is_text=kind is _TEXTS)


def check_shape(name: str, shape: Sequence[int]) -> None:
    """Raises UnreadableError when no tensor has this shape."""
    if len(shape) > MOST_DIMENSIONS or min(shape, default=0) < 0:
        raise UnreadableError(f"tensor {told(name)}: found shape {told(str(shape[:9]))}")


def shaped(name: str, shape: Sequence[int], values: Sequence[Value], *, is_text: bool) -> Tensor:
    """The tensor of these values; raises UnreadableError when they are not of its shape."""
    rows, width = shape[0] if shape else 1, math.prod(shape[1:])
    if len(values) != rows * width:
        raise UnreadableError(
            f"tensor {told(name)}: found {len(values):,} values, its shape says {told(str(shape))}"
        )
    if rows > len(values):
        # A shape such as [10000000000, 0] needs no values at all.
        raise UnreadableError(f"tensor {told(name)}: found {rows:,} rows without values")
    return Tensor(name, rows, width, values, is_text)


def _flattened(
    nested: list[object], shape: Sequence[int], types: type | tuple[type, ...], name: str
) -> Sequence[Value]:
    """The values of nested lists, level by level: what is too deep is found and not walked."""
    level = nested
    for length in shape[1:]:
        below: list[object] = []
        for each in level:
            if not isinstance(each, list) or len(each) != length:
                raise UnreadableError(f"tensor {told(name)}: its lists are not of its shape")
            below += each
        level = below
    for each in level:
        if not isinstance(each, types) or (isinstance(each, bool) and types is not bool):
            raise UnreadableError(
                f"tensor {told(name)}: found {told(str(type(each).__name__))} among its values"
            )
    values: Sequence[Value] = level  # type: ignore[assignment] # each was looked at
    return values
