"""What was scraped and is not counted yet: scrapes in the order of time, some of which wait.

Series of one process with one timestamp are one scrape. It counts as a whole, or waits for the rest
of itself.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from model_rollouts.metrics import staleness
from model_rollouts.metrics.answers import Shown
from model_rollouts.metrics.membership import Membership
from model_rollouts.metrics.process import Process
from model_rollouts.metrics.series import Exposition, Sample, Series

LARGEST_COUNT = 2.0**53
"""Above this a float no longer tells neighbouring whole numbers apart."""

_Key = tuple[int, str]
"""The time of a scrape, and its target."""


class Seen(NamedTuple):
    """One scrape as it was read: a number for each series, NaN for a sample that is no count.

    Those of one that is `plain` are whole numbers of 0 or more, but for the clock's, which is any.
    """

    at: int
    process: str
    target: str
    exposition: Exposition
    values: Sequence[float]
    plain: bool

    @property
    def samples(self) -> list[tuple[Series, float]]:
        """Its series with their numbers."""
        return list(zip(self.exposition.series, self.values, strict=True))

    @property
    def groups(self) -> frozenset[str]:
        """The groups of its series."""
        return self.exposition.schema.groups

    @property
    def first(self) -> Series:
        """One of its series: all tell the same of pod and revision."""
        return self.exposition.series[0]


_order = itemgetter(0, 1, 2)


class Scrapes:
    """The scrapes of one rollout, from one reading to the next."""

    def __init__(self, members: Membership, lookback_ms: int) -> None:
        self._members = members
        self._lookback_ms = lookback_ms
        self._waiting: dict[str, list[Seen]] = {}
        """The scrapes that wait for the rest of themselves, by process."""

    def in_order(
        self,
        shown: Iterable[Shown],
        known: Mapping[str, Process],
        span_ms: tuple[int, int],
        at_ms: int,
    ) -> list[Seen]:
        """All scrapes in a span (after, until] that were not counted before, in the order of time.

        `known` are the processes that were; counting stands at `at_ms`.
        """
        found = self._by_process(shown, known, span_ms)
        for name in list(self._waiting):
            if self._members.is_foreign(name):
                del self._waiting[name]
            else:
                self._wait_on(name, found.get(name, {}), at_ms)
        return sorted([each for scrapes in found.values() for each in scrapes.values()], key=_order)

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

    def _wait_on(self, process: str, scrapes: dict[_Key, Seen], at_ms: int) -> None:
        """Judge the scrapes of a process that wait again if more of them is visible by now.

        Otherwise they wait on, so that it makes no difference how often samples are read.
        """
        waiting = self.of(process, at_ms)
        del self._waiting[process]
        now = [scrapes.pop((each.at, each.target), each) for each in waiting]
        pairs = list(zip(waiting, now, strict=True))
        if any(len(read.values) > len(each.values) for each, read in pairs):
            for each, read in pairs:
                scrapes[each.at, each.target] = read
        elif waiting:
            self._waiting[process] = waiting

    def _by_process(
        self, shown: Iterable[Shown], known: Mapping[str, Process], span_ms: tuple[int, int]
    ) -> dict[str, dict[_Key, Seen]]:
        since, until = span_ms
        found: dict[str, dict[_Key, Seen]] = {}
        parts: dict[str, _Parts] = {}
        for exposition, samples, _ in shown:
            first = exposition.first
            name = first.process
            scrapes = found.get(name)
            if scrapes is None:
                if any(samples) and self._members.leaves_out(first, chain.from_iterable(samples)):
                    continue
                scrapes = found[name] = {}
            process = known.get(name)
            span = since if process is None else max(since, process.counted_to), until
            read = _columns(exposition, samples, span)
            part = parts.get(name)
            if (
                read is not None
                and scrapes.keys().isdisjoint(read)
                and (part is None or part.has_none_of(read))
            ):
                scrapes |= read
                continue
            if part is None:
                part = parts[name] = _Parts()
            part.read(exposition, samples, span, scrapes)
        for name, part in parts.items():
            found[name] |= part.seen(name)
        return found


def _columns(
    exposition: Exposition, samples: Sequence[Sequence[Sample]], span_ms: tuple[int, int]
) -> dict[_Key, Seen] | None:
    """The scrapes in a span (after, until], where each has a count of every series.

    That is so nearly always, and then all series of a scrape are read at once. None where it is
    not, or a number is to be looked at more closely.
    """
    schema = exposition.schema
    if not schema.regular:
        return None
    (after, until), clock, first = span_ms, schema.clock, exposition.first
    found: dict[_Key, Seen] = {}
    number = 0
    try:
        for column in zip(*samples, strict=True):
            times, texts = zip(*column, strict=True)
            seconds = times[0]
            if times.count(seconds) != len(times):
                return None
            at = round(seconds * 1000)
            if not after < at <= until:
                continue
            number += 1
            values: list[float]
            if clock is None:
                values = [*map(int, texts)]
                plain = values
            else:
                told = float(texts[clock])
                plain = [*map(int, texts[:clock]), *map(int, texts[clock + 1 :])]
                values = [*plain[:clock], told, *plain[clock:]]
                if not 0 <= told <= LARGEST_COUNT:
                    return None
            if plain and not (min(plain) >= 0 and max(plain) <= LARGEST_COUNT):
                return None
            found[at, first.target] = Seen(
                at, first.process, first.target, exposition, values, plain=True
            )
    except ValueError:
        # Of a series some samples are missing, or one is no whole number.
        return None
    return found if len(found) == number else None


class _Parts:
    """The scrapes of one process that are read sample by sample."""

    def __init__(self) -> None:
        self._scrapes: dict[_Key, list[tuple[Series, float]]] = {}
        self._marked: set[_Key] = set()

    def has_none_of(self, keys: Iterable[_Key]) -> bool:
        """Whether none of these scrapes was read here."""
        return self._scrapes.keys().isdisjoint(keys)

    def read(
        self,
        exposition: Exposition,
        samples: Sequence[Sequence[Sample]],
        span_ms: tuple[int, int],
        whole: dict[_Key, Seen],
    ) -> None:
        """Read what a target shows in a span (after, until]; scrapes that are `whole` grow here."""
        after, until = span_ms
        target = exposition.first.target
        for series, of in zip(exposition.series, samples, strict=True):
            is_clock = series.template.is_clock
            for seconds, text in of:
                at = round(seconds * 1000)
                if not after < at <= until:
                    continue
                scrape = self._scrapes.get((at, target))
                if scrape is None:
                    before = whole.pop((at, target), None)
                    scrape = self._scrapes[at, target] = [] if before is None else before.samples
                scrape.append((series, _number(text, is_clock=is_clock)))
                if text == staleness.MARKER:
                    self._marked.add((at, target))

    def seen(self, process: str) -> dict[_Key, Seen]:
        """What was read, without markers of staleness."""
        staleness.leave_out(self._scrapes, self._marked)
        return {
            (at, target): Seen(
                at,
                process,
                target,
                Exposition([series for series, _ in samples]),
                [value for _, value in samples],
                plain=False,
            )
            for (at, target), samples in self._scrapes.items()
        }


def _number(text: str, *, is_clock: bool) -> float:
    """A sample as a number, NaN for what is no count; a clock may have a fraction."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    # Written so that NaN, which compares as false, is refused too.
    if not (0 <= value <= LARGEST_COUNT) or (value % 1 and not is_clock):
        return math.nan
    return value
