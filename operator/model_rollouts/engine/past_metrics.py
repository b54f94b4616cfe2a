"""Asks Prometheus what must be known before a candidate gets users, and is asked once for each.

A store may have pods of others that look like ours. Those that are gone cannot be told apart any
more. So the past of all counts while only ours are scraped, and only that of pods that the cluster
has told of once others are.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from model_rollouts.decision import Dispersion
from model_rollouts.engine import request_times
from model_rollouts.engine.answers import Buckets
from model_rollouts.metrics import fallbacks
from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.body_sizes import Sizes, read_sizes, sizes_text
from model_rollouts.metrics.fallbacks import Given
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.history import MOST_NAMED
from model_rollouts.metrics.objectives import COMPLETED, CountedObjective, Template
from model_rollouts.metrics.own_buckets import buckets_text, nearest, read_buckets
from model_rollouts.metrics.selector import range_selector
from model_rollouts.metrics.series import Sample
from model_rollouts.metrics.sources import PROXY, Listener, source_of
from model_rollouts.metrics.spreads import Asked, Within, grown_text, read_grown
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.decode import decode_matrix
from model_rollouts.prometheus.errors import AnswerError, QueryError
from model_rollouts.prometheus.history import (
    LATELY_MS,
    recent_rate,
    scraped_pods,
    stable_dispersion,
    usual_time,
)
from model_rollouts.rollout import (
    BucketsQuery,
    FallbackQuery,
    History,
    HistoryQuery,
    Latencies,
    LatencyQuery,
    MirroredSizes,
    SizesQuery,
    timed_past,
)

SHORTEST_MS, LONGEST_MS = 60_000, 3_600_000
"""How far back it is asked how large requests are: some scrapes, and no long evaluation."""


class _Ours(NamedTuple):
    """The pods whose past is asked for by name, None for all; there are so many `times` more."""

    named: frozenset[str] | None
    times: float = 1.0


class PastMetrics:
    """Its answers are about one Prometheus; raises QueryError or AnswerError."""

    def __init__(
        self,
        prometheus: PrometheusClient,
        grid: Grid,
        batching: Batching | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._prometheus = prometheus
        self._grid = grid
        self._batching = batching or Batching()
        self._clock = clock

    async def past(self, namespace: str, query: HistoryQuery) -> History:
        """How bursty the bad answers of what served were, and how many requests it had lately."""
        ours = await self._ours(namespace, query)
        pods = ours.named
        usual = await self._usual(namespace, query, pods)
        asked = [*query.others]
        if usual is not None:
            asked.append((timed_past("slow", usual), query.served))
        others = [
            (past.key, await self.dispersion(namespace, counted_by, past.counted, pods))
            for past, counted_by in asked
            if counted_by
        ]
        rate = await self._rate(namespace, query.served, pods)
        return History(
            await self.dispersion(namespace, query.served, pods=pods),
            scraped_ms=None,
            rate=None if rate is None else rate * ours.times,
            others=tuple(others),
            usual=usual,
        )

    async def dispersion(
        self,
        namespace: str,
        revisions: Sequence[str],
        objective: CountedObjective | None = None,
        pods: frozenset[str] | None = None,
    ) -> Dispersion:
        """How bursty the bad answers of what served were, its errors by default.

        `pods` are the names of those that count, None for all.
        """
        return await stable_dispersion(
            partial(self._prometheus.query_range, namespace=namespace),
            namespace,
            revisions,
            self._now_ms(),
            objective=objective,
            scrape_ms=self._grid.step_ms,
            batching=self._batching,
            pods=pods,
        )

    async def _ours(self, namespace: str, query: HistoryQuery) -> _Ours:
        """The pods of what served whose past counts."""
        if query.pods is None:
            return _Ours(None)
        scraped = await scraped_pods(
            partial(self._prometheus.query_range, namespace=namespace),
            namespace,
            query.served,
            self._now_ms(),
            batching=self._batching,
        )
        if not scraped - query.pods - {""}:
            return _Ours(None)
        # Those that are scraped now come first. The others are taken for alike.
        present = scraped & query.pods
        named = [*sorted(present), *sorted(query.pods - present)][:MOST_NAMED]
        return _Ours(frozenset(named), max(1.0, len(present) / MOST_NAMED))

    async def _rate(
        self, namespace: str, revisions: Sequence[str], pods: frozenset[str] | None
    ) -> float | None:
        return await recent_rate(
            partial(self._prometheus.query_range, namespace=namespace),
            namespace,
            revisions,
            self._now_ms(),
            batching=self._batching,
            pods=pods,
        )

    async def usual(self, namespace: str, query: HistoryQuery) -> float | None:
        """The first edge within which 99 of 100 requests were answered by what serves.

        None when it has answered too few, or slower than all edges (`prometheus.history`).
        """
        return await self._usual(namespace, query, (await self._ours(namespace, query)).named)

    async def _usual(
        self, namespace: str, query: HistoryQuery, pods: frozenset[str] | None
    ) -> float | None:
        return await usual_time(
            partial(self._prometheus.query_range, namespace=namespace),
            namespace,
            query.served,
            self._now_ms(),
            edges=query.edges,
            batching=self._batching,
            pods=pods,
        )

    async def scraped_ms(self, namespace: str, query: HistoryQuery) -> int | None:
        """When a pod of the candidate was scraped last (Unix ms), None when none was lately.

        Lately is within three scrape intervals, or a minute: how often pods are scraped is not
        known before they were. Pods that the cluster does not have are passed over.
        """
        if query.candidate is None:
            return None
        text = range_selector(
            Template(PROXY, COMPLETED, Listener.LIVE),
            {namespace},
            {query.candidate},
            max(3 * self._grid.step_ms, LATELY_MS),
            self._batching.labels,
            self._batching.matchers,
        )
        body = await self._prometheus.query(text, self._now_ms(), namespace)
        label, pods = self._batching.labels.pod, query.pods
        times = [
            samples[-1][0]
            for labels, samples in decode_matrix(body)
            if samples and (pods is None or labels.get(label, "") in {"", *pods})
        ]
        return round(max(times) * 1000) if times else None

    async def sizes(self, namespace: str, query: SizesQuery) -> MirroredSizes:
        """How large the requests of users and the mirrored ones were, an hour back at most."""
        now_ms = self._now_ms()
        range_ms = min(max(now_ms - query.since_ms, SHORTEST_MS), LONGEST_MS)

        async def of(revision: str, listener: Listener) -> Sizes:
            text = sizes_text(namespace, revision, listener, range_ms, self._batching, query.pods)
            return read_sizes(await self._asked(text, now_ms, namespace))

        return MirroredSizes(
            query.since_ms,
            query.looked,
            users=await of(query.stable, Listener.LIVE),
            mirrored=await of(query.candidate, Listener.SHADOW),
        )

    async def buckets(self, namespace: str, query: BucketsQuery) -> Buckets:
        """The edges of the histograms that are scraped now."""
        found: dict[tuple[str, str], tuple[float, ...]] = {}
        unanswered: dict[str, str] = {}
        now_ms = self._now_ms()
        for own, times in query.histograms:
            if source_of(own.metric).is_beside and not self._batching.labels.observer:
                # Without an observer nobody may speak for it.
                continue
            text = buckets_text(
                own.metric, own.matchers, namespace, query.revisions, self._batching, query.pods
            )
            try:
                edges = read_buckets(await self._asked(text, now_ms, namespace), own.unit)
            except (QueryError, AnswerError) as error:
                unanswered[own.text] = str(error)
                continue
            found |= {(own.key, name): nearest(each, times) for name, each in edges.items()}
        return Buckets(found, unanswered)

    async def latencies(self, namespace: str, query: LatencyQuery) -> Latencies:
        """How long requests and their stages took, an hour back at most."""
        now_ms = self._now_ms()
        range_ms = min(max(now_ms - query.since_ms, SHORTEST_MS), LONGEST_MS)

        async def grown(asked: Asked, revisions: Iterable[str]) -> Mapping[str, Within]:
            among = frozenset(revisions)
            text = grown_text(asked, namespace, among, range_ms, self._batching, query.pods)
            return read_grown(await self._asked(text, now_ms, namespace), asked)

        return await request_times.latencies(grown, query)

    async def fallback(
        self, namespace: str, query: FallbackQuery
    ) -> tuple[dict[str, Given], dict[str, bool]]:
        """What users got lately, and whether the Service that stands in is reached, by revision."""
        now_ms, asked = self._now_ms(), (namespace, query.revisions, self._batching, query.pods)
        answers, failed, reached = [
            await self._asked(text_of(*asked), now_ms, namespace)
            for text_of in (fallbacks.answers_text, fallbacks.failed_text, fallbacks.reached_text)
        ]
        return fallbacks.read_answers(answers, failed), fallbacks.read_reached(reached)

    async def _asked(
        self, text: str, at_ms: int, namespace: str
    ) -> list[tuple[Mapping[str, str], list[Sample]]]:
        """The series that answer a query, each with its value at a time (Unix ms)."""
        body = await self._prometheus.query_range(
            text, at_ms, at_ms, SHORTEST_MS, namespace=namespace
        )
        return list(decode_matrix(body))

    def _now_ms(self) -> int:
        return round(self._clock() * 1000)
