"""What was scraped and is not counted yet: scrapes in the order of time, some of which wait.

Series of one process with one timestamp are one scrape. It counts as a whole, or waits for the rest
of itself.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from model_rollouts.metrics import staleness
from model_rollouts.metrics.membership import Membership
from model_rollouts.metrics.process import Process
from model_rollouts.metrics.series import Sample, Series

LARGEST_COUNT = 2.0**53
"""Above this a float no longer tells neighbouring whole numbers apart."""

_Scrapes = dict[tuple[int, str], list[tuple[Series, float]]]


class Seen(NamedTuple):
    """One scrape as it was read; a sample that is no count is NaN."""

    at: int
    process: str
    target: str
    samples: list[tuple[Series, float]]

    @property
    def groups(self) -> frozenset[str]:
        """The groups of its series."""
        return frozenset([each.group for each, _ in self.samples])

    @property
    def first(self) -> Series:
        """One of its series: all tell the same of pod and revision."""
        return self.samples[0][0]


class Scrapes:
    """The scrapes of one rollout, from one reading to the next."""

    def __init__(self, members: Membership, lookback_ms: int) -> None:
        self._members = members
        self._lookback_ms = lookback_ms
        self._waiting: dict[str, list[Seen]] = {}
        """The scrapes that wait for the rest of themselves, by process."""

    def in_order(
        self,
        series: Iterable[tuple[Series, Sequence[Sample]]],
        known: Mapping[str, Process],
        span_ms: tuple[int, int],
        at_ms: int,
    ) -> list[Seen]:
        """All scrapes in a span (after, until] that were not counted before, in the order of time.

        `known` are the processes that were; counting stands at `at_ms`.
        """
        found = self._by_process(series, known, span_ms)
        for name in list(self._waiting):
            if self._members.is_foreign(name):
                del self._waiting[name]
            else:
                self._wait_on(name, found.get(name, {}), at_ms)
        return sorted(
            (
                Seen(at, name, target, samples)
                for name, scrapes in found.items()
                for (at, target), samples in scrapes.items()
            ),
            key=lambda each: each[:3],
        )

    def of(self, process: str, at_ms: int) -> list[Seen]:
        """The scrapes of a process that wait, and that a reading from `at_ms` would find too."""
        since = at_ms - self._lookback_ms
        return [each for each in self._waiting.get(process, ()) if each.at > since]

    def await_rest(self, process: str, scrapes: list[Seen]) -> None:
        """These scrapes of a process wait, in the order of time."""
        self._waiting[process] = scrapes

    def await_more(self, seen: Seen) -> None:
        """One more scrape of its process waits."""
        self._waiting.setdefault(seen.process, []).append(seen)

    def settle(self, process: str) -> None:
        """No scrape of a process waits any more."""
        self._waiting.pop(process, None)

    def waiting(self, at_ms: int) -> Iterator[Seen]:
        """All that wait, as `of` has them."""
        return (each for name in self._waiting for each in self.of(name, at_ms))

    def first(self) -> Iterator[int]:
        """When the first scrape was that waits, of each process with one."""
        return (waiting[0].at for waiting in self._waiting.values())

    def last(self) -> dict[str, int]:
        """When the last scrape was that waits, by process."""
        return {name: waiting[-1].at for name, waiting in self._waiting.items()}

    def forget_foreign(self) -> None:
        """What is of others does not wait."""
        for name in [each for each in self._waiting if self._members.is_foreign(each)]:
            del self._waiting[name]

    def _wait_on(self, process: str, scrapes: _Scrapes, at_ms: int) -> None:
        """Judge the scrapes of a process that wait again if more of them is visible by now.

        Otherwise they wait on, so that it makes no difference how often samples are read.
        """
        waiting = self.of(process, at_ms)
        del self._waiting[process]
        now = [scrapes.pop((each.at, each.target), each.samples) for each in waiting]
        pairs = list(zip(waiting, now, strict=True))
        if any(len(samples) > len(each.samples) for each, samples in pairs):
            for each, samples in pairs:
                scrapes[each.at, each.target] = samples
        elif waiting:
            self._waiting[process] = waiting

    def _by_process(
        self,
        series: Iterable[tuple[Series, Sequence[Sample]]],
        known: Mapping[str, Process],
        span_ms: tuple[int, int],
    ) -> dict[str, _Scrapes]:
        since, until = span_ms
        found: dict[str, _Scrapes] = {}
        marked: dict[str, set[tuple[int, str]]] = defaultdict(set)
        readings: dict[tuple[str, str], _Reading] = {}
        name, target, reading = "", "", _Reading({}, "", 0, 0)
        for each, samples in series:
            # Those of one process mostly come together.
            if each.process != name or each.target != target or not name:
                name, target = each.process, each.target
                known_reading = readings.get((name, target))
                if known_reading is None:
                    scrapes = found.get(name)
                    if scrapes is None:
                        if samples and self._members.leaves_out(each, samples):
                            name = ""
                            continue
                        scrapes = found[name] = defaultdict(list)
                    process = known.get(name)
                    after = since if process is None else max(since, process.counted_to)
                    known_reading = _Reading(scrapes, target, after, until)
                    readings[name, target] = known_reading
                reading = known_reading
            is_clock = each.template.is_clock
            for seconds, text in samples:
                scrape = reading[seconds]
                if scrape is None:
                    continue
                try:
                    value = float(text)
                    # Written so that NaN, which compares as false, is refused too.
                    if not (0 <= value <= LARGEST_COUNT) or (value % 1 and not is_clock):
                        value = math.nan
                except ValueError:
                    value = math.nan
                scrape.append((each, value))
                if text == staleness.MARKER:
                    marked[name].add((round(seconds * 1000), target))
        for name, keys in marked.items():
            staleness.leave_out(found[name], keys)
        return found


class _Reading(dict[float, list[tuple[Series, float]] | None]):
    """What is read of one target of a process: the scrape of each time (Unix seconds) in its span.

    None for a time outside (`after_ms`, `until_ms`]. All series of a scrape have one time.
    """

    def __init__(self, scrapes: _Scrapes, target: str, after_ms: int, until_ms: int) -> None:
        super().__init__()
        self._scrapes = scrapes
        self._target = target
        self._span = after_ms, until_ms

    def __missing__(self, seconds: float) -> list[tuple[Series, float]] | None:
        after, until = self._span
        at = round(seconds * 1000)
        self[seconds] = found = self._scrapes[at, self._target] if after < at <= until else None
        return found
