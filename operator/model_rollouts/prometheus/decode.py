"""From the body of an answer to series and raw samples, fast.

The labels of a series are the same bytes at every tick. They are left undecoded and looked up by
their digest, which takes an eighth of their memory; only a series never seen before has its labels
read. That makes decoding four times cheaper than reading every label set again. As long as an
answer has the same series as one of the tick before, one digest tells all of them.
"""

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import groupby, islice
from typing import Generic, Literal, NamedTuple, TypeVar
from weakref import WeakSet

import msgspec

from model_rollouts.metrics.answers import Failed, Shown, shown
from model_rollouts.metrics.objectives import Template
from model_rollouts.metrics.series import Exposition, LabelNames, Sample, Series, read_series
from model_rollouts.prometheus.errors import AnswerError, Smaller

_Decoded = TypeVar("_Decoded")


class _Series(msgspec.Struct, gc=False):
    metric: msgspec.Raw
    values: list[Sample]
    histograms: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    """Samples of a native histogram, of which a series may have both."""


class _Unread(msgspec.Struct, gc=False):
    """A series of which only the labels are read."""

    metric: msgspec.Raw
    histograms: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_Of = TypeVar("_Of")


class _Matrix(msgspec.Struct, Generic[_Of], gc=False):
    resultType: Literal["matrix"]  # noqa: N815 - the name on the wire
    result: list[_Of]


class _Envelope(msgspec.Struct, Generic[_Of], gc=False):
    status: str
    data: _Matrix[_Of] | None = None
    error: str = ""
    errorType: str = ""  # noqa: N815 - the name on the wire
    warnings: list[str] = []
    isPartial: bool = False  # noqa: N815 - the name on the wire, of VictoriaMetrics


_ENVELOPE = msgspec.json.Decoder(_Envelope[_Series])
_ONE_BY_ONE = msgspec.json.Decoder(_Envelope[msgspec.Raw])
_SERIES = msgspec.json.Decoder(_Series)
_UNREAD = msgspec.json.Decoder(_Unread)
_LABELS = msgspec.json.Decoder(dict[str, str])


_DIGEST_BYTES = 16
"""By chance two of a million sets of labels have one digest once in 10^26 times."""

_Read = Series | tuple[Series, ...]
"""What a set of labels is read as: nearly always one series, by no template or by several else."""


class _Shape(NamedTuple):
    """What an answer has: the series of each process and target, and the place of each in it.

    A set of labels that several templates read has one place, and a series for each of them.
    """

    expositions: list[Exposition]
    places: "array[int]"


class SeriesCache:
    """The series known by the digest of their labels, in two generations.

    What was not seen for one whole generation is dropped, so the cache holds what is scraped now
    and not all that ever was.
    """

    def __init__(self, names: LabelNames) -> None:
        self._names = names
        self._young: dict[bytes, _Read] = {}
        self._old: dict[bytes, _Read] = {}
        self._shapes: dict[bytes, _Shape] = {}
        self._shapes_before: dict[bytes, _Shape] = {}
        self._templates: dict[str, WeakSet[Template]] = {}

    def turn(self) -> None:
        """Begin a new generation; what the last one did not see is dropped."""
        self._old, self._young = self._young, {}
        # Series are seen when their own digests are looked up.
        self._shapes, self._shapes_before = {}, {}

    def begin(self) -> None:
        """A tick begins: its answers are compared with those of the last one."""
        self._shapes, self._shapes_before = {}, self._shapes

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def decode(self, templates: Collection[Template], body: bytes) -> list[Shown]:
        """The series in the answer to a range selector for all `templates`.

        Where the samples of a series cannot be counted, the reason stands beside them. Raises
        AnswerError when it is no such answer, or nobody knows whose series cannot be read. A series
        that no template asks for is left out.
        """
        self._know(templates)
        try:
            matrix = _checked(_ENVELOPE.decode(body))
        except msgspec.DecodeError:
            return list(shown(self._one_by_one(body)))
        shape = self._shape([each.metric for each in matrix.result])
        samples = [each.values for each in matrix.result]
        native = {
            place: _native(bytes(each.metric))
            for place, each in enumerate(matrix.result)
            if each.histograms is not msgspec.UNSET
        }
        if native:
            return list(_with_failed(shape, samples, native))
        ordered, end = list(map(samples.__getitem__, shape.places)), 0
        found: list[Shown] = []
        for each in shape.expositions:
            begin, end = end, end + len(each.series)
            found.append(Shown(each, ordered[begin:end]))
        return found

    def _shape(self, labels: Sequence[msgspec.Raw]) -> _Shape:
        # Each set of labels ends with its own bracket, so the digest of all tells them apart.
        digest = blake2b(b"".join(labels), digest_size=_DIGEST_BYTES).digest()
        shape = self._shapes.get(digest) or self._shapes_before.get(digest)
        if shape is None:
            shape = self._read_shape(labels)
        self._shapes[digest] = shape
        return shape

    def _read_shape(self, labels: Sequence[msgspec.Raw]) -> _Shape:
        young, old = self._young, self._old
        found: list[tuple[Series, int]] = []
        for place, each in enumerate(labels):
            digest = blake2b(each, digest_size=_DIGEST_BYTES).digest()
            try:
                series = young[digest]
            except KeyError:
                series = old.pop(digest) if digest in old else self._read(bytes(each))
                young[digest] = series
            if isinstance(series, Series):
                found.append((series, place))
            else:
                found += [(one, place) for one in series]
        found.sort(key=lambda each: _whose(each[0]))
        expositions = [
            Exposition([one for one, _ in each])
            for _, each in groupby(found, key=lambda each: _whose(each[0]))
        ]
        return _Shape(expositions, array("I", [place for _, place in found]))

    def _one_by_one(self, body: bytes) -> Iterator[tuple[Series, list[Sample] | Failed]]:
        """The same for an answer of which a part cannot be read: slower, and no other suffers."""
        for raw in _checked(_decoded(_ONE_BY_ONE, body)).result:
            try:
                read = _SERIES.decode(raw)
            except msgspec.DecodeError as error:
                values: list[Sample] | Failed = Failed(f"a sample cannot be read: {error}")
                unread = _decoded(_UNREAD, raw, Smaller.HELPS)
            else:
                values, unread = read.values, _Unread(read.metric, read.histograms)
            labels = bytes(unread.metric)
            if unread.histograms is not msgspec.UNSET:
                values = _native(labels)
            series = self._read(labels)
            if series == () and isinstance(values, Failed):
                raise AnswerError(f"not an answer from Prometheus: {values.message}", Smaller.HELPS)
            for one in (series,) if isinstance(series, Series) else series:
                yield one, values

    def _know(self, templates: Collection[Template]) -> None:
        for template in templates:
            alike = self._templates.setdefault(template.counter.metric, WeakSet())
            if template not in alike:
                if alike:
                    # What was asked of this metric before was read without it.
                    self._young, self._old = {}, {}
                    self._shapes, self._shapes_before = {}, {}
                alike.add(template)

    def _read(self, encoded: bytes) -> _Read:
        labels = _decoded(_LABELS, encoded, Smaller.HELPS)
        read = tuple(
            series
            for template in self._templates.get(labels.get("__name__", ""), ())
            if (series := read_series(template, labels, self._names)) is not None
        )
        return read[0] if len(read) == 1 else read


def _whose(series: Series) -> tuple[str, str, str, str]:
    """What the series of one exposition have in common; those of a revision come together."""
    return series.namespace, series.revision, series.process, series.target


def _with_failed(
    shape: _Shape, samples: Sequence[list[Sample]], failed: Mapping[int, Failed]
) -> Iterator[Shown]:
    """The series of an answer in which those at some places have `failed`."""
    places = iter(shape.places)
    for each in shape.expositions:
        own = list(islice(places, len(each.series)))
        why = [failed[place] for place in own if place in failed]
        yield Shown(each, [samples[place] for place in own], why[-1] if why else None)


def decode_matrix(body: bytes) -> Iterator[tuple[dict[str, str], list[Sample]]]:
    """All labels and samples in the answer to a range selector. Raises AnswerError."""
    matrix = _checked(_decoded(_ENVELOPE, body))
    return ((_decoded(_LABELS, each.metric), each.values) for each in matrix.result)


def _native(labels: bytes) -> Failed:
    """Their buckets do not end at the thresholds of an objective: what is within is not known."""
    metric = _decoded(_LABELS, labels, Smaller.HELPS).get("__name__", "a series")
    return Failed(
        f"{metric} is a native histogram, and only counters and classic histograms are counted; "
        "have Prometheus scrape it as a classic one (always_scrape_classic_histograms)"
    )


def _checked(envelope: _Envelope[_Of]) -> _Matrix[_Of]:
    if envelope.status != "success" or envelope.data is None:
        raise AnswerError(
            f"{envelope.errorType or envelope.status}: {envelope.error}", Smaller.HELPS
        )
    if envelope.warnings:
        # Thanos and Mimir answer with what they have and a warning. A part is not a count.
        raise AnswerError(f"incomplete answer: {'; '.join(envelope.warnings)}")
    if envelope.isPartial:
        raise AnswerError("incomplete answer: VictoriaMetrics says isPartial")
    return envelope.data


def _decoded(
    decoder: msgspec.json.Decoder[_Decoded],
    body: bytes | msgspec.Raw,
    smaller: Smaller = Smaller.NO_HELP,
) -> _Decoded:
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise AnswerError(f"not an answer from Prometheus: {error}", smaller) from error
