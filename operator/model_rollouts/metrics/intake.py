"""One tick: what to ask Prometheus, and what each rollout has counted once it answered.

The caller owns the watermarks. The intake keeps what follows from them, and builds it again from
Prometheus whenever a caller comes with a watermark that it does not stand at.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

from model_rollouts.metrics.batching import Batching, Need, Query
from model_rollouts.metrics.counts import Counted, Unavailable
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.objectives import Template
from model_rollouts.metrics.requests import MeasuredRollout, Request, require_disjoint
from model_rollouts.metrics.rollout_counter import RolloutCounter
from model_rollouts.metrics.series import Sample, Series
from model_rollouts.metrics.slots import Slots
from model_rollouts.metrics.watermark import Watermark

SPAN_INTERVALS = 60
"""Intervals that one tick catches up at most, so that nobody waits long for a straggler."""

CATCH_UP_SAMPLES = 400_000
"""Samples that one tick reads for rollouts without kept state: bounds the memory of a restart."""

PODS_PER_REVISION = 2
"""Assumed for the size of an answer while the cluster's pods are not known."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A query without an answer, and why."""

    message: str


Answer = Iterable[tuple[Series, Sequence[Sample]]] | Failed
"""What came back for one query: its series with raw samples, or why there are none."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The queries of one tick, and how far each rollout gets when they are answered."""

    queries: tuple[Query, ...]
    until_ms: Mapping[str, int]
    closed_ms: int


class Intake:
    """The counters of all active rollouts.

    One that is `sparing` keeps nothing from one tick to the next, and counts the last closed
    interval at most: it is for many rollouts for which a lost minute is no loss. Its memory is that
    of one tick, and after an outage of Prometheus there is nothing to catch up with.
    """

    def __init__(
        self, grid: Grid | None = None, batching: Batching | None = None, *, sparing: bool = False
    ) -> None:
        self.grid = grid or Grid()
        self.batching = batching or Batching()
        self.sparing = sparing
        self._counters: dict[str, RolloutCounter] = {}
        self._templates: WeakValueDictionary[Template, Template] = WeakValueDictionary()

    def plan(self, requests: Sequence[Request], now_ms: int) -> Tick:
        """What to ask so that every rollout gets as far as closed intervals reach.

        `requests` are all active rollouts; one that is missing is forgotten.
        Raises InputError when two of them share a key, or a revision in a namespace.
        """
        require_disjoint(requests)
        closed = self.grid.closed_until(now_ms)
        self._counters = {
            request.rollout.key: self._counter(request, closed) for request in requests
        }
        until: dict[str, int] = {}
        cohorts: dict[tuple[int, int], list[RolloutCounter]] = defaultdict(list)
        left = CATCH_UP_SAMPLES
        for counter in sorted(self._counters.values(), key=lambda each: each.watermark.at_ms):
            begin, end = self._window(counter, closed)
            waits = end <= counter.watermark.at_ms or (not counter.warm and left <= 0)
            until[counter.rollout.key] = counter.watermark.at_ms if waits else end
            if not waits:
                cohorts[begin, end].append(counter)
                # The slow pace has nothing to catch up with: an interval is all that it reads.
                bounded = not counter.warm and not self.sparing
                left -= self._samples(counter, end - begin) if bounded else 0
        queries = tuple(
            query
            for (begin, end), cohort in sorted(cohorts.items(), key=lambda item: item[0])
            for query in self._queries(cohort, begin, end)
        )
        return Tick(queries, until, closed)

    def advance(self, tick: Tick, answers: Sequence[Answer]) -> dict[str, Counted | Unavailable]:
        """What each rollout of `tick`, the last one planned, has counted.

        `answers` are in the order of its queries.
        A rollout with a query that failed does not move. Nothing is lost: its watermark stays, and
        the next tick asks again from there.
        """
        failed: dict[str, str] = {}
        series: dict[str, list[tuple[Series, Sequence[Sample]]]] = defaultdict(list)
        owners = {
            (counter.rollout.namespace, revision): key
            for key, counter in self._counters.items()
            for revision in counter.rollout.revisions
        }
        for query, answer in zip(tick.queries, answers, strict=True):
            if isinstance(answer, Failed):
                failed.update(dict.fromkeys(query.keys, answer.message))
                continue
            for each in answer:
                key = owners.get((each[0].namespace, each[0].revision))
                if key is not None and key in query.keys:
                    series[key].append(each)
        counted = {
            key: self._unavailable(failed[key])
            if key in failed
            else self._counted(key, tick, series.get(key, ()))
            for key in tick.until_ms
        }
        if self.sparing:
            self._counters.clear()
        return counted

    def _counter(self, request: Request, closed_ms: int) -> RolloutCounter:
        """The counter that stands at the caller's watermark, the kept one or a new one."""
        rollout = request.rollout
        since = request.since or Watermark(self.grid.floor(rollout.started_ms))
        last_ms = closed_ms - self.grid.step_ms
        if self.sparing and since.at_ms < last_ms:
            since = Watermark(last_ms)
        kept = self._counters.get(rollout.key)
        if kept is not None and _counts_the_same(kept.rollout, rollout) and kept.watermark == since:
            kept.rollout = rollout
            return kept
        layout = Slots(rollout, lambda each: self._templates.setdefault(each, each))
        return RolloutCounter(rollout, layout, self.grid, since)

    def _window(self, counter: RolloutCounter, closed_ms: int) -> tuple[int, int]:
        """The window (begin, end] to query for a counter.

        Rollouts that catch up from different watermarks share their windows: they stop at the same
        multiples of the span and begin at the same multiples of it before that.
        """
        if self.sparing:
            return closed_ms - self.grid.step_ms - self.grid.lookback_ms, closed_ms
        at = counter.watermark.at_ms
        span = SPAN_INTERVALS * self.grid.step_ms
        if counter.warm:
            return counter.reads_from, min(closed_ms, at + span)
        begin = self.grid.floor(counter.reads_from, SPAN_INTERVALS)
        return begin, min(closed_ms, self.grid.floor(at, SPAN_INTERVALS) + span)

    def _queries(self, cohort: Sequence[RolloutCounter], begin: int, end: int) -> Iterable[Query]:
        needs: dict[Template, list[Need]] = defaultdict(list)
        for counter in cohort:
            rollout = counter.rollout
            for template, revisions in counter.layout.templates.items():
                needs[template].append(
                    Need(rollout.key, rollout.namespace, revisions, _pods(rollout, revisions))
                )
        for template, wanted in needs.items():
            yield from self.batching.queries(
                template, wanted, after_ms=begin, until_ms=end, step_ms=self.grid.scrape_ms
            )

    def _counted(
        self, key: str, tick: Tick, series: Iterable[tuple[Series, Sequence[Sample]]]
    ) -> Counted:
        counter = self._counters[key]
        until = tick.until_ms[key]
        if until <= counter.watermark.at_ms:
            return Counted((), counter.watermark, behind=until < tick.closed_ms)
        intervals = counter.advance(series, until)
        return Counted(intervals, counter.watermark, behind=until < tick.closed_ms)

    def _samples(self, counter: RolloutCounter, range_ms: int) -> int:
        rollout = counter.rollout
        series = sum(_pods(rollout, each) for each in counter.layout.templates.values())
        return series * (range_ms // self.grid.scrape_ms)

    @staticmethod
    def _unavailable(message: str) -> Unavailable:
        return Unavailable(Finding(Reason.METRICS_UNAVAILABLE, "", (), message))


def _counts_the_same(one: MeasuredRollout, other: MeasuredRollout) -> bool:
    """Whether two requests select the same series and count them alike."""
    return (one.namespace, one.arms, one.objectives, one.started_ms, one.warmup_ms) == (
        other.namespace,
        other.arms,
        other.objectives,
        other.started_ms,
        other.warmup_ms,
    )


def _pods(rollout: MeasuredRollout, revisions: Sequence[str]) -> int:
    known = sum(1 for pod in rollout.pods if pod.revision in revisions)
    return known or PODS_PER_REVISION * len(revisions)
