"""One exporter of one pod: its scrapes in order, its restarts, and the targets it is read from.

All series of a scrape share one timestamp and one process. A restart is therefore a fact about the
process, not about a series: an error counter that stood at 2 and stands at 2 again counted two new
errors when the process behind it is another one.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise
from math import isnan
from typing import NamedTuple

from model_rollouts.metrics.cursor import Cursor
from model_rollouts.metrics.series import Exposition, Schema, Series
from model_rollouts.metrics.slots import Places
from model_rollouts.metrics.sources import Clock

CLOCK_SLACK_MS = 2_500
"""How far an uptime may lag: 1 s until the proxy's next flush, 1 s of truncation, and jitter."""

NEVER = -(2**62)

INCOMPLETE_SCRAPES = 3
"""Scrapes in a row that lack a series until it is taken for one that is not there."""

GAPS = 4
"""Times between two scrapes that tell how often a process is scraped."""


_NOTHING: frozenset[str] = frozenset()


class _Run(Enum):
    """What a scrape is to the one before it."""

    SAME = auto()
    """The same process, proven by its clock: a value that falls is a flap."""
    LIKELY = auto()
    """No clock: falling values decide."""
    NEW = auto()
    """A process that began after everything that was counted: all of it counts, from zero."""
    UNKNOWN = auto()
    """Nothing is known of what was counted before: a fresh baseline."""


@dataclass(slots=True)
class _Steady:
    """The counters of a process that stood higher or as high in each scrape as in the one before.

    That is so of nearly all, nearly always. `values` are those of the last scrape, at its time, in
    the order of `places.counted`: they stand for a cursor each, and there is none beside them.
    """

    schema: Schema
    places: Places
    values: list[int]


class Scrape(NamedTuple):
    """What one scrape added: (slot, increment) for what grew, and what happened to the process.

    `duplicate_of` are other targets of the pod that are scraped as well, and `is_alike` says that
    they are one process: by its clock, and because no counter fell from one to the other.
    What was added came after `since_ms`. `refused` are series whose sample is no count.
    """

    added: list[tuple[int, int]]
    refused: list[Series]
    restarted: bool
    lost: bool
    duplicate_of: tuple[str, ...]
    is_alike: bool
    since_ms: int


class Process:
    """The state of one exporter; every part of it follows from the samples of one lookback."""

    __slots__ = (
        "_asked",
        "_asked_last",
        "_cursors",
        "_last",
        "_settled",
        "_size",
        "_steady",
        "_target",
        "_targets",
        "_times",
        "_uptime",
        "_usual",
        "_whole",
        "absent",
        "is_beside",
        "pod",
        "revision",
    )

    def __init__(self, revision: str, pod: str, is_beside: bool) -> None:
        self.revision = revision
        self.pod = pod
        self.is_beside = is_beside
        """Whether the pod is not one of the revision's own."""
        self.absent = _NOTHING
        """The groups of series that no scrape has, though each one should."""
        self._times: list[int] = []
        self._usual: int | None = None
        self._size = 0
        self._whole = False
        self._last = NEVER
        self._asked: int | None = None
        self._asked_last = NEVER
        self._uptime: int | None = None
        self._target = ""
        self._targets: dict[str, int] = {}
        self._cursors: dict[str, Cursor] = {}
        self._steady: _Steady | None = None
        self._settled: Schema | None = None
        """What the last scrape showed that was complete."""

    @property
    def counted_to(self) -> int:
        """The time of the last scrape that was counted."""
        return self._last

    def scraped_every(self, horizon: int) -> int | None:
        """The usual time between two scrapes (ms) since `horizon`; None while it is not known."""
        times = self._times
        if not times or times[0] > horizon:
            # It is asked for often between two scrapes.
            return self._usual
        return _usual([at for at in times if at > horizon])

    def lacks(
        self,
        at: int,
        exposition: Exposition,
        values: Sequence[float],
        required: frozenset[str],
        horizon: int,
        totals: frozenset[int],
    ) -> bool:
        """Whether a scrape is not complete: series of it are not visible yet.

        Its groups have to be those that are `required`, but for what no scrape of late had. What a
        process has counted once it always shows, so it has as many series as the last one had,
        unless it began anew.
        """
        if at <= self._last:
            # Another target was scraped at the same time, and that is counted.
            return False
        known = self._last > horizon
        target = exposition.first.target
        if known and exposition.schema is self._settled and target == self._target:
            # It has what the last one had, which was complete.
            return False
        if not (required - self.absent if known else required) <= exposition.schema.groups:
            return True
        if not known or target != self._target or len(values) >= self._size:
            return False
        samples = list(zip(exposition.series, values, strict=True))
        uptime = _uptime(at, samples)
        if uptime is not None:
            return self._run(at, target, uptime) is _Run.SAME
        self._unfold()
        return self._by_falling_totals(samples, totals) is not _Run.NEW

    def settle(self, schema: Schema, required: frozenset[str]) -> None:
        """Take the last scrape, which showed what `schema` has, for complete as it is.

        What it lacks of the groups that are `required` is absent from now on.
        """
        if schema is not self._settled:
            self._settled = schema
            self.absent = required - schema.groups or _NOTHING
            self._size = len(schema.counters)
        self._whole = True

    def scrape(
        self,
        at: int,
        exposition: Exposition,
        values: Sequence[float],
        *,
        plain: bool,
        horizon: int,
        flap_horizon: int,
        counted_from: int,
        created: int | None,
        places_of: Callable[[str, Schema], Places],
        totals: frozenset[int],
        asked_again_ms: int,
    ) -> Scrape:
        """Take one scrape of one target, a number for each series; they come in the order of time.

        One that is NaN is there and tells nothing; with `plain` there is none, and those of
        counters are whole.
        Samples at or before `horizon` are forgotten, and so is what a counter fell from at or
        before `flap_horizon`, which is not earlier. `counted_from` is when counting began and
        `created` when the pod was created; a process born later than both the horizon and
        `counted_from` counts from zero. `totals` are the slots whose fall betrays a restart. What
        showed no request for longer than `asked_again_ms` is asked for the first time again.
        """
        steady = self._steady
        if plain and steady is not None and steady.schema is exposition.schema:
            found = self._go_on(at, exposition, values, steady, horizon, asked_again_ms)
            if found is not None:
                return found
        self._unfold()
        samples = list(zip(exposition.series, values, strict=True))
        places = places_of(self.revision, exposition.schema)
        known = self._last > horizon
        if not known:
            self._cursors.clear()
            self._targets.clear()
            self._times.clear()
            self._usual = None
        before = self._last
        target = samples[0][0].target
        uptime = _uptime(at, samples)
        born = None if uptime is None else at - uptime
        if known:
            run = self._run(at, target, uptime)
            restarted = run is _Run.NEW
        else:
            birth = created if born is None else born
            begins = birth is not None and birth >= counted_from and birth > horizon
            run, restarted = (_Run.NEW if begins else _Run.UNKNOWN), False
        if run is _Run.LIKELY:
            run = self._by_falling_totals(samples, totals)
            restarted = run is _Run.NEW
        if run in (_Run.NEW, _Run.UNKNOWN):
            self._cursors.clear()
            self._whole = run is _Run.NEW
        young = born is not None and born > horizon
        added, refused, lost, fell = self._count(
            at, samples, run, young, horizon, flap_horizon, places
        )
        self._note_requests(at, self._has_requests(samples, totals), asked_again_ms)
        duplicates = self._seen_from(target, at, horizon)
        is_alike = run in (_Run.SAME, _Run.NEW) and not fell
        if at > self._last:
            self._times = [*self._times[-GAPS:], at]
            self._usual = _usual(self._times)
        self._last = at
        self._target = target
        self._uptime = uptime
        if plain and uptime is not None:
            self._fold(at, exposition.schema, places)
        since = max(before if known else horizon, horizon if born is None else born)
        return Scrape(added, refused, restarted, lost, duplicates, is_alike, since)

    def _go_on(
        self,
        at: int,
        exposition: Exposition,
        values: Sequence[float],
        steady: _Steady,
        horizon: int,
        asked_again_ms: int,
    ) -> Scrape | None:
        """The same for one that goes on from the last, proven by its clock, and where nothing fell.

        It is what `_run` and `_count` would find, without asking of each series what may be wrong
        with it. None where that has to be asked.
        """
        before, target = self._last, exposition.first.target
        schema = steady.schema
        clock = schema.clock
        if not horizon < before < at or target != self._target or clock is None:
            return None
        told = round(values[clock] * 1000)
        uptime = told if schema.is_uptime else at - told
        if uptime < at - before:
            return None
        places = steady.places
        numbers: list[int] = [values[place] for place in places.counted]  # type: ignore[misc]
        grown = list(map(operator.sub, numbers, steady.values))
        if min(grown, default=0) < 0:
            return None
        added = [pair for pair in zip(places.slots, grown, strict=True) if pair[1]]
        steady.values = numbers
        has_requests = False
        for place in places.totals:
            if numbers[place]:
                has_requests = True
                break
        self._note_requests(at, has_requests, asked_again_ms)
        duplicates = self._seen_from(target, at, horizon)
        self._times = [*self._times[-GAPS:], at]
        self._usual = _usual(self._times)
        self._last = at
        self._uptime = uptime
        since = max(before, at - uptime)
        return Scrape(added, [], False, False, duplicates, True, since)

    def _fold(self, at: int, schema: Schema, places: Places) -> None:
        """Put the cursors of the last scrape's counters beside each other, if none is held."""
        if not schema.regular:
            return
        names = [schema.counters[place] for place in places.counted]
        cursors = [self._cursors.get(name) for name in names]
        if all(each is not None and each.at == at and each.held is None for each in cursors):
            found = [self._cursors.pop(name) for name in names]
            self._steady = _Steady(schema, places, [each.value for each in found])

    def _unfold(self) -> None:
        """Have a cursor for each counter again."""
        steady = self._steady
        if steady is not None:
            self._steady = None
            names = (steady.schema.counters[place] for place in steady.places.counted)
            for name, slot, value in zip(names, steady.places.slots, steady.values, strict=True):
                self._cursors[name] = Cursor(slot, self._last, value)

    def is_cold(self, at: int) -> bool:
        """Whether it has had requests, and none of them at a time or before."""
        return self._asked is not None and self._asked > at

    def _note_requests(self, at: int, has_requests: bool, asked_again_ms: int) -> None:
        """Note whether the sample of a total of this scrape is above 0."""
        if at - self._asked_last > asked_again_ms:
            self._asked = None
        if has_requests:
            self._asked, self._asked_last = at if self._asked is None else self._asked, at

    def _has_requests(
        self, samples: Sequence[tuple[Series, float]], totals: frozenset[int]
    ) -> bool:
        # The sample of this scrape, whatever a flap before it makes of that.
        cursors = ((self._cursors.get(each.counter), value) for each, value in samples)
        return any(
            each is not None and each.slot in totals and value > 0 for each, value in cursors
        )

    def forget(self, horizon: int) -> bool:
        """Drop what is at or before `horizon`; return whether nothing is left."""
        for counter in [name for name, each in self._cursors.items() if each.at <= horizon]:
            del self._cursors[counter]
        return self._last <= horizon

    def _run(self, at: int, target: str, uptime: int | None) -> _Run:
        """Compare the process with the one of the last scrape by what its clock says."""
        elapsed = at - self._last
        if uptime is None:
            return _Run.LIKELY if target == self._target else _Run.UNKNOWN
        expected = elapsed + (self._uptime or 0)
        if target != self._target and uptime >= elapsed:
            return _Run.SAME if abs(uptime - expected) <= CLOCK_SLACK_MS else _Run.UNKNOWN
        if uptime >= elapsed:
            # An uptime is never too long, so one that reaches back to the last scrape is proof.
            return _Run.SAME
        return _Run.NEW if uptime + CLOCK_SLACK_MS < expected else _Run.LIKELY

    def _by_falling_totals(
        self, samples: Sequence[tuple[Series, float]], totals: frozenset[int]
    ) -> _Run:
        """Without a clock the largest total that fell decides: by half or more is a restart.

        Of several that were as large it is the one that fell most, in whatever order they come. It
        fell since the last scrape. What is older would make whether it is a restart, and so all
        that is known after it, depend on more than one lookback.
        """
        largest, its_value = 0, 0.0
        for series, value in samples:
            # What is no number is not less than any.
            cursor = self._cursors.get(series.counter)
            if (
                cursor is not None
                and cursor.slot in totals
                and cursor.at == self._last
                and value < cursor.value
                and (cursor.value, -value) > (largest, -its_value)
            ):
                largest, its_value = cursor.value, value
        if not largest:
            return _Run.LIKELY
        return _Run.NEW if 2 * its_value <= largest else _Run.SAME

    def _count(
        self,
        at: int,
        samples: Sequence[tuple[Series, float]],
        run: _Run,
        young: bool,
        horizon: int,
        flap_horizon: int,
        places: Places,
    ) -> tuple[list[tuple[int, int]], list[Series], bool, bool]:
        """What is added and refused, whether something before it is unknown, and whether one fell.

        A clock counts nothing, and may be refused.
        """
        added: list[tuple[int, int]] = []
        refused: list[Series] = []
        lost, fell = run is _Run.UNKNOWN, False
        cursors = self._cursors
        slots = dict(zip(places.counted, places.slots, strict=True))
        is_likely = run is _Run.LIKELY
        for place, (series, number) in enumerate(samples):
            if isnan(number):
                refused.append(series)
                continue
            if series.template.is_clock:
                continue
            value = int(number)
            cursor = cursors.get(series.counter)
            if cursor is None or cursor.at <= horizon:
                slot = slots.get(place)
                if slot is None:
                    continue
                cursors[series.counter] = Cursor(slot, at, value)
                if run is _Run.UNKNOWN:
                    continue
                hidden = series.template.counter.from_start and not young
                if run is not _Run.NEW and (hidden or not self._whole):
                    lost = True
                    continue
                grown = value
            else:
                slot = cursor.slot
                if cursor.held is None and value >= cursor.value:
                    # Nearly always so, and then no call is needed for it.
                    grown = value - cursor.value
                    cursor.at, cursor.value = at, value
                elif is_likely and 2 * value <= cursor.value:
                    grown = cursor.restart(at, value)
                else:
                    grown = cursor.rise(at, value, flap_horizon)
                    fell = fell or cursor.held is not None
            if grown:
                added.append((slot, grown))
        return added, refused, lost, fell

    def _seen_from(self, target: str, at: int, horizon: int) -> tuple[str, ...]:
        """The targets of this pod that were scraped since `target` was: none in a hand-over."""
        targets = self._targets
        others: tuple[str, ...] = ()
        if len(targets) > 1:
            self._targets = targets = {
                name: seen for name, seen in targets.items() if seen > horizon
            }
            before = targets.get(target)
            if before is not None:
                others = tuple(
                    sorted(
                        name for name, seen in targets.items() if name != target and seen >= before
                    )
                )
        targets[target] = at
        return others


def _usual(times: Sequence[int]) -> int | None:
    """The median time between two scrapes (ms), None for fewer than two."""
    gaps = sorted([later - earlier for earlier, later in pairwise(times)])
    return gaps[len(gaps) // 2] if gaps else None


def _uptime(at: int, samples: Sequence[tuple[Series, float]]) -> int | None:
    """Milliseconds that the process had been up at the scrape, by its own clock."""
    for series, value in samples:
        if series.template.is_clock and not isnan(value):
            if series.template.source.clock_means is Clock.UPTIME:
                return round(value * 1000)
            return at - round(value * 1000)
    return None
