"""From the body of an answer to series and raw samples, fast.

The labels of a series are the same bytes at every tick. They are left undecoded and looked up as
bytes; only a series never seen before has its labels read. That makes decoding four times cheaper
than reading every label set again, and it is nearly all that a tick costs.
"""

from collections.abc import Iterator
from typing import Literal, TypeVar

import msgspec

from model_rollouts.metrics.objectives import Template
from model_rollouts.metrics.series import LabelNames, Sample, Series, read_series


class AnswerError(Exception):
    """Prometheus answered something that cannot be counted on; the message says what."""


_Decoded = TypeVar("_Decoded")


class _Series(msgspec.Struct, gc=False):
    metric: msgspec.Raw
    values: list[Sample]


class _Matrix(msgspec.Struct, gc=False):
    resultType: Literal["matrix"]  # noqa: N815 - the name on the wire
    result: list[_Series]


class _Envelope(msgspec.Struct, gc=False):
    status: str
    data: _Matrix | None = None
    error: str = ""
    errorType: str = ""  # noqa: N815 - the name on the wire
    warnings: list[str] = []


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_LABELS = msgspec.json.Decoder(dict[str, str])


class SeriesCache:
    """The series known by the bytes of their labels, in two generations.

    What was not seen for one whole generation is dropped, so the cache holds what is scraped now
    and not all that ever was.
    """

    def __init__(self, names: LabelNames) -> None:
        self._names = names
        self._young: dict[Template, dict[bytes, Series | None]] = {}
        self._old: dict[Template, dict[bytes, Series | None]] = {}

    def turn(self) -> None:
        """Begin a new generation; what the last one did not see is dropped."""
        self._old, self._young = self._young, {}

    def __len__(self) -> int:
        return sum(len(kept) for kept in (*self._young.values(), *self._old.values()))

    def decode(self, template: Template, body: bytes) -> list[tuple[Series, list[Sample]]]:
        """The series in the answer to a range selector. Raises AnswerError when it is no such."""
        young = self._young.setdefault(template, {})
        old = self._old.get(template, {})
        found: list[tuple[Series, list[Sample]]] = []
        for each in _checked(body).result:
            labels = bytes(each.metric)
            try:
                series = young[labels]
            except KeyError:
                series = old.pop(labels) if labels in old else self._read(template, labels)
                young[labels] = series
            if series is not None:
                found.append((series, each.values))
        return found

    def _read(self, template: Template, encoded: bytes) -> Series | None:
        labels = _decoded(_LABELS, encoded)
        return read_series(template, labels, self._names)


def decode_matrix(body: bytes) -> Iterator[tuple[dict[str, str], list[Sample]]]:
    """All labels and samples in the answer to a range selector. Raises AnswerError."""
    return ((_decoded(_LABELS, each.metric), each.values) for each in _checked(body).result)


def _checked(body: bytes) -> _Matrix:
    envelope = _decoded(_ENVELOPE, body)
    if envelope.status != "success" or envelope.data is None:
        raise AnswerError(f"{envelope.errorType or envelope.status}: {envelope.error}")
    if envelope.warnings:
        # Thanos and Mimir answer with what they have and a warning. A part is not a count.
        raise AnswerError(f"incomplete answer: {'; '.join(envelope.warnings)}")
    return envelope.data


def _decoded(decoder: msgspec.json.Decoder[_Decoded], body: bytes | msgspec.Raw) -> _Decoded:
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise AnswerError(f"not an answer from Prometheus: {error}") from error
