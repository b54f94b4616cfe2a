"""Raw samples in a file: JSON lines, a header and then series with their samples.

Everything a verdict needs is raw, so one recording can be judged by other objectives, thresholds
and assurances than those it was made under. An incident has objects before the series: what the
cluster showed of the rollout. docs/samples.md describes the format.
"""

import bisect
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TextIO

from model_rollouts.metrics.batching import Query
from model_rollouts.metrics.errors import InputError, require_name
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.histogram_edges import edge_of
from model_rollouts.metrics.objectives import SLICE, SLICED, WITHIN, Template, proxy_threshold
from model_rollouts.metrics.series import LabelNames, Sample, Series, read_series

FORMAT = "model-rollouts samples"
VERSION = 1
WITH_OBJECTS = 2
"""The version of a recording that has objects too, which releases before do not read."""

_GZIP = b"\x1f\x8b"

Object = dict[str, Any]
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Whose samples these are, and which span they cover. Times in Unix milliseconds."""

    namespace: str
    stable: str | None
    candidate: str
    from_ms: int
    until_ms: int
    step_ms: int

    def __post_init__(self) -> None:
        require_name("namespace", self.namespace)
        require_name("candidate", self.candidate)
        if self.stable == self.candidate:
            raise InputError("candidate", self.candidate, "another revision than stable")
        if not 0 <= self.from_ms < self.until_ms:
            raise InputError("until", self.until_ms, f"a time after from ({self.from_ms})")
        if self.step_ms < 1:
            raise InputError("step", self.step_ms, "the scrape interval in milliseconds")

    @property
    def grid(self) -> Grid:
        """The intervals that the samples are cut into, and the lookback before the first one."""
        return Grid(self.step_ms, max(Grid().lookback_ms, 3 * self.step_ms))

    @property
    def revisions(self) -> tuple[str, ...]:
        """Stable, when there is one, and candidate."""
        return (self.candidate,) if self.stable is None else (self.stable, self.candidate)


@dataclass(slots=True)
class Recording:
    """The samples of one rollout in memory, ready to answer the queries of the intake."""

    header: Header
    objects: tuple[Object, ...] = ()
    """What the cluster showed of the rollout, the ModelDeployment among it; none without them."""
    _series: dict[tuple[tuple[str, str], ...], list[Sample]] = field(default_factory=dict)
    _by_metric: dict[str, list[tuple[Labels, list[Sample]]]] = field(default_factory=dict)

    def add(self, labels: Labels, samples: Sequence[Sample]) -> None:
        """Add samples to a series, after those it has; what overlaps is kept once."""
        key = tuple(sorted(labels.items()))
        kept = self._series.get(key)
        if kept is None:
            kept = self._series[key] = []
            self._by_metric.setdefault(labels.get("__name__", ""), []).append((dict(key), kept))
        last = kept[-1][0] if kept else float("-inf")
        kept.extend(sample for sample in samples if sample[0] > last)

    def answer(self, query: Query) -> Iterator[tuple[Series, Sequence[Sample]]]:
        """What Prometheus would have answered to a query of the intake."""
        for template in query.templates:
            for labels, samples in self._by_metric.get(template.counter.metric, ()):
                series = self._identify(template, labels)
                if series is not None:
                    first = bisect.bisect_left(samples, query.after_ms / 1000, key=_time)
                    end = bisect.bisect_right(samples, query.at_ms / 1000, key=_time)
                    yield series, samples[first:end]

    def thresholds(self) -> tuple[float, ...]:
        """The times in seconds within which the proxy's histogram counts answers, ascending."""
        found = {
            edge_of(labels.get("le", "")) for labels, _ in self._by_metric.get(WITHIN.metric, ())
        }
        return tuple(
            proxy_threshold(edge)
            for edge in sorted(edge for edge in found if edge is not None)
            if 0 < edge < float("inf")
        )

    def slices(self) -> tuple[str, ...]:
        """The slices whose requests were counted, by name."""
        total, _ = SLICED
        found = {labels.get(SLICE, "") for labels, _ in self._by_metric.get(total.metric, ())}
        return tuple(sorted(found - {""}))

    @property
    def is_empty(self) -> bool:
        """Whether there is no series."""
        return not self._series

    def size(self) -> tuple[int, int]:
        """How many series and samples there are."""
        return len(self._series), sum(map(len, self._series.values()))

    def object_of(self, kind: str) -> Object | None:
        """The first object of a kind; None without one."""
        return next((each for each in self.objects if each.get("kind") == kind), None)

    def save(self, path: Path) -> None:
        """Write a file, packed if its name ends with .gz. Raises OSError."""
        if path.suffix == ".gz":
            with gzip.open(path, "wt", encoding="utf-8") as packed:
                self.write(packed)
        else:
            with path.open("w", encoding="utf-8") as plain:
                self.write(plain)

    def write(self, file: TextIO) -> None:
        """Write header, objects and series as JSON lines."""
        head = self.header
        first = {
            "format": FORMAT,
            "version": WITH_OBJECTS if self.objects else VERSION,
            "namespace": head.namespace,
            "stable": head.stable,
            "candidate": head.candidate,
            "from": head.from_ms,
            "until": head.until_ms,
            "step": head.step_ms,
        }
        file.write(json.dumps(first) + "\n")
        for each in self.objects:
            file.write(json.dumps({"object": each}) + "\n")
        for key, samples in self._series.items():
            file.write(json.dumps({"labels": dict(key), "samples": samples}) + "\n")

    @classmethod
    def read(cls, lines: Iterable[str]) -> Self:
        """Read what `write` wrote. Raises InputError naming the line and the field."""
        numbered = enumerate(lines, 1)
        try:
            _, first = next(numbered)
        except StopIteration:
            raise InputError("line 1", "an empty file", "a recording") from None
        recording = cls(_header(_object(1, first)))
        objects = []
        for number, line in numbered:
            if not line.strip():
                continue
            found = _object(number, line)
            if "object" in found:
                objects.append(_shown(number, found["object"]))
            else:
                recording.add(*_series(number, found))
        recording.objects = tuple(objects)
        return recording

    def _identify(self, template: Template, labels: Labels) -> Series | None:
        series = read_series(template, labels, LabelNames())
        if series is None or series.namespace != self.header.namespace:
            return None
        return series


def read_file(path: Path) -> Recording:
    """The recording in a file, packed or not. Raises InputError, or OSError."""
    with path.open("rb") as begin:
        is_packed = begin.read(len(_GZIP)) == _GZIP
    try:
        if is_packed:
            with gzip.open(path, "rt", encoding="utf-8") as file:
                return Recording.read(file)
        with path.open(encoding="utf-8") as file:
            return Recording.read(file)
    except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise InputError(str(path), str(error), "the whole file, as it was recorded") from None


def _time(sample: Sample) -> float:
    return sample[0]


def _object(number: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise InputError(f"line {number}", line[:40].strip(), f"JSON ({error})") from None
    if not isinstance(found, dict):
        raise InputError(f"line {number}", found, "a JSON object")
    return found


def _header(found: dict[str, Any]) -> Header:
    if found.get("format") != FORMAT:
        raise InputError("line 1, format", found.get("format"), repr(FORMAT))
    if found.get("version") not in (VERSION, WITH_OBJECTS):
        known = f"{VERSION} or {WITH_OBJECTS}, or use the release that recorded it"
        raise InputError("line 1, version", found.get("version"), known)
    for name in ("from", "until", "step"):
        if not isinstance(found.get(name), int):
            raise InputError(f"line 1, {name}", found.get(name), "milliseconds")
    stable = found.get("stable")
    if stable is not None:
        require_name("line 1, stable", stable)
    return Header(
        namespace=found.get("namespace", ""),
        stable=stable,
        candidate=found.get("candidate", ""),
        from_ms=found["from"],
        until_ms=found["until"],
        step_ms=found["step"],
    )


def _shown(number: int, found: object) -> Object:
    if not isinstance(found, dict) or not isinstance(found.get("kind"), str):
        raise InputError(f"line {number}, object", found, "an object with its kind")
    return found


def _series(number: int, found: dict[str, Any]) -> tuple[Labels, list[Sample]]:
    labels, samples = found.get("labels"), found.get("samples")
    if not isinstance(labels, dict) or not all(isinstance(each, str) for each in labels.values()):
        raise InputError(f"line {number}, labels", labels, "an object of texts")
    if not isinstance(samples, list):
        raise InputError(f"line {number}, samples", samples, 'a list of [seconds, "value"]')
    for sample in samples:
        if not _is_sample(sample):
            raise InputError(f"line {number}, samples", sample, '[seconds, "value"]')
    return labels, [(float(at), value) for at, value in samples]


def _is_sample(sample: object) -> bool:
    if not isinstance(sample, list) or len(sample) != 2:
        return False
    at, value = sample
    if not isinstance(at, int | float) or not isinstance(value, str):
        return False
    try:
        float(value)
    except ValueError:
        return False
    return True
