"""What a plan needs and no watch tells is asked here, beside the passes: none ever waits for it.

Checks of the cluster do not wait for the past of a service, nor the other way round: each kind of
question has askers of its own. A question of a ModelDeployment is asked once at a time, and again
after a while until it is answered; the answer goes into the session, and the next pass plans with
it.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from model_rollouts.engine.answers import (
    NEVER,
    Absent,
    Answered,
    Buckets,
    Measured,
    Remembered,
    buckets_after,
    pods_of,
)
from model_rollouts.engine.cluster_checks import Checker, UnansweredError
from model_rollouts.engine.failures import Origin
from model_rollouts.engine.loops import Broke, lasting
from model_rollouts.engine.observer_client import ObserverError
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.sessions import Session
from model_rollouts.engine.store import Key
from model_rollouts.metrics.fallbacks import Given
from model_rollouts.prometheus.errors import AnswerError, QueryError
from model_rollouts.resources.shapes import Body
from model_rollouts.rollout import (
    Apply,
    BucketsQuery,
    CasesQuery,
    FallbackQuery,
    FallbackSeen,
    History,
    HistoryQuery,
    InputsSeen,
    Latencies,
    LatencyQuery,
    MirroredSizes,
    Need,
    Observed,
    SizesQuery,
    WorstCases,
)

ASKERS = 4
"""Questions of a kind that are under way at once; one about the past is some 30 queries."""

LONGEST_BACKOFF_S = 30.0

UNFORESEEN = "check the version before its start"
"""What failed when the operator itself did."""

INPUTS_AGAIN_S = 3_600.0
"""The observer looks at inputs once a day."""
INPUTS_TRY_S = 600.0
"""After no answer."""

_log = logging.getLogger(__name__)


class AsksHistory(Protocol):
    """Asks Prometheus about the past; raises QueryError or AnswerError."""

    async def past(self, namespace: str, query: HistoryQuery) -> History:
        """How bursty the bad answers of what served were, and how many requests it had lately."""

    async def usual(self, namespace: str, query: HistoryQuery) -> float | None:
        """Seconds within which what served answers as a rule; None while too little is known."""

    async def scraped_ms(self, namespace: str, query: HistoryQuery) -> int | None:
        """When the candidate was scraped last, None when it never was."""

    async def sizes(self, namespace: str, query: SizesQuery) -> MirroredSizes:
        """How large the requests of users and the mirrored ones were."""

    async def buckets(self, namespace: str, query: BucketsQuery) -> Buckets:
        """The edges of those that were scraped; it raises neither for what is not answered."""

    async def latencies(self, namespace: str, query: LatencyQuery) -> Latencies:
        """How long requests and their stages took."""

    async def fallback(
        self, namespace: str, query: FallbackQuery
    ) -> tuple[Mapping[str, Given], Mapping[str, bool]]:
        """`FallbackSeen.answers` and `.reached`."""


class AsksCases(Protocol):
    """Asks the observer which answers differ most; raises ObserverError."""

    async def cases(
        self, namespace: str, model: str, query: CasesQuery
    ) -> Mapping[str, tuple[str, ...]]:
        """Prediction ids by objective, the worst first."""

    async def inputs(self, namespace: str, model: str, reference: str) -> InputsSeen:
        """Which inputs moved since the reference with that digest, to be asked again never."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question on behalf of a session, as of `seen`; what is asked follows from the plan."""

    session: Session
    seen: Observed
    tries: Apply | None = None
    alike: Mapping[str, Body] = field(default_factory=dict)
    history: HistoryQuery | None = None
    sizes: SizesQuery | None = None
    cases: CasesQuery | None = None
    buckets: BucketsQuery | None = None
    fallback: FallbackQuery | None = None
    latencies: LatencyQuery | None = None
    inputs: str | None = None
    silent: tuple[str, ...] = ()

    @property
    def generation(self) -> int:
        """The generation of the spec that it is asked for."""
        found: int = self.seen.obj["metadata"]["generation"]
        return found

    def is_same(self, other: "Question") -> bool:
        """Whether an answer to the one is an answer to the other."""
        return self.session is other.session and self._asked == other._asked

    @property
    def _asked(self) -> tuple[object, ...]:
        beside = (self.sizes, self.cases, self.buckets, self.fallback, self.latencies, self.inputs)
        return self.generation, self.tries, self.history, *beside, self.silent


@dataclass(slots=True)
class _Lane:
    """The questions of one kind that are open."""

    queue: KeyedQueue
    open: dict[Key, Question] = field(default_factory=dict)


class Questions:
    """All that are open. `clock` is in Unix seconds, `ticks` in those of the queues."""

    def __init__(
        self,
        *,
        checker: Checker,
        historian: AsksHistory,
        queue: KeyedQueue,
        observer: AsksCases | None = None,
        clock: Callable[[], float],
        ticks: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        broke: Broke = lambda part: None,
    ) -> None:
        self._broke = broke
        self._checker = checker
        self._historian = historian
        self._observer = observer
        self._queue = queue
        self._clock = clock
        self._lanes = {need: _Lane(KeyedQueue(ticks, jitter, LONGEST_BACKOFF_S)) for need in Need}

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for need in Need:
                for _ in range(ASKERS):
                    work = partial(self._work, need)
                    tasks.create_task(lasting("asker", work, self._broke))

    def ask(self, key: Key, need: Need, question: Question, *, is_awaited: bool = True) -> None:
        """Have it answered, unless the same is asked already.

        `is_awaited`: there is no answer yet that a plan could be made with.
        """
        lane = self._lanes[need]
        before = lane.open.get(key)
        lane.open[key] = question
        if before is None or not before.is_same(question):
            self._close(key, need, before)
            lane.queue.forgive(key)
            lane.queue.add(key)
        if is_awaited:
            question.session.asked.setdefault(need, self._clock())

    def drop(self, key: Key, need: Need) -> None:
        """It is asked no more; an answer that is under way is for nobody."""
        self._close(key, need, self._lanes[need].open.pop(key, None))

    def forget(self, key: Key) -> None:
        """Its ModelDeployment is gone."""
        for need in Need:
            self.drop(key, need)

    def is_open(self, key: Key, need: Need) -> bool:
        """Whether such a question is open."""
        return key in self._lanes[need].open

    async def step(self, need: Need) -> bool:
        """Ask the next question of a kind that is due; False when there is none now."""
        key = self._lanes[need].queue.take()
        if key is not None:
            await self._ask(need, key)
        return key is not None

    async def _work(self, need: Need) -> None:
        queue = self._lanes[need].queue
        while (key := await queue.get()) is not None:
            await self._ask(need, key)

    async def _ask(self, need: Need, key: Key) -> None:
        lane = self._lanes[need]
        question = lane.open.get(key)
        is_answered = question is None
        try:
            if question is not None:
                is_answered = await self._is_answered(need, key, question)
        finally:
            lane.queue.done(key, failed=not is_answered)

    async def _is_answered(self, need: Need, key: Key, question: Question) -> bool:
        asks = {
            Need.CHECK: self._check,
            Need.HISTORY: self._remember,
            Need.SIZES: self._measure,
            Need.BUCKETS: self._look_at_buckets,
            Need.FALLBACK: self._look_at_fallback,
            Need.LATENCIES: self._time,
            Need.CASES: self._look_at_cases,
            Need.INPUTS: self._look_at_inputs,
            Need.PARENTS: self._look_for_parents,
        }
        try:
            await asks[need](key, question)
        except UnansweredError as error:
            if need is Need.CHECK:
                self._failed(key, question, error)
            return False
        except ObserverError as error:
            _log.info("%s: which answers differ most is not known: %s", key, error)
            return False
        except (QueryError, AnswerError) as error:
            self._is_blind(key, question, str(error))
            return False
        return True

    async def _check(self, key: Key, question: Question) -> None:
        session = question.session
        try:
            known = session.answered
            unclean = None if known is None or known.is_clean else known.checked
            checked = await self._checker.check(
                question.seen, question.tries, unclean, question.alike
            )
        except UnansweredError:
            raise
        except Exception as error:
            _log.exception("%s: not checked", key)
            answer = f"the operator failed with {type(error).__name__}: {error}"
            raise UnansweredError(UNFORESEEN, answer) from error
        if not self._is_current(Need.CHECK, key, question):
            return
        before, now = session.answered, self._clock()
        session.answered = (
            Answered(checked, now) if before is None else before.followed_by(checked, now)
        )
        self._answered(key, Need.CHECK, session.answered.again_at)
        if session.answered.same == 0:
            self._queue.add(key)

    async def _remember(self, key: Key, question: Question) -> None:
        session, query = question.session, question.history
        assert query is not None  # it is what is asked
        try:
            history = await self._history(question, query)
        except (QueryError, AnswerError):
            raise
        except Exception as error:
            _log.exception("%s: the past is not known", key)
            message = f"the operator failed with {type(error).__name__}: {error}"
            raise QueryError(message) from error
        if not self._is_current(Need.HISTORY, key, question):
            return
        pods = pods_of(query.candidate, question.seen.children.deployments)
        found = Remembered(query, question.generation, history, self._clock(), pods)
        before = session.history
        session.history = found if before is None else before.followed_by(found)
        self._answered(key, Need.HISTORY, session.past_again_at(question.seen.children))
        if session.history.same == 0:
            self._queue.add(key)

    async def _measure(self, key: Key, question: Question) -> None:
        query = question.sizes
        assert query is not None  # it is what is asked
        namespace = question.seen.obj["metadata"]["namespace"]
        try:
            found = await self._historian.sizes(namespace, query)
        except Exception as error:
            # It is only told: nobody waits for it, and the next question comes soon.
            ours = None if isinstance(error, (QueryError, AnswerError)) else error
            _log.warning("%s: how large requests are is not known: %s", key, error, exc_info=ours)
            found = MirroredSizes(query.since_ms, query.looked)
        if self._is_current(Need.SIZES, key, question):
            question.session.sizes = found
            self._answered(key, Need.SIZES, NEVER)

    async def _look_at_buckets(self, key: Key, question: Question) -> None:
        query, session = question.buckets, question.session
        assert query is not None  # it is what is asked
        try:
            found = await self._historian.buckets(key.namespace, query)
        except Exception as error:
            _log.exception("%s: buckets of histograms are not known", key)
            why = f"the operator failed with {type(error).__name__}: {error}"
            found = Buckets({}, {own.text: why for own, _ in query.histograms})
        for histogram, why in found.unanswered.items():
            _log.warning("%s: buckets of %s are not known: %s", key, histogram, why)
        if not self._is_current(Need.BUCKETS, key, question):
            return
        session.buckets = buckets_after(session.buckets, query, found, self._clock())
        self._answered(key, Need.BUCKETS, NEVER)
        # The next plan is made with them, or says when they are asked for again.
        self._queue.add(key)

    async def _look_at_fallback(self, key: Key, question: Question) -> None:
        query, session = question.fallback, question.session
        assert query is not None  # it is what is asked
        answers: Mapping[str, Given] = {}
        reached: Mapping[str, bool] = {}
        try:
            answers, reached = await self._historian.fallback(key.namespace, query)
        except Exception as error:
            # What holds is that nothing is known, and that Prometheus is away is told elsewhere.
            ours = None if isinstance(error, (QueryError, AnswerError)) else error
            _log.warning("%s: what fallbacks do is not known: %s", key, error, exc_info=ours)
        if self._is_current(Need.FALLBACK, key, question):
            again_at = self._clock() + query.every
            session.fallback = FallbackSeen(query, again_at, answers, reached)
            self._answered(key, Need.FALLBACK, NEVER)
            # The next plan is made with it, and says when it is asked again.
            self._queue.add(key)

    async def _time(self, key: Key, question: Question) -> None:
        query = question.latencies
        assert query is not None  # it is what is asked
        try:
            found = await self._historian.latencies(key.namespace, query)
        except Exception as error:
            # It is only told: nobody waits for it, and it is asked again with more requests.
            ours = None if isinstance(error, (QueryError, AnswerError)) else error
            _log.warning("%s: how long requests took is not known: %s", key, error, exc_info=ours)
            found = Latencies(query)
        if self._is_current(Need.LATENCIES, key, question):
            question.session.latencies = found
            self._answered(key, Need.LATENCIES, NEVER)

    async def _look_at_cases(self, key: Key, question: Question) -> None:
        query, session = question.cases, question.session
        assert query is not None  # it is what is asked
        found: Mapping[str, tuple[str, ...]] = {}
        if self._observer is not None:
            try:
                found = await self._observer.cases(key.namespace, key.name, query)
            except ObserverError:
                raise
            except Exception as error:
                _log.exception("%s: which answers differ most is not known", key)
                raise ObserverError(f"the operator failed with {type(error).__name__}") from error
        if not self._is_current(Need.CASES, key, question):
            return
        before, session.cases = session.cases, WorstCases(query, found)
        self._answered(key, Need.CASES, NEVER)
        if found and (before is None or before.ids != found):
            self._queue.add(key)

    async def _look_at_inputs(self, key: Key, question: Question) -> None:
        digest, session = question.inputs, question.session
        assert digest is not None  # it is what is asked
        found = session.inputs
        every = INPUTS_AGAIN_S
        if self._observer is not None:
            try:
                found = await self._observer.inputs(key.namespace, key.name, digest)
            except Exception as error:
                # It is only told. What was known stays so, and a day has time for another try.
                ours = None if isinstance(error, ObserverError) else error
                _log.warning("%s: what inputs do is not known: %s", key, error, exc_info=ours)
                every = INPUTS_TRY_S
        if found is None or found.asked != digest:
            found = InputsSeen(digest, 0.0)
        if not self._is_current(Need.INPUTS, key, question):
            return
        session.inputs = replace(found, again_at=self._clock() + every)
        self._answered(key, Need.INPUTS, NEVER)
        # The next plan is made with it, and says when it is asked again.
        self._queue.add(key)

    async def _look_for_parents(self, key: Key, question: Question) -> None:
        session = question.session
        names = await self._checker.absent(question.silent)
        if not self._is_current(Need.PARENTS, key, question):
            return
        before, found = session.absent, Absent(question.silent, names, self._clock())
        session.absent = found if before is None else before.followed_by(found)
        self._answered(key, Need.PARENTS, session.absent.again_at)
        if names != (frozenset() if before is None else before.names):
            self._queue.add(key)

    async def _history(self, question: Question, query: HistoryQuery) -> History:
        session, now = question.session, self._clock()
        namespace = question.seen.obj["metadata"]["namespace"]
        known = session.measured
        if known is None or not await self._holds(known, namespace, query, now):
            known = Measured(query, await self._historian.past(namespace, query), now)
            session.measured = known
        if query.candidate is None:
            return known.history
        scraped = await self._historian.scraped_ms(namespace, query)
        return replace(known.history, candidate=query.candidate, scraped_ms=scraped)

    async def _holds(
        self, known: Measured, namespace: str, query: HistoryQuery, now: float
    ) -> bool:
        if not known.holds_for(query, now):
            return False
        # A service that has just begun has soon answered enough.
        lacking = query.edges and known.history.usual is None
        return not lacking or await self._historian.usual(namespace, query) is None

    def _is_current(self, need: Need, key: Key, question: Question) -> bool:
        """Whether an answer is still asked for: a later question may be another one."""
        now = self._lanes[need].open.get(key)
        return now is not None and now.is_same(question)

    def _answered(self, key: Key, need: Need, again_at: float) -> None:
        self._close(key, need, self._lanes[need].open.pop(key, None))
        if again_at != NEVER:
            self._queue.add(key, after=max(again_at - self._clock(), 0.0))

    def _failed(self, key: Key, question: Question, error: UnansweredError) -> None:
        if self._is_current(Need.CHECK, key, question):
            failures = question.session.failures
            failures.failed(Origin.CHECK, error.what, error.answer, is_refusal=error.is_refusal)
            # A check ends at the first thing that fails.
            failures.settle(Origin.CHECK, {error.what})
            self._queue.add(key)

    def _is_blind(self, key: Key, question: Question, message: str) -> None:
        session = question.session
        if not self._is_current(Need.HISTORY, key, question):
            return
        if session.metrics_error != message:
            self._queue.add(key)
        session.metrics_error, session.past_failed = message, True

    def _close(self, key: Key, need: Need, question: Question | None) -> None:
        """What was told of a question that is no longer asked is over."""
        if question is None:
            return
        session = question.session
        session.asked.pop(need, None)
        was_told = need is Need.CHECK and session.failures.settle(Origin.CHECK)
        if need is Need.HISTORY and session.past_failed:
            session.metrics_error, session.past_failed, was_told = None, False, True
        if was_told:
            self._queue.add(key)
