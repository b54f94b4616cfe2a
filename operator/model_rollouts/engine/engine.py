"""The running parts of the engine, joined: what feeds the queue, what works it off, what beats."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.events import EventRecorder
from model_rollouts.cluster.watch import EventSource
from model_rollouts.engine.cluster_checks import Checker
from model_rollouts.engine.executor import Executor, Reach
from model_rollouts.engine.informer import Informer
from model_rollouts.engine.lookup import look
from model_rollouts.engine.loops import lasting
from model_rollouts.engine.operator_metrics import OperatorMetrics, Shown
from model_rollouts.engine.planning import Planner, Planning
from model_rollouts.engine.questions import AsksHistory, Questions
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.reconciler import Reconciler
from model_rollouts.engine.reports import Reports
from model_rollouts.engine.sessions import Sessions, Take
from model_rollouts.engine.store import Store
from model_rollouts.engine.ticker import SETTLE_S, Beat, Ticker

WORKERS = 12
URGENT_WORKERS = 4
"""They take urgent passes alone, when all others are busy, and carry out what protects users alone:
however slow the writes of others are, a rollback is not."""

DEAF_S = 300.0
"""So long without a watch, or in one request of a pass, and something is wrong that a restart may
cure. A request ends after 15 or 30 s, and is repeated five times at most."""

FINISH_S = 20.0
DRAIN_S = 3.0
"""Together less than the 30 s that Kubernetes gives a pod to end."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Core:
    """The decisions; the engine makes none."""

    plan: Planner
    take: Take


class Engine:
    """Runs until told to stop. A part that fails is started again: see `loops`."""

    def __init__(
        self,
        *,
        core: Core,
        client: ClusterClient,
        source: EventSource,
        recorder: EventRecorder,
        beats: Sequence[Beat],
        historian: AsksHistory,
        instruments: OperatorMetrics,
        namespaces: Sequence[str] = (),
        settle_s: float = SETTLE_S,
        clock: Callable[[], float] = time.time,
        reach: Reach = lambda point: None,
    ) -> None:
        self.store = Store()
        self.queue = KeyedQueue()
        self.rollouts = Sessions(core.take)
        self._recorder = recorder
        self.supervisor = Informer(
            source=source,
            client=client,
            store=self.store,
            queue=self.queue,
            instruments=instruments,
            namespaces=namespaces,
        )
        executor = Executor(
            client,
            self.store,
            record=recorder.record,
            clock=clock,
            reach=reach,
            told=lambda key, word: instruments.transitions.labels(word).inc(),
            progress=self.queue.progressed,
        )
        self.questions = Questions(
            checker=Checker(client, namespaces),
            historian=historian,
            queue=self.queue,
            clock=clock,
            broke=instruments.broke,
        )
        self._instruments = instruments
        self._reconciler = Reconciler(
            store=self.store,
            queue=self.queue,
            rollouts=self.rollouts,
            planning=Planning(self.store, core.plan, self.questions, clock),
            questions=self.questions,
            executor=executor,
            look=partial(look, client, self.store),
            reports=Reports(recorder.record, clock),
            instruments=instruments,
            clock=clock,
        )
        self._tickers = [
            Ticker(
                beat=beat,
                store=self.store,
                queue=self.queue,
                rollouts=self.rollouts,
                instruments=instruments,
                clock=clock,
                settle_s=settle_s,
            )
            for beat in beats
        ]
        instruments.follow(
            shown=self._shown,
            depth=lambda: self.queue.depth,
            event_age=lambda: self.supervisor.event_age,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then finish the passes in hand and what is to be recorded."""
        parts = (
            ("informer", self.supervisor.run),
            *(("ticker", ticker.run) for ticker in self._tickers),
            ("recorder", self._recorder.run),
            ("questions", self.questions.run),
        )
        async with asyncio.TaskGroup() as tasks:
            broke = self._instruments.broke
            others = [tasks.create_task(lasting(*part, broke)) for part in parts]
            workers = tasks.create_task(self._work())
            await stop.wait()
            _log.info("stopping: finishing the passes that have begun")
            self.queue.close()
            await self._finish(workers)
            for each in others:
                each.cancel()

    def alive(self) -> str | None:
        """What is wrong with this process, None while nothing is."""
        if self.supervisor.deaf_for > DEAF_S:
            return f"no watch for {self.supervisor.deaf_for:.0f} s"
        if self.queue.longest_running > DEAF_S:
            return f"a pass has made no progress for {self.queue.longest_running:.0f} s"
        return None

    def ready(self) -> str | None:
        """What is still to come before the first pass, None when it may begin."""
        return None if self.supervisor.listed.is_set() else "the first listing is not complete yet"

    async def _work(self) -> None:
        await self.supervisor.listed.wait()
        async with asyncio.TaskGroup() as workers:
            for number in range(WORKERS + URGENT_WORKERS):
                work = partial(self._reconciler.work, urgent=number >= WORKERS)
                workers.create_task(lasting("worker", work, self._instruments.broke))

    async def _finish(self, workers: asyncio.Task[None]) -> None:
        if not self.supervisor.listed.is_set():
            workers.cancel()
        _, unfinished = await asyncio.wait({workers}, timeout=FINISH_S)
        if unfinished:
            _log.warning("passes did not end within %g s", FINISH_S)
            workers.cancel()
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._recorder.drain()
        except TimeoutError:
            _log.warning("events were not written within %g s", DRAIN_S)

    def _shown(self) -> Iterator[Shown]:
        for key, rollout in self.rollouts:
            yield Shown(
                key.namespace,
                key.name,
                rollout.phase,
                rollout.serves_spec,
                rollout.available,
                rollout.failing,
                rollout.degraded,
            )
