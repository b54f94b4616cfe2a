"""One exporter of one pod: its scrapes in order, its restarts, and the targets it is read from.

All series of a scrape share one timestamp and one process. A restart is therefore a fact about the
process, not about a series: an error counter that stood at 2 and stands at 2 again counted two new
errors when the process behind it is another one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from model_rollouts.metrics.cursor import Cursor
from model_rollouts.metrics.series import Series
from model_rollouts.metrics.sources import Clock

CLOCK_SLACK_MS = 2_500
"""How far an uptime may lag: 1 s until the proxy's next flush, 1 s of truncation, and jitter."""

NEVER = -(2**62)


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


@dataclass(frozen=True, slots=True)
class Scrape:
    """What one scrape added: (slot, increment) for what grew, and what happened to the process.

    `born_ms` is when the process started, None without a clock.
    """

    added: list[tuple[int, int]]
    restarted: bool
    lost: bool
    duplicate_of: tuple[str, ...]
    born_ms: int | None


class Process:
    """The state of one exporter; every part of it follows from the samples of one lookback."""

    __slots__ = ("_cursors", "_last", "_target", "_targets", "_uptime")

    def __init__(self) -> None:
        self._last = NEVER
        self._uptime: int | None = None
        self._target = ""
        self._targets: dict[str, int] = {}
        self._cursors: dict[str, Cursor] = {}

    def scrape(
        self,
        at: int,
        samples: Sequence[tuple[Series, float]],
        *,
        horizon: int,
        counted_from: int,
        created: int | None,
        slot_of: Callable[[Series], int | None],
        totals: frozenset[int],
    ) -> Scrape:
        """Take one scrape of one target; scrapes come in the order of time.

        Samples at or before `horizon` are forgotten. `counted_from` is when counting began and
        `created` when the pod was created; a process born later than both the horizon and
        `counted_from` counts from zero. `totals` are the slots whose fall betrays a restart.
        """
        known = self._last > horizon
        if not known:
            self._cursors.clear()
            self._targets.clear()
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
            run = self._by_falling_totals(samples, horizon, totals)
            restarted = run is _Run.NEW
        if run in (_Run.NEW, _Run.UNKNOWN):
            self._cursors.clear()
        young = born is not None and born > horizon
        added, lost = self._count(at, samples, run, young, horizon, slot_of)
        duplicates = self._seen_from(target, at, horizon)
        self._last = at
        self._target = target
        self._uptime = uptime
        return Scrape(added, restarted, lost, duplicates, born)

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
        self, samples: Sequence[tuple[Series, float]], horizon: int, totals: frozenset[int]
    ) -> _Run:
        """Without a clock the largest total that fell decides: by half or more is a restart."""
        largest, its_value = 0, 0.0
        for series, value in samples:
            cursor = self._cursors.get(series.counter)
            if (
                cursor is not None
                and cursor.slot in totals
                and cursor.at > horizon
                and value < cursor.value
                and cursor.value > largest
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
        slot_of: Callable[[Series], int | None],
    ) -> tuple[list[tuple[int, int]], bool]:
        added: list[tuple[int, int]] = []
        lost = run is _Run.UNKNOWN
        cursors = self._cursors
        for series, number in samples:
            if series.template.is_clock:
                continue
            value = int(number)
            cursor = cursors.get(series.counter)
            if cursor is None or cursor.at <= horizon:
                slot = slot_of(series)
                if slot is None:
                    continue
                cursors[series.counter] = Cursor(slot, at, value)
                if run is _Run.UNKNOWN:
                    continue
                if run is not _Run.NEW and series.template.counter.from_start and not young:
                    lost = True
                    continue
                grown = value
            else:
                slot = cursor.slot
                if run is _Run.LIKELY and 2 * value <= cursor.value:
                    grown = cursor.restart(at, value)
                else:
                    grown = cursor.rise(at, value, horizon)
            if grown:
                added.append((slot, grown))
        return added, lost

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


def _uptime(at: int, samples: Sequence[tuple[Series, float]]) -> int | None:
    """Milliseconds that the process had been up at the scrape, by its own clock."""
    for series, value in samples:
        if series.template.is_clock:
            if series.template.source.clock_means is Clock.UPTIME:
                return round(value * 1000)
            return at - round(value * 1000)
    return None
