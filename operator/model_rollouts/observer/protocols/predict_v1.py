"""Predict requests of version 1, which KServe V1 and TensorFlow Serving have in common.

By row, `instances` are answered with `predictions`: values, lists, or objects with a value for each
name. By column, in TensorFlow Serving alone, `inputs` are answered with `outputs`: one tensor or an
object of tensors, whose first dimension counts the rows. Tensors without a name are called by the
key that they stand under. Binary values, `{"b64": …}`, are their base64.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol,
https://www.tensorflow.org/tfx/serving/api_rest. Its classify and regress are not read.
"""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from model_rollouts.observer.protocols.nested import tensor_of
from model_rollouts.observer.protocols.tensors import (
    Header,
    Tensor,
    UnreadableError,
    checked,
    decoded,
    no_header,
    told,
)


class _Request(msgspec.Struct, gc=False):
    instances: list[Any] | None = None
    inputs: Any = None


class _Answer(msgspec.Struct, gc=False):
    predictions: list[Any] | None = None
    outputs: Any = None


_REQUEST = msgspec.json.Decoder(_Request)
_ANSWER = msgspec.json.Decoder(_Answer)


def read_request(
    body: bytes, wanted: Collection[str] | None, _: Header = no_header
) -> list[Tensor]:
    """The inputs that are `wanted`, all of them for None; raises UnreadableError."""
    found = decoded(_REQUEST, body)
    return _read("instances", found.instances, "inputs", found.inputs, wanted)


def read_answer(body: bytes, wanted: Collection[str] | None, _: Header = no_header) -> list[Tensor]:
    """The outputs that are `wanted`, all of them for None; raises UnreadableError."""
    found = decoded(_ANSWER, body)
    return _read("predictions", found.predictions, "outputs", found.outputs, wanted)


def _read(
    of_rows: str,
    rows: list[Any] | None,
    of_columns: str,
    columns: Any,
    wanted: Collection[str] | None,
) -> list[Tensor]:
    if (rows is None) == (columns is None):
        number = "both" if columns is not None else "neither"
        raise UnreadableError(f"found {number} of {of_rows} and {of_columns}")
    named = columns if rows is None else _turned(of_rows, rows, wanted)
    if not isinstance(named, dict):
        named = {of_columns: named}
    names = [each for each in named if wanted is None or each in wanted]
    checked(names)
    # A single value is of a single row.
    lists = {name: each if isinstance(each := named[name], list) else [each] for name in names}
    return [tensor_of(name, each, _plain) for name, each in lists.items()]


def _turned(
    unnamed: str, rows: list[Any], wanted: Collection[str] | None
) -> dict[str, Sequence[Any]]:
    """Rows as columns."""
    if not rows or not isinstance(rows[0], dict) or _is_binary(rows[0]):
        return {unnamed: rows}
    names = {each for each in rows[0] if wanted is None or each in wanted}
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise UnreadableError(f"{unnamed}: found an object, and none in row {index:,}")
        missing = names.symmetric_difference(
            row if wanted is None else (each for each in row if each in wanted)
        )
        if missing:
            raise UnreadableError(
                f"{unnamed}: {told(min(missing))} is in some rows, and not in others"
            )
    return {name: [row[name] for row in rows] for name in rows[0] if name in names}


def _is_binary(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"}


def _plain(value: object) -> object:
    return value["b64"] if isinstance(value, dict) and _is_binary(value) else value
