"""Asks Prometheus what must be known before a candidate gets users, and is asked once for each."""

import time
from collections.abc import Callable, Sequence

from model_rollouts.decision import Dispersion
from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.objectives import COMPLETED, Template
from model_rollouts.metrics.selector import range_selector
from model_rollouts.metrics.sources import PROXY, Listener
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.decode import decode_matrix
from model_rollouts.prometheus.history import stable_dispersion


class Historian:
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

    async def dispersion(self, namespace: str, revisions: Sequence[str]) -> Dispersion:
        """How bursty the errors of what served were."""
        return await stable_dispersion(
            self._prometheus.query_range,
            namespace,
            revisions,
            self._now_ms(),
            scrape_ms=self._grid.step_ms,
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
