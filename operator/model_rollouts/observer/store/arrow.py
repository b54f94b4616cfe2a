"""A chunk as an Arrow table, with the columns that the prediction log has."""

from typing import Any

import pyarrow as pa

from model_rollouts.observer.store.chunk import Chunk, Lists, Row

_TEXT, _WHOLE, _NUMBER = pa.string(), pa.int64(), pa.float64()
_TIME = pa.timestamp("us", tz="UTC")

_TYPES = {
    "row": _WHOLE,
    "status": _WHOLE,
    "request_bytes": _WHOLE,
    "answer_bytes": _WHOLE,
    "latency_ms": _NUMBER,
    "disagreement": _NUMBER,
}
"""Types of the columns of a Row that are no texts."""

_SCALARS = [(each, _TYPES.get(each, _TEXT)) for each in Row._fields]

PREDICTIONS = pa.schema(
    [("time", _TIME) if name == "time_us" else (name, kind) for name, kind in _SCALARS]
    + [
        ("features", pa.list_(_NUMBER)),
        ("feature_texts", pa.list_(_TEXT)),
        ("outputs", pa.list_(_NUMBER)),
        ("output_texts", pa.list_(_TEXT)),
    ]
)
PARTITIONS = ["date", "namespace", "model"]

SCHEMAS = pa.schema([(name, _TEXT) for name in ("schema", "namespace", "model", "fields")])


def predictions(chunk: Chunk) -> Any:
    """The rows of a chunk."""
    columns = []
    for (name, kind), values in zip(_SCALARS, zip(*chunk.rows, strict=True), strict=True):
        if name == "time_us":
            columns.append(pa.array(values, _WHOLE).cast(_TIME))
        else:
            columns.append(pa.array(values, kind))
    for lists in (chunk.features, chunk.outputs):
        columns += [_numbers(lists), pa.array(lists.texts, pa.list_(_TEXT))]
    return pa.Table.from_arrays(columns, schema=PREDICTIONS)


def schemas(chunk: Chunk) -> Any:
    """The schemas that the rows of a chunk name."""
    rows = list(chunk.schemas.values())
    columns = [pa.array([each[index] for each in rows], _TEXT) for index in range(len(SCHEMAS))]
    return pa.Table.from_arrays(columns, schema=SCHEMAS)


def _numbers(lists: Lists) -> Any:
    # The arrays are taken as they are: millions of numbers as objects would take seconds.
    values = pa.Array.from_buffers(_NUMBER, len(lists.numbers), [None, pa.py_buffer(lists.numbers)])
    offsets = pa.Array.from_buffers(
        pa.int32(), len(lists.offsets), [None, pa.py_buffer(lists.offsets)]
    )
    return pa.ListArray.from_arrays(offsets, values)
