"""Asks Prometheus what must be known before a candidate gets users, and is asked once for each."""

import time
from collections.abc import Callable, Sequence

from model_rollouts.decision import Dispersion
from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.objectives import COMPLETED, CountedObjective, Template
from model_rollouts.metrics.selector import range_selector
from model_rollouts.metrics.sources import PROXY, Listener
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.decode import decode_matrix
from model_rollouts.prometheus.history import recent_rate, stable_dispersion
from model_rollouts.rollout import History, HistoryQuery


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
        others = [
            (past.key, await self.dispersion(namespace, counted_by, past.counted))
            for past, counted_by in query.others
            if counted_by
        ]
        return History(
            await self.dispersion(namespace, query.served),
            scraped_ms=None,
            rate=await self._rate(namespace, query.served),
            others=tuple(others),
        )

    async def dispersion(
        self, namespace: str, revisions: Sequence[str], objective: CountedObjective | None = None
    ) -> Dispersion:
        """How bursty the bad answers of what served were, its errors by default."""
        return await stable_dispersion(
            self._prometheus.query_range,
            namespace,
            revisions,
            self._now_ms(),
            objective=objective,
            scrape_ms=self._grid.step_ms,
            batching=self._batching,
        )

    async def _rate(self, namespace: str, revisions: Sequence[str]) -> float | None:
        return await recent_rate(
            self._prometheus.query_range,
            namespace,
            revisions,
            self._now_ms(),
            batching=self._batching,
        )

    async def scraped_ms(self, namespace: str, revision: str) -> int | None:
        """When a pod of a revision was scraped last (Unix milliseconds), None when none was lately.

        Lately is within three scrape intervals.
        """
        text = range_selector(
            Template(PROXY, COMPLETED, Listener.LIVE),
            {namespace},
            {revision},
            3 * self._grid.step_ms,
            self._batching.labels,
            self._batching.matchers,
        )
        body = await self._prometheus.query(text, self._now_ms())
        times = [samples[-1][0] for _, samples in decode_matrix(body) if samples]
        return round(max(times) * 1000) if times else None

    def _now_ms(self) -> int:
        return round(self._clock() * 1000)
