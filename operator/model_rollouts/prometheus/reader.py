"""One tick against a real Prometheus: plan, ask, count."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

from model_rollouts.metrics.batching import Query
from model_rollouts.metrics.counts import Counted, Unavailable
from model_rollouts.metrics.intake import Answer, Failed, Intake
from model_rollouts.metrics.requests import Request
from model_rollouts.prometheus.client import QueryError
from model_rollouts.prometheus.decode import AnswerError, SeriesCache

Ask = Callable[[str, int], Awaitable[bytes]]
"""Ask a query at a time in milliseconds, for the body of the answer; raises QueryError."""

IN_FLIGHT = 4
"""Queries that are under way at once."""

GENERATION_S = 300.0
"""How long a series that is not seen any more stays known."""


class SampleReader:
    """Reads the samples of all active rollouts; one instance for the life of the operator."""

    def __init__(
        self, ask: Ask, intake: Intake, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._intake = intake
        self._clock = clock
        self._cache = SeriesCache(intake.batching.labels)
        self._turned = clock()

    async def tick(
        self, requests: Sequence[Request], now_ms: int
    ) -> dict[str, Counted | Unavailable]:
        """What every rollout counted up to the intervals that are closed at `now_ms`.

        Never raises for what Prometheus does: rollouts whose queries failed come back Unavailable.
        Raises InputError when two requests share a key or a revision.
        """
        if self._clock() - self._turned >= GENERATION_S:
            self._cache.turn()
            self._turned = self._clock()
        plan = self._intake.plan(requests, now_ms)
        slots = asyncio.Semaphore(IN_FLIGHT)
        answers = await asyncio.gather(*(self._answer(query, slots) for query in plan.queries))
        if self._intake.sparing:
            # Labels read anew once a minute cost less than those of every idle pod kept.
            self._cache = SeriesCache(self._intake.batching.labels)
        with _collector_paused():
            return self._intake.advance(plan, answers)

    async def _answer(self, query: Query, slots: asyncio.Semaphore) -> Answer:
        async with slots:
            try:
                body = await self._ask(query.text, query.at_ms)
                with _collector_paused():
                    return self._cache.decode(query.template, body)
            except (QueryError, AnswerError) as error:
                return Failed(f"{query.template.counter.metric}: {error}")


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the cycle collector away from a step that makes many objects and not one cycle.

    It would walk the whole heap for every few hundred samples: more than half of a tick's CPU.
    Nothing else runs meanwhile, for neither step waits.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
