"""One tick: what to ask Prometheus, and what each rollout has counted once it answered.

The caller owns the watermarks. The intake keeps what follows from them, and builds it again from
Prometheus whenever a caller comes with a watermark that it does not stand at.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median_low

from model_rollouts.metrics.answers import Answer, Counting, Failed, Samples, shown
from model_rollouts.metrics.batching import Batching, Need, Query
from model_rollouts.metrics.counts import Counted, Unavailable
from model_rollouts.metrics.grid import LEAST_SCRAPES, SELDOM_MS, Grid
from model_rollouts.metrics.lateness import forgotten
from model_rollouts.metrics.requests import MeasuredRollout, Request, require_disjoint
from model_rollouts.metrics.rollout_counter import RolloutCounter
from model_rollouts.metrics.slots import Slots
from model_rollouts.metrics.watermark import Watermark

SPAN_INTERVALS = 60
"""Intervals that one tick catches up at most, so that nobody waits long for a straggler."""

CATCH_UP_SAMPLES = 400_000
"""Samples that one tick reads for rollouts without kept state: bounds the memory of a restart."""

PODS_PER_REVISION = 2
"""Assumed for the size of an answer while the cluster's pods are not known."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The queries of one tick, and how far each rollout gets when they are answered."""

    queries: tuple[Query, ...]
    until_ms: Mapping[str, int]
    closed_ms: Mapping[str, int]
    now_ms: int


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
        self._seldom: dict[str, int] = {}
        self._planned: int | None = None

    def plan(self, requests: Sequence[Request], now_ms: int) -> Tick:
        """What to ask so that every rollout gets as far as closed intervals reach.

        `requests` are all active rollouts; one that is missing is forgotten.
        Raises InputError when two of them share a key, or a revision in a namespace.
        """
        require_disjoint(requests)
        if self.sparing:
            self._counters = {}
        punctual = self.grid.closed_until(now_ms)
        usual = self._usual_delay(punctual)
        self._counters = {
            request.rollout.key: self._counter(request, punctual, usual) for request in requests
        }
        self._seldom = {key: far for key, far in self._seldom.items() if key in self._counters}
        until: dict[str, int] = {}
        closed_of: dict[str, int] = {}
        cohorts: dict[tuple[int, int], list[RolloutCounter]] = defaultdict(list)
        left = CATCH_UP_SAMPLES
        for counter in sorted(self._counters.values(), key=lambda each: each.watermark.at_ms):
            key = counter.rollout.key
            if counter.lateness.delay_ms:
                closed = self.grid.closed_until(now_ms - counter.lateness.delay_ms)
            else:
                closed = punctual
            closed_of[key] = closed
            begin, end = self._window(counter, closed)
            waits = end <= counter.read_until or (not counter.warm and left <= 0)
            until[key] = counter.read_until if waits else end
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
        return Tick(queries, until, closed_of, now_ms)

    def advance(self, tick: Tick, answers: Sequence[Answer]) -> dict[str, Counted | Unavailable]:
        """What each rollout of `tick`, the last one planned, has counted.

        `answers` are in the order of its queries.
        """
        counting = self.counting(tick)
        counted: dict[str, Counted | Unavailable] = {}
        for query, answer in zip(tick.queries, answers, strict=True):
            told = answer if isinstance(answer, Failed) else shown(answer)
            counted.update(counting.take(query, told))
        counted.update(counting.rest(tick.until_ms))
        return counted

    def counting(self, tick: Tick) -> Counting:
        """The same for answers as they come. `tick` is the last one planned."""
        owners = {
            (counter.rollout.namespace, revision): key
            for key, counter in self._counters.items()
            for revision in counter.rollout.revisions
        }
        return Counting(tick.queries, owners, lambda key, series: self._counted(key, tick, series))

    def _note_seldom(self, key: str, counter: RolloutCounter) -> None:
        """Keep how far back the next reading goes of a rollout whose pods are scraped seldom.

        Nothing else is kept of it. One sample in a reading tells of no interval: then it is long.
        """
        if not counter.is_scraped:
            return
        every_ms = counter.scraped_every_ms or SELDOM_MS
        if LEAST_SCRAPES * every_ms > self.grid.lookback_ms:
            self._seldom[key] = LEAST_SCRAPES * min(every_ms, SELDOM_MS)
        else:
            self._seldom.pop(key, None)

    def _usual_delay(self, closed_ms: int) -> int:
        """How late the samples of a rollout that begins are taken to be (ms).

        While there was none nothing was read, and a delay is forgotten all the same.
        """
        before, self._planned = self._planned, closed_ms
        missed = 0 if before is None else (closed_ms - before) // self.grid.step_ms - 1
        return forgotten(self.delay_ms, max(0, missed))

    def _counter(self, request: Request, closed_ms: int, delay_ms: int) -> RolloutCounter:
        """The counter that stands at the caller's watermark, the kept one or a new one.

        A new one waits `delay_ms` for samples until it has measured how late they are.
        """
        rollout = request.rollout
        since = request.since or Watermark(self.grid.floor(rollout.started_ms))
        last_ms = closed_ms - self.grid.step_ms
        if self.sparing and since.at_ms < last_ms:
            since = Watermark(last_ms)
        kept = self._counters.get(rollout.key)
        if kept is not None and _counts_the_same(kept.rollout, rollout) and kept.watermark == since:
            kept.rollout = rollout
            return kept
        layout = Slots(rollout)
        lookback_ms = self._seldom.get(rollout.key)
        grid = self.grid if lookback_ms is None else replace(self.grid, lookback_ms=lookback_ms)
        made = RolloutCounter(rollout, layout, grid, since)
        if not self.sparing:
            made.lateness.delay_ms = delay_ms
        return made

    @property
    def delay_ms(self) -> int:
        """How late the samples of most rollouts are; one that begins waits as long."""
        delays = [each.lateness.delay_ms for each in self._counters.values() if each.warm]
        return median_low(delays) if delays else 0

    def _window(self, counter: RolloutCounter, closed_ms: int) -> tuple[int, int]:
        """The window (begin, end] to query for a counter.

        Rollouts that catch up from different watermarks share their windows: they stop at the same
        multiples of the span and begin at the same multiples of it before that.
        """
        if self.sparing:
            return closed_ms - self.grid.step_ms - counter.lookback_ms, closed_ms
        at = counter.read_until
        span = SPAN_INTERVALS * self.grid.step_ms
        if counter.warm:
            return self.grid.floor(counter.reads_from), min(closed_ms, at + span)
        begin = self.grid.floor(counter.reads_from, SPAN_INTERVALS)
        return begin, min(closed_ms, self.grid.floor(at, SPAN_INTERVALS) + span)

    def _queries(self, cohort: Sequence[RolloutCounter], begin: int, end: int) -> Iterable[Query]:
        needs = [
            Need(rollout.key, rollout.namespace, revisions, _pods(rollout, revisions), templates)
            for counter in cohort
            for rollout in (counter.rollout,)
            for templates, revisions in counter.layout.by_source
            if self.batching.labels.observer or not next(iter(templates)).source.is_beside
        ]
        return self.batching.queries(
            needs, after_ms=begin, until_ms=end, step_ms=self.grid.scrape_ms
        )

    def _counted(self, key: str, tick: Tick, series: Samples) -> Counted:
        counter = self._counters[key]
        until = tick.until_ms[key]
        intervals = (
            () if until <= counter.read_until else counter.advance(series, until, tick.now_ms)
        )
        if self.sparing:
            self._note_seldom(key, counter)
            del self._counters[key]
        return Counted(
            intervals,
            counter.watermark,
            behind=until < tick.closed_ms[key],
            scraped_every_ms=counter.scraped_every_ms,
            delay_ms=counter.lateness.delay_ms,
            unknown=counter.unknown,
        )

    def _samples(self, counter: RolloutCounter, range_ms: int) -> int:
        rollout = counter.rollout
        series = sum(_pods(rollout, each) for each in counter.layout.templates.values())
        return series * (range_ms // self.grid.scrape_ms)


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
    there = () if rollout.pods is None else rollout.pods.there
    known = sum(1 for pod in there if pod.revision in revisions)
    return known or PODS_PER_REVISION * len(revisions)
