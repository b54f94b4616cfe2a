"""One rollout: from raw samples to the counts of its closed intervals.

Series of one process with one timestamp are one scrape, which counts as a whole or waits. Each
process has a cursor, the time of its last scrape that was counted: what becomes visible late is
counted when it comes, and nothing is counted twice. An interval is closed once every process has
been scraped in it, so it is as long as the scrapes are apart, whatever was configured.

`RolloutCounter` is a cache, not a store. Thrown away, it is built again from the watermark and one
lookback of samples, and goes on with the same counts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from model_rollouts.metrics.alignment import Alignments
from model_rollouts.metrics.answers import Shown
from model_rollouts.metrics.closing import Tallies, series_missing
from model_rollouts.metrics.counts import ArmCounts, IntervalCounts
from model_rollouts.metrics.findings import Finding
from model_rollouts.metrics.grid import SELDOM_MS, Grid
from model_rollouts.metrics.interval import Interval
from model_rollouts.metrics.lateness import Lateness
from model_rollouts.metrics.membership import Membership
from model_rollouts.metrics.process import INCOMPLETE_SCRAPES, Process
from model_rollouts.metrics.processes import Processes
from model_rollouts.metrics.requests import MeasuredRollout
from model_rollouts.metrics.scrapes import Scrapes, Seen
from model_rollouts.metrics.series import Series
from model_rollouts.metrics.slots import Slots
from model_rollouts.metrics.watermark import Watermark, process_key

LONGEST_MS = 120_000
"""An interval is closed after so long at the latest: twice the longest usual scrape interval."""

OVERLAP_MS = 60_000
"""How far before what was read last a reading goes back for processes that are late."""


class RolloutCounter:
    """The processes of one rollout, counted up to `watermark`."""

    def __init__(
        self, rollout: MeasuredRollout, layout: Slots, grid: Grid, watermark: Watermark
    ) -> None:
        self.rollout = rollout
        """What the cluster knows by now; the caller brings it up to date."""
        self.layout = layout
        self._grid = grid
        self._at = watermark.at_ms
        self._tallies = Tallies(layout, dict(watermark.carry))
        self._stored = {key: watermark.at_ms - behind for key, behind in watermark.behind}
        self._behind = watermark.behind
        self._members = Membership()
        self._processes = Processes(self._members)
        self._scrapes = Scrapes(self._members, grid.lookback_ms)
        self._alignments = Alignments(rollout, layout, grid)
        self._open = Interval(self._at, len(layout))
        self._examined = self._at
        """Up to where it is known that the open interval cannot be closed."""
        self._created: Mapping[str, int] = {}
        self.read_until = self._at
        self.lateness = Lateness()
        self.warm = False
        """Whether the samples of a lookback before the watermark were taken in."""

    @property
    def watermark(self) -> Watermark:
        """Up to where everything is counted."""
        return Watermark(self._at, tuple(sorted(self._tallies.carry.items())), self._behind)

    @property
    def reads_from(self) -> int:
        """The time after which samples are needed next."""
        if not self.warm:
            return self._at - self.lookback_ms
        oldest = self.read_until - OVERLAP_MS
        cursors = list(self._processes.counted_to().values())
        cursors += [first - 1 for first in self._scrapes.first()]
        cursors += [first - 1 for first in self._members.waiting.values()]
        if not self.is_scraped:
            # Nothing tells yet how late samples are: they are looked for as long as they may be.
            return max(oldest, self.read_until - self.lookback_ms)
        return min([each for each in cursors if each >= oldest], default=self.read_until)

    @property
    def lookback_ms(self) -> int:
        """How far back the last sample of a series is good to go on."""
        return self._grid.lookback_ms

    @property
    def is_scraped(self) -> bool:
        """Whether any pod has been, lately."""
        return bool(self._processes.known)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The pods whose scrapes wait until somebody knows whose they are."""
        return self._members.unknown

    @property
    def scraped_every_ms(self) -> int | None:
        """The usual time between two scrapes, from their timestamps; None while it is not known."""
        return self._processes.scraped_every(self._examined - self.lookback_ms)

    def advance(
        self,
        shown: Iterable[Shown],
        until_ms: int,
        now_ms: int = 0,
    ) -> tuple[IntervalCounts, ...]:
        """Count all that is visible up to `until_ms`, a boundary of the grid.

        `shown` holds all samples after `reads_from`; what lies outside is passed over, and so is
        what was counted before. `now_ms` is when it was read, as the caller of `Intake.plan` says
        it. Returns the intervals that can be closed.
        """
        pods = self.rollout.pods
        self._members.begins(pods)
        since_ms = self.read_until - self.lookback_ms
        known = self._processes.known
        seen = self._scrapes.in_order(shown, known, (since_ms, until_ms), self._at)
        self._created = {pod.name: pod.created_ms for pod in pods.there} if pods else {}
        taken = self._take_silently(seen) if not self.warm else 0
        records: list[IntervalCounts] = []
        self.lateness.begins(self.read_until if self.warm else None)
        for end in range(self._next_end(), until_ms + 1, self._grid.step_ms):
            while taken < len(seen) and seen[taken].at <= end:
                self._take(seen[taken], self._open)
                taken += 1
            self._examined = end
            self._alignments.reach(end)
            if self._is_complete(end):
                records.append(self._close(end))
        self.lateness.ends(now_ms)
        if not self._is_sparing:
            # What is read again must be known as counted.
            forgotten = self._at - self.lookback_ms
            self._processes.forget(forgotten)
            self._scrapes.forget_foreign()
            self._members.forget(forgotten)
        self.read_until = max(self.read_until, until_ms)
        self.warm = True
        return tuple(records)

    def _next_end(self) -> int:
        """The next boundary at which the open interval may end."""
        return self._grid.floor(self._examined) + self._grid.step_ms

    def _take_silently(self, seen: Sequence[Seen]) -> int:
        """Take in what was counted before the watermark; returns how many scrapes that is.

        That is all up to the watermark, except of the processes that were behind it then. What was
        counted is taken as it is: whether it had waited cannot be known, and makes no difference.
        What was not is taken after all that was, so that none of it passes for handed out.
        """
        silent = Interval(self.reads_from, len(self.layout))
        step, taken = self._grid.step_ms, 0
        late: list[Seen] = []
        reached = self._grid.floor(self.reads_from) + step
        for taken, each in enumerate(seen, 1):
            if each.at > self._at:
                taken -= 1
                break
            while reached < min(each.at, self._at):
                self._alignments.reach(reached)
                reached += step
            counted_to = self._stored.get(process_key(each.process), self._at)
            if each.at <= counted_to:
                process = self._processes.of(each)
                self._count(each, process, silent)
                process.settle(each.exposition.schema, self._required(each.first))
            elif counted_to == self.reads_from:
                # What it waits for was known from scrapes that are forgotten.
                self._scrapes.await_more(each)
            else:
                late.append(each)
        for end in (*range(reached, self._at, step), self._at):
            self._alignments.reach(end)
        self._alignments.taken()
        for each in late:
            self._take(each, self._open)
        return taken

    def _take(self, seen: Seen, interval: Interval) -> None:
        """Count a scrape in `interval`, unless it has to wait for its owner or the rest of itself.

        What waited before it is counted with it, so all scrapes are counted sooner or later, and
        what is known of a process does not depend on which of them waited.
        """
        first, at = seen.first, seen.at
        if self._members.awaits(first, at):
            return
        process = self._processes.of(seen)
        waiting = self._scrapes.of(seen.process, self._at)
        required = self._required(first)
        horizon = max(self._grid.start_of(at), self._at) - self.lookback_ms
        exposition = seen.exposition
        if (
            process.lacks(at, exposition, seen.values, required, horizon, self.layout.totals)
            and len(waiting) + 1 < INCOMPLETE_SCRAPES
        ):
            self._scrapes.await_rest(seen.process, [*waiting, seen])
            return
        self._scrapes.settle(seen.process)
        for each in waiting:
            self._count(each, process, interval)
        self._count(seen, process, interval)
        process.settle(exposition.schema, required)
        if not self._members.has_waited(seen.process):
            self.lateness.taken(seen.process, at)

    def _count(self, seen: Seen, process: Process, interval: Interval) -> None:
        """Count a scrape of a process in `interval`."""
        at, first = seen.at, seen.first
        begun = self._grid.start_of(at)
        lookback_ms, warmup_ms = self.lookback_ms, self._warmup_ms
        reached = max(begun, self._at)
        horizon = reached - lookback_ms
        scrape = process.scrape(
            at,
            seen.exposition,
            seen.values,
            plain=seen.plain,
            horizon=horizon,
            # What of stable is compared waits for up to half a lookback after its scrape was
            # counted. So that it follows from one lookback, what such a scrape added has to follow
            # from the other half.
            flap_horizon=max(horizon, begun - lookback_ms // 2),
            counted_from=self.rollout.started_ms,
            created=self._created.get(first.pod),
            places_of=self.layout.places,
            totals=self.layout.totals,
            asked_again_ms=lookback_ms - warmup_ms,
        )
        cold = warmup_ms > 0 and process.is_cold(reached - warmup_ms)
        interval.take(at, first, scrape, cold=cold)
        if self._members.is_counted(seen.process):
            self._alignments.take(first, at, scrape, cold=cold)
        for each in scrape.refused:
            interval.refuse(each)

    def _required(self, first: Series) -> frozenset[str]:
        """The groups of series that each scrape should have of a process with this series."""
        return self.layout.required(first.revision, first.template.source)

    @property
    def _warmup_ms(self) -> int:
        """How long a pod that is asked is cold: at most what one lookback can tell."""
        return 0 if self._is_sparing else min(self.rollout.warmup_ms, self.lookback_ms // 2)

    @property
    def _is_sparing(self) -> bool:
        """Whether it is at the slow pace, and thrown away after this reading."""
        return self.rollout.sparing or self._grid.scrapes > 1

    def _is_complete(self, end_ms: int) -> bool:
        """Whether the open interval may end here: nothing more is awaited for it."""
        length = end_ms - self._open.start_ms
        if self._is_sparing or length >= LONGEST_MS:
            return True
        usual = self._processes.scraped_every(end_ms - self.lookback_ms) or self._grid.step_ms
        return not any(self._awaits(arm.revision, end_ms, usual) for arm in self.layout.arms)

    def _awaits(self, revision: str, end_ms: int, usual_ms: int) -> bool:
        """Whether a scrape of a revision's pods is still to come in the open interval."""
        if any(each.first.revision == revision for each in self._scrapes.waiting(self._at)):
            # It was scraped, and the rest of that is not visible yet.
            return end_ms - self._open.start_ms <= INCOMPLETE_SCRAPES * usual_ms
        horizon = end_ms - self.lookback_ms
        return self._processes.awaits(revision, self._open, end_ms, horizon, usual_ms)

    def _close(self, end_ms: int) -> IntervalCounts:
        interval, horizon = self._open, end_ms - self.lookback_ms
        shared, compared = self._alignments.taken(), self._alignments.arm
        arms: dict[str, ArmCounts] = {}
        findings: list[Finding] = []
        for arm in self.layout.arms:
            absent = self._processes.absent(arm.revision, interval)
            beside = shared if arm.name == compared else None
            arms[arm.name] = self._tallies.arm(arm, interval, absent, beside)
            findings += series_missing(arm, absent)
        findings += interval.findings(self.layout.arms, arms)
        findings += self._of_pods(arms, end_ms, horizon)
        self._at = end_ms
        self._behind = self._processes.behind(
            self._counted_before(end_ms), end_ms, horizon, self._grid.step_ms
        )
        self._open = Interval(end_ms, len(self.layout))
        return IntervalCounts(interval.start_ms, end_ms, arms, tuple(sorted(set(findings))))

    def _of_pods(
        self, arms: Mapping[str, ArmCounts], end_ms: int, horizon: int
    ) -> Iterator[Finding]:
        """Which pods are not ours, and which of ours are not scraped."""
        # One scrape of each tells of no interval: then it may be long.
        every = max(self._grid.step_ms, self._processes.scraped_every(horizon) or SELDOM_MS)
        # What waits for the rest of itself was scraped.
        last = self._processes.counted_to() | self._scrapes.last()
        last = {name: at for name, at in last.items() if at > horizon}
        for arm in self.layout.arms:
            yield from self._members.not_counted(arm, horizon, end_ms)
            if arms[arm.name].pods:
                yield from self._members.missing(arm, self.layout.sources, last, end_ms, every)

    def _counted_before(self, end_ms: int) -> dict[str, int]:
        """The processes of which a scrape waits, each with the time before which all is counted.

        One that waits for its owner is counted from its first scrape, or from its last one that was
        counted.
        """
        found = {name: first - 1 for name, first in self._members.waiting.items()}
        waiting = self._scrapes.waiting(end_ms)
        return found | {each.process: end_ms - self.lookback_ms for each in waiting}
