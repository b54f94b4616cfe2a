"""Stable's counts in the seconds that the candidate's counts cover.

A scrape says how many requests there were since the one before it, and not when. Pods are scraped
at different moments, so what both versions went through together, such as an outage, lies in other
intervals of the one than of the other. Here the increments of stable are spread evenly over the
time between its scrapes, and cut where the candidate was scraped. How far that can be wrong is
known, and told beside the counts: a cut goes through one scrape of each process at most.

Nothing here is stored: all of it follows from the samples of one lookback.
"""

import operator
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from model_rollouts.metrics.counts import SharedTally, Tally
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.process import Scrape
from model_rollouts.metrics.requests import MeasuredRollout
from model_rollouts.metrics.series import Series
from model_rollouts.metrics.slots import ArmSums, ObjectiveSums, Slots, Sum

AWAITED_SCRAPES = 2
"""Scrapes of a process of stable that may be missing before the others go on without it."""

REMEMBERED_MS = 60_000
"""A process of the candidate that was scraped as lately may come back with counts since then."""


@dataclass(slots=True)
class _Piece:
    """What one scrape of stable added in (`since_ms`, `at_ms`], of which `given` is handed out."""

    since_ms: int
    at_ms: int
    tallies: Mapping[str, Tally]
    given: float = 0.0

    def until(self, at_ms: int) -> float:
        """The part that lies at or before a time, if requests came evenly."""
        if at_ms >= self.at_ms:
            return 1.0
        if at_ms <= self.since_ms:
            return 0.0
        return (at_ms - self.since_ms) / (self.at_ms - self.since_ms)


class _Cut(NamedTuple):
    """The candidate's last scrape up to `end_ms`, and the oldest that a process of it has."""

    end_ms: int
    at_ms: int
    oldest_ms: int


class Alignment:
    """The scrapes of one source: all of an interval are noted before it is closed.

    What is handed out at the end of an interval follows from the scrapes of one lookback before it,
    so a cut reaches less than half of one back. What began before the lookback is handed out
    whatever is known: a counter that is built again could not tell how much it was.
    """

    def __init__(self, step_ms: int, lookback_ms: int, objectives: Mapping[str, int]) -> None:
        """`objectives` are the numbers of levels of bad ones, by name."""
        self._step_ms = step_ms
        self._lookback_ms = lookback_ms
        self._window_ms = lookback_ms // 2 - step_ms
        self._objectives = objectives
        self._pieces: list[_Piece] = []
        self._stable: dict[str, list[int]] = defaultdict(list)
        self._candidate: dict[str, list[int]] = defaultdict(list)

    def scraped(self, process: str, at_ms: int) -> None:
        """Note a scrape of the candidate."""
        self._candidate[process].append(at_ms)

    def counted(
        self, process: str, since_ms: int, at_ms: int, tallies: Mapping[str, Tally]
    ) -> None:
        """Note a scrape of stable and what it added since the one before it."""
        self._stable[process].append(at_ms)
        if tallies:
            self._pieces.append(_Piece(min(since_ms, at_ms - 1), at_ms, tallies))

    def close(self, end_ms: int) -> dict[str, SharedTally]:
        """What of stable belongs to the candidate's counts up to a boundary of the grid.

        Each piece of stable is handed out once in all, in whole numbers.
        """
        self._forget(end_ms - self._step_ms - self._lookback_ms)
        cut, parts = self._cut(end_ms), []
        horizon = end_ms - self._lookback_ms
        for piece in self._pieces:
            if piece.at_ms <= end_ms:
                before = piece.given
                is_old = piece.since_ms <= horizon
                piece.given = 1.0 if is_old else max(before, piece.until(cut.at_ms))
                parts.append((piece, before))
        found = {
            name: _shared(name, levels, cut, parts) for name, levels in self._objectives.items()
        }
        self._pieces = [
            piece
            for piece in self._pieces
            if piece.since_ms > horizon and (piece.given < 1 or piece.at_ms > cut.oldest_ms)
        ]
        return found

    def _forget(self, horizon_ms: int) -> None:
        self._pieces = [piece for piece in self._pieces if piece.at_ms > horizon_ms]
        for scrapes in (self._stable, self._candidate):
            for process, times in list(scrapes.items()):
                # They come in the order of time; one or none is forgotten in an interval.
                kept = next((place for place, at in enumerate(times) if at > horizon_ms), None)
                if kept is None:
                    del scrapes[process]
                else:
                    del times[:kept]

    def _cut(self, end_ms: int) -> _Cut:
        """The last cut up to which stable is known at the end of an interval."""
        since = end_ms - self._window_ms
        reached = self._reached(since, end_ms)
        for end in range(end_ms, since, -self._step_ms):
            lasts = [_last(times, since, end) for times in self._candidate.values()]
            seen = [at for at in lasts if at is not None]
            if not seen:
                return _Cut(end, since, since)
            newest = max(seen)
            if newest <= reached:
                remembered = newest - REMEMBERED_MS
                return _Cut(end, newest, min(at for at in seen if at > remembered))
        return _Cut(since, since, since)

    def _reached(self, since_ms: int, end_ms: int) -> int:
        """Up to when stable is known.

        That is the earliest last scrape of the processes that are scraped, as far as one can know
        that; without any, the last scrape of those that were.
        """
        known, awaited = [], []
        for times in self._stable.values():
            last = _last(times, since_ms, end_ms)
            if last is None:
                continue
            known.append(last)
            before = _last(times, since_ms, last - 1)
            usual = max(self._step_ms, 0 if before is None else last - before)
            if last > end_ms - AWAITED_SCRAPES * usual:
                awaited.append(last)
        return min(awaited) if awaited else max(known, default=end_ms)


def _last(times: Sequence[int], since_ms: int, end_ms: int) -> int | None:
    return next((at for at in reversed(times) if since_ms < at <= end_ms), None)


def _shared(
    name: str, levels: int, cut: _Cut, parts: Iterable[tuple[_Piece, float]]
) -> SharedTally:
    total, bad = 0, [0] * levels
    early, late = [0] * levels, [0] * levels
    for piece, before in parts:
        tally = piece.tallies.get(name)
        if tally is None:
            continue
        given, given_bad = _part(tally, before)
        now, now_bad = _part(tally, piece.given)
        total += now - given
        is_unsure = piece.at_ms > cut.oldest_ms
        for level in range(levels):
            bad[level] += now_bad[level] - given_bad[level]
            if is_unsure:
                early[level] += now_bad[level]
            if piece.since_ms < cut.at_ms:
                late[level] += tally.bad[level] - now_bad[level]
    return SharedTally(cut.end_ms, Tally(total, tuple(bad)), tuple(early), tuple(late))


def _part(tally: Tally, part: float) -> tuple[int, list[int]]:
    """The first requests of a tally, its bad ones evenly among them: 0 <= bad <= total."""
    total = round(tally.total * part)
    return total, [bad * total // tally.total if tally.total else 0 for bad in tally.bad]


class Alignments:
    """One alignment for each source of a rollout that has an arm to be compared with another."""

    def __init__(self, rollout: MeasuredRollout, layout: Slots, grid: Grid) -> None:
        arm = next((arm for arm in rollout.arms if arm.compared_with is not None), None)
        self.arm = "" if arm is None else arm.name
        """The arm that is compared with another."""
        self._stable: ArmSums | None = None
        self._candidate = ""
        self._of: dict[str, Alignment] = {}
        self._handed: dict[str, SharedTally] = {}
        self._sums: dict[str, list[ObjectiveSums]] = defaultdict(list)
        if arm is None or arm.compared_with is None:
            return
        self._candidate = arm.compared_with
        self._stable = next(each for each in layout.arms if each.name == arm.name)
        sources = {each.name: each.source.name for each in rollout.objectives}
        for each in self._stable.objectives:
            if not each.is_beside:
                self._sums[sources[each.name]].append(each)
        for source, sums in self._sums.items():
            self._of[source] = Alignment(
                grid.step_ms, grid.lookback_ms, {each.name: len(each.bad) for each in sums}
            )

    def take(self, series: Series, at_ms: int, scrape: Scrape, *, cold: bool) -> None:
        """Note a scrape of either of the two revisions; `cold` as `Interval.take` has it."""
        source = series.template.source.name
        alignment = self._of.get(source)
        if alignment is None:
            return
        if series.revision == self._candidate:
            alignment.scraped(series.process, at_ms)
        elif self._stable is not None and series.revision == self._stable.revision:
            added: dict[int, int] = defaultdict(int)
            for slot, grown in scrape.added:
                # A counter may be several series: one for each code, status or path.
                added[slot] += grown
            tallies = {}
            if added:
                for each in self._sums[source]:
                    tally = _tally(added, each.total, each.bad)
                    if tally.total and not (cold and each.of_warm_pods):
                        tallies[each.name] = tally
            alignment.counted(series.process, scrape.since_ms, at_ms, tallies)

    def reach(self, end_ms: int) -> None:
        """Hand out what can be at a boundary of the grid, whether or not an interval ends there."""
        for alignment in self._of.values():
            for name, found in alignment.close(end_ms).items():
                before = self._handed.get(name)
                self._handed[name] = found if before is None else _added(before, found)

    def taken(self) -> Mapping[str, SharedTally]:
        """What was handed out since it was asked for last, by objective."""
        handed, self._handed = self._handed, {}
        return handed


def _added(before: SharedTally, now: SharedTally) -> SharedTally:
    bad = map(operator.add, before.tally.bad, now.tally.bad)
    return replace(now, tally=Tally(before.tally.total + now.tally.total, tuple(bad)))


def _tally(added: Mapping[int, int], total: Sum, bad: Sequence[Sum]) -> Tally:
    whole = max(0, sum(sign * added.get(slot, 0) for slot, sign in total))
    levels = (sum(sign * added.get(slot, 0) for slot, sign in level) for level in bad)
    return Tally(whole, tuple(min(max(0, each), whole) for each in levels))
