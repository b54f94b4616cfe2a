"""Prometheus at the level of counts: what a tick and a question about the past are answered with.

`scraped.py` has the level of samples, for the histories that need it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from model_rollouts.decision import INDEPENDENT
from model_rollouts.engine.answers import Buckets
from model_rollouts.metrics.counts import ArmCounts, Counted, IntervalCounts, Tally, Unavailable
from model_rollouts.metrics.fallbacks import Given
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.sources import Listener
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.prometheus.errors import QueryError
from model_rollouts.prometheus.history import LATELY_MS
from model_rollouts.rollout import (
    BucketsQuery,
    FallbackQuery,
    History,
    HistoryQuery,
    Latencies,
    LatencyQuery,
    MirroredSizes,
    SizesQuery,
)
from tests.faults.users import Sample, Users
from tests.faults.virtual_time import NOON, now
from tests.rollout.simulated_cluster import Answered

_TICK_S = 0.05
"""What the queries of a tick take."""

_SPAN = 60
"""Intervals that one tick catches up at most."""

AWAY = "Prometheus does not answer"

CountedMs = Callable[[str], tuple[int, ...]]
"""The latency thresholds that the pods of a revision count exactly."""


class Condition:
    """How Prometheus is, as faults have it."""

    def __init__(self) -> None:
        self.is_away = False
        self.past_takes_s = 0.1
        self.past_fails = False
        self.is_split = False
        """Whether each query goes to any replica."""
        self.visible_after_s = 0.0
        """How old a sample is before a query sees it."""
        self.scrapes_twice = False
        self.other_cluster = False
        """Whether it has samples of another cluster with equal revisions, all of whose answers are
        bad."""
        self.unscraped_pods = 0
        """How many pods of each version are not scraped, of those that were not asked."""
        self.partial = 0.0
        """How often an answer lacks the newest samples."""


class CountingReader:
    """What every rollout counted, made of what its users got."""

    delay_ms = 0

    def __init__(
        self,
        grid: Grid,
        condition: Condition,
        users: Mapping[str, Users],
        counted_ms: CountedMs,
    ) -> None:
        self._grid = grid
        self._condition = condition
        self._users = users
        self._counted_ms = counted_ms

    async def tick(
        self, requests: Sequence[Request], now_ms: int
    ) -> Mapping[str, Counted | Unavailable]:
        """What every rollout counted up to the intervals that are closed at `now_ms`."""
        await asyncio.sleep(_TICK_S)
        if self._condition.is_away:
            away = Unavailable(Finding(Reason.METRICS_UNAVAILABLE, "", (), AWAY))
            return {each.rollout.key: away for each in requests}
        return {each.rollout.key: self._counted(each, now_ms) for each in requests}

    def _counted(self, request: Request, now_ms: int) -> Counted:
        measured, step = request.rollout, self._grid.step_ms
        begins = measured.started_ms if request.since is None else request.since.at_ms
        if measured.sparing:
            # The last minute alone is read.
            begins = max(begins, now_ms - 2 * step)
        # What is to be scraped yet closes nothing, however far ahead the operator's clock is.
        reached_ms = min(now_ms, round(1000 * (NOON + now())) + step)
        closed = (reached_ms - step - begins) // step
        taken = max(0, min(closed, _SPAN))
        intervals = tuple(
            self._interval(measured, begins + index * step, begins + (index + 1) * step)
            for index in range(taken)
        )
        return Counted(intervals, Watermark(begins + taken * step), behind=closed > taken)

    def _interval(self, measured: MeasuredRollout, start_ms: int, end_ms: int) -> IntervalCounts:
        arms: dict[str, ArmCounts] = {}
        findings = []
        users = self._users[measured.key]
        users.settle()
        for arm in measured.arms:
            place = arm.revision, arm.listener
            last = users.sample(place, end_ms / 1000 - NOON)
            first = users.sample(place, start_ms / 1000 - NOON)
            if last is None or last is first:
                message = f"Prometheus scraped no pod of revision {arm.revision}"
                findings.append(Finding(Reason.METRICS_UNAVAILABLE, arm.name, (), message))
            arms[arm.name] = self._arm(measured, arm, users, first, last)
        return IntervalCounts(start_ms, end_ms, arms, tuple(findings))

    def _arm(
        self,
        measured: MeasuredRollout,
        arm: Arm,
        users: Users,
        first: Sample | None,
        last: Sample | None,
    ) -> ArmCounts:
        given, pods, warming = Answered(), 0, False
        if last is not None and last is not first:
            pods = last.pods
            given = difference(last.counted, Answered() if first is None else first.counted)
            age_ms = 1000 * (last.at - users.started.get(arm.revision, 0.0))
            if arm.listener is Listener.SHADOW and age_ms < measured.warmup_ms:
                given, warming = Answered(), True
        counted_ms = self._counted_ms(arm.revision)
        tallies: dict[str, Tally] = {
            each.name: given.tally(each, counted_ms) for each in measured.objectives
        }
        return ArmCounts(tallies, pods, 0, warming)


def difference(later: Answered, earlier: Answered) -> Answered:
    """What was answered between two samples."""
    slow = {
        seconds: number - earlier.slow.get(seconds, 0) for seconds, number in later.slow.items()
    }
    return Answered(later.requests - earlier.requests, later.bad - earlier.bad, slow)


class Past:
    """Answers about the past: there were as many requests as there are, and errors come singly."""

    def __init__(self, condition: Condition, users: Mapping[str, Users]) -> None:
        self._condition = condition
        self._users = users

    async def past(self, namespace: str, query: HistoryQuery) -> History:
        """How bursty the failed requests were, and how many requests there were lately."""
        await self._answers()
        rate = self._of(query.served[0]).rate if query.served else None
        others = tuple((each.key, INDEPENDENT) for each, _ in query.others)
        return History(INDEPENDENT, scraped_ms=None, rate=rate, others=others)

    async def usual(self, namespace: str, query: HistoryQuery) -> float | None:
        """Nothing: no time is measured here."""
        await self._answers()
        return None

    async def scraped_ms(self, namespace: str, query: HistoryQuery) -> int | None:
        """When the candidate was scraped last, None when it was not lately."""
        await self._answers()
        assert query.candidate is not None
        users = self._of(query.candidate)
        users.settle()
        sample = users.sample((query.candidate, Listener.LIVE), now())
        if sample is None or now() - sample.at > LATELY_MS / 1000:
            return None
        return round((NOON + sample.at) * 1000)

    async def sizes(self, namespace: str, query: SizesQuery) -> MirroredSizes:
        """Nothing: no sizes are measured here."""
        await self._answers()
        return MirroredSizes(query.since_ms, query.looked)

    async def buckets(self, namespace: str, query: BucketsQuery) -> Buckets:
        """Nothing: no model has histograms of its own here."""
        await self._answers()
        return Buckets({}, {})

    async def latencies(self, namespace: str, query: LatencyQuery) -> Latencies:
        """Nothing: nobody reads it here."""
        await self._answers()
        return Latencies(query)

    async def fallback(
        self, namespace: str, query: FallbackQuery
    ) -> tuple[dict[str, Given], dict[str, bool]]:
        """Nothing: no model has a fallback here."""
        await self._answers()
        return {}, {}

    async def _answers(self) -> None:
        await asyncio.sleep(self._condition.past_takes_s)
        if self._condition.is_away or self._condition.past_fails:
            raise QueryError(AWAY)

    def _of(self, revision: str) -> Users:
        """The users of the model that a revision is of: it is named after it."""
        model = revision.rpartition("-")[0]
        return next(each for key, each in self._users.items() if key.endswith(f"/{model}"))
