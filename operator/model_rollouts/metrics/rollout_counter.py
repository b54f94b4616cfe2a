"""One rollout: from raw samples to the counts of its closed intervals.

`RolloutCounter` is a cache, not a store. Thrown away, it is built again from the watermark and one
lookback of samples, and goes on with the same counts.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from model_rollouts.metrics.counts import ArmCounts, IntervalCounts, Tally
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.interval import Interval
from model_rollouts.metrics.process import Process
from model_rollouts.metrics.requests import MeasuredRollout
from model_rollouts.metrics.series import Sample, Series, process_name
from model_rollouts.metrics.slots import ArmSums, ObjectiveSums, Slots, total_of
from model_rollouts.metrics.watermark import Watermark

LARGEST_COUNT = 2.0**53
"""Above this a float no longer tells neighbouring whole numbers apart."""

_Scrapes = dict[tuple[int, str], list[tuple[Series, float]]]


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
        waits = {key for arm in layout.arms for each in arm.objectives for key in each.carries}
        self._carry = {key: amount for key, amount in watermark.carry if key in waits}
        self._processes: dict[str, Process] = {}
        self._scraped: frozenset[str] = frozenset()
        self.warm = False
        """Whether the samples of a lookback before the watermark were taken in."""

    @property
    def watermark(self) -> Watermark:
        """Up to where everything is counted."""
        return Watermark(self._at, tuple(sorted(self._carry.items())))

    @property
    def reads_from(self) -> int:
        """The time after which samples are needed next."""
        return self._at if self.warm else self._at - self._grid.lookback_ms

    def advance(
        self,
        series: Iterable[tuple[Series, Sequence[Sample]]],
        until_ms: int,
    ) -> tuple[IntervalCounts, ...]:
        """Count every interval that ends at or before `until_ms`, a boundary of the grid.

        `series` holds all samples after `reads_from`; what lies outside is passed over.
        """
        intervals = self._intervals(until_ms)
        self._take(series, until_ms, intervals)
        records = tuple(self._close(interval) for interval in intervals.values())
        horizon = until_ms - self._grid.lookback_ms
        self._processes = {
            name: process
            for name, process in self._processes.items()
            if not process.forget(horizon)
        }
        self._at = until_ms
        self.warm = True
        return records

    def _intervals(self, until_ms: int) -> dict[int, Interval]:
        """The open intervals by their end, the first one cut at the watermark."""
        step = self._grid.step_ms
        ends = range(self._grid.floor(self._at) + step, until_ms + 1, step)
        return {end: Interval(max(self._at, end - step), end, len(self.layout)) for end in ends}

    def _take(
        self,
        series: Iterable[tuple[Series, Sequence[Sample]]],
        until_ms: int,
        intervals: Mapping[int, Interval],
    ) -> None:
        created = {pod.name: pod.created_ms for pod in self.rollout.pods}
        silent = Interval(self.reads_from, self._at, len(self.layout))
        for name, scrapes in self._by_process(series, until_ms, intervals).items():
            process = self._processes.get(name)
            if process is None:
                process = self._processes[name] = Process()
            for (at, _), samples in sorted(scrapes.items()):
                start = self._grid.start_of(at)
                interval = silent if at <= self._at else intervals[start + self._grid.step_ms]
                pod = samples[0][0].pod
                scrape = process.scrape(
                    at,
                    samples,
                    horizon=start - self._grid.lookback_ms,
                    counted_from=self.rollout.started_ms,
                    created=created.get(pod),
                    slot_of=self.layout.slot_of,
                    totals=self.layout.totals,
                )
                born = created.get(pod) if scrape.born_ms is None else scrape.born_ms
                warming = self._warming(born, interval.start_ms)
                interval.take(
                    at, samples[0][0], scrape, self.layout.shadow_slots if warming else None
                )
        if not self.warm:
            self._scraped = silent.scraped_after(self._at - self._grid.step_ms)

    def _by_process(
        self,
        series: Iterable[tuple[Series, Sequence[Sample]]],
        until_ms: int,
        intervals: Mapping[int, Interval],
    ) -> dict[str, _Scrapes]:
        since = self.reads_from
        found: dict[str, _Scrapes] = {}
        for each, samples in series:
            scrapes = found.get(each.process)
            if scrapes is None:
                scrapes = found[each.process] = defaultdict(list)
            for seconds, text in samples:
                at = round(seconds * 1000)
                if not since < at <= until_ms:
                    continue
                value = _number(text)
                # Written so that NaN, which compares as false, is refused too.
                if not (0 <= value <= LARGEST_COUNT) or (value % 1 and not each.template.is_clock):
                    interval = intervals.get(self._grid.start_of(at) + self._grid.step_ms)
                    if interval is not None:
                        interval.refuse(each, text)
                    continue
                scrapes[at, each.target].append((each, value))
        return found

    def _warming(self, born: int | None, start_ms: int) -> bool:
        """Whether a pod's shadow counts of an interval are still those of a cold model."""
        warmup = self.rollout.warmup_ms
        return bool(warmup) and born is not None and start_ms < born + warmup

    def _close(self, interval: Interval) -> IntervalCounts:
        arms = {
            arm.name: ArmCounts(
                {each.name: self._tally(each, arm, interval) for each in arm.objectives},
                interval.pods_of(arm.revision),
                interval.restarts_of(arm.revision),
                interval.is_warming(arm),
            )
            for arm in self.layout.arms
        }
        findings = interval.findings(self.layout.arms, arms)
        findings += self._missing(interval)
        self._scraped = interval.scraped_after(interval.start_ms)
        return IntervalCounts(
            interval.start_ms, interval.end_ms, arms, tuple(sorted(set(findings)))
        )

    def _tally(self, sums: ObjectiveSums, arm: ArmSums, interval: Interval) -> Tally:
        """The tally of one objective; bad ones beyond the total wait for the next interval."""
        increments = interval.increments
        total = max(0, total_of(sums.total, increments))
        bad: list[int] = []
        for level, key in zip(sums.bad, sums.carries, strict=True):
            waiting = self._carry.pop(key, 0) + total_of(level, increments)
            counted = min(max(0, waiting), total)
            if waiting != counted:
                self._carry[key] = waiting - counted
                interval.carried(arm.name, sums.name, waiting - counted)
            bad.append(counted)
        return Tally(total, tuple(bad))

    def _missing(self, interval: Interval) -> list[Finding]:
        """Pods that have been ready for two intervals and were scraped in neither."""
        since = interval.end_ms - 2 * self._grid.step_ms
        scraped = self._scraped | interval.scraped_after(interval.start_ms)
        found = []
        for arm in self.layout.arms:
            missing = sorted(
                pod.name
                for pod in self.rollout.pods
                if pod.revision == arm.revision
                and pod.ready_ms is not None
                and pod.ready_ms <= since
                and not all(
                    process_name(source, pod.revision, pod.name) in scraped
                    for source in self.layout.sources
                )
            )
            if missing:
                message = f"ready and not scraped for two intervals: {', '.join(missing)}"
                found.append(Finding(Reason.SCRAPE_MISSING, arm.name, tuple(missing), message))
        return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
