"""One tick against a real Prometheus: plan, ask, count."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import islice

from model_rollouts.metrics.answers import Counting, Failed, Shown
from model_rollouts.metrics.batching import Query
from model_rollouts.metrics.counts import Counted, Unavailable
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.requests import Request
from model_rollouts.prometheus.decode import SeriesCache
from model_rollouts.prometheus.errors import AnswerError, QueryError, Smaller
from model_rollouts.prometheus.splits import EXTRA_QUERIES, Outcome, Splits

Ask = Callable[[str, int, str], Awaitable[bytes]]
"""Ask a query at a time in milliseconds, about a namespace, for the body of the answer.

Raises QueryError.
"""

IN_FLIGHT = 4
"""Queries that are under way at once."""

AT_ONCE = 20
"""Rollouts that are counted in a row: a few milliseconds."""

GENERATION_S = 300.0
"""How long a series that is not seen any more stays known."""


class SampleReader:
    """Reads the samples of all active rollouts; one instance for the life of the operator.

    `heard` is told what came of each reading: why nothing at all was answered, or None.
    """

    def __init__(
        self,
        ask: Ask,
        intake: Intake,
        clock: Callable[[], float] = time.monotonic,
        heard: Callable[[str | None], None] = lambda failure: None,
    ) -> None:
        self._ask = ask
        self._intake = intake
        self._clock = clock
        self._heard = heard
        self._cache = SeriesCache(intake.batching.labels)
        self._splits = Splits(intake.batching, clock)
        self._turned = clock()

    @property
    def delay_ms(self) -> int:
        """How late the samples of most rollouts are (ms); so much later they are asked for."""
        return self._intake.delay_ms

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
        self._cache.begin()
        plan = self._intake.plan(requests, now_ms)
        counted: dict[str, Counted | Unavailable] = {}
        reading = _Reading(self._intake.counting(plan), counted)
        asked = [each for each in await self._read(plan.queries, reading) if each.asked]
        if asked:
            self._heard(_outage(asked))
        if self._intake.sparing:
            # Labels read anew once a minute cost less than those of every idle pod kept.
            self._cache = SeriesCache(self._intake.batching.labels)
        await reading.end(plan.until_ms)
        return counted

    async def _read(self, queries: Sequence[Query], reading: "_Reading") -> list[Outcome]:
        """What came of the queries; one that failed is asked in halves, as far as this may help."""
        slots = asyncio.Semaphore(IN_FLIGHT)
        left, outcomes = EXTRA_QUERIES, list[Outcome]()
        waiting = [(root, query, False) for root, query in self._splits.begin(queries)]
        while waiting:
            found = await asyncio.gather(
                *(self._outcome(*each, slots, reading) for each in waiting), return_exceptions=True
            )
            waiting = []
            for each in found:
                if isinstance(each, BaseException):
                    raise each
                halves = self._splits.halves(each, left)
                if halves is None:
                    outcomes.append(each)
                    if isinstance(each.answer, Failed):
                        await reading.take(each.query, each.answer)
                else:
                    left -= len(halves)
                    waiting += [(each.root, half, True) for half in halves]
        self._splits.end(outcomes)
        return outcomes

    async def _outcome(
        self,
        root: int,
        query: Query,
        is_split: bool,
        slots: asyncio.Semaphore,
        reading: "_Reading",
    ) -> Outcome:
        quiet = self._splits.quiet(query)
        if quiet is not None:
            return Outcome(query, quiet, Smaller.NO_HELP, root, asked=False)
        async with slots:
            try:
                body = await self._ask(query.text, query.at_ms, query.namespace)
                with _COLLECTOR_PAUSED:
                    # What was counted is not held until the others are answered.
                    await reading.take(query, self._cache.decode(query.templates, body))
            except (QueryError, AnswerError) as error:
                return Outcome(query, Failed(str(error)), error.smaller, root, is_split)
        return Outcome(query, (), None, root, is_split)


class _Reading:
    """Counts what comes back, some rollouts at a time: whoever else waits has its turn between."""

    def __init__(self, counting: Counting, counted: dict[str, Counted | Unavailable]) -> None:
        self._counting = counting
        self._counted = counted

    async def take(self, query: Query, answer: Iterable[Shown] | Failed) -> None:
        """Take the answer to a query."""
        await self._count(self._counting.take(query, answer))

    async def end(self, keys: Iterable[str]) -> None:
        """Count those that nothing was asked about."""
        await self._count(self._counting.rest(keys))

    async def _count(self, found: Iterator[tuple[str, Counted | Unavailable]]) -> None:
        while True:
            some = dict(islice(found, AT_ONCE))
            if not some:
                return
            self._counted |= some
            await asyncio.sleep(0)


def _outage(asked: Sequence[Outcome]) -> str | None:
    """Why nothing at all was answered, None when something was, or one rollout alone is guilty."""
    failures = [each.answer.message for each in asked if isinstance(each.answer, Failed)]
    guilty = {each.smaller for each in asked} == {Smaller.HELPS}
    alone = len({key for each in asked for key in each.query.keys}) == 1
    return failures[0] if len(failures) == len(asked) and not (guilty and alone) else None


class _Pause:
    """Keeps the cycle collector away while an answer is there, which has not one cycle.

    It would walk all samples again and again: a fifth of a tick's CPU. What counts them lets others
    have their turn and waits for nothing, so that it takes no longer than its CPU; several may do
    so at once.
    """

    def __init__(self) -> None:
        self._holders = 0
        self._was_enabled = False

    def __enter__(self) -> None:
        if not self._holders:
            self._was_enabled = gc.isenabled()
            gc.disable()
        self._holders += 1

    def __exit__(self, *_: object) -> None:
        self._holders -= 1
        if not self._holders and self._was_enabled:
            gc.enable()


_COLLECTOR_PAUSED = _Pause()
