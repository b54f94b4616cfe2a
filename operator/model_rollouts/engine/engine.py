"""The running parts of the engine, joined: what feeds the queue, what works it off, what beats."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.events import EventRecorder
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from model_rollouts.cluster.watch import EventSource
from model_rollouts.engine.cluster_checks import Checker
from model_rollouts.engine.executor import Executor, Reach
from model_rollouts.engine.informer import Informer
from model_rollouts.engine.leadership import Alone, DeposedError, Leads
from model_rollouts.engine.lookup import look
from model_rollouts.engine.loops import lasting
from model_rollouts.engine.operator_metrics import OperatorMetrics, Shown
from model_rollouts.engine.other_budgets import OtherBudgets
from model_rollouts.engine.outage import Outage
from model_rollouts.engine.planning import Planner, Planning
from model_rollouts.engine.pod_reader import PodReader
from model_rollouts.engine.pods import Pods
from model_rollouts.engine.questions import AsksCases, AsksHistory, Questions
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.reconciler import Reconciler
from model_rollouts.engine.reports import Reports
from model_rollouts.engine.rights import Rights
from model_rollouts.engine.sessions import Sessions, Take
from model_rollouts.engine.sight import Sight
from model_rollouts.engine.store import Store
from model_rollouts.engine.ticker import SETTLE_S, Beat, Ticker

WORKERS = 12
URGENT_WORKERS = 4
"""They take urgent passes alone, when all others are busy, and carry out what protects users alone:
however slow the writes of others are, a rollback is not."""

DEAF_S = 300.0
"""So long without a watch, or in one request of a pass, and something is wrong that a restart may
cure. A request ends after 15 or 30 s, and is sent five times at most."""

FINISH_S = 20.0
DRAIN_S = 3.0
"""Together less than the 30 s that Kubernetes gives a pod to end."""

LOOKED_AT = 50
"""So many ModelDeployments are looked at in a row; a moment later the next ones."""

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
        pod_source: EventSource,
        recorder: EventRecorder,
        beats: Sequence[Beat],
        historian: AsksHistory,
        instruments: OperatorMetrics,
        observer: AsksCases | None = None,
        rights: Rights | None = None,
        namespaces: Sequence[str] = (),
        settle_s: float = SETTLE_S,
        clock: Callable[[], float] = time.time,
        reach: Reach = lambda point: None,
        outage: Outage | None = None,
        leadership: Leads | None = None,
    ) -> None:
        rights = rights or Rights(instruments)
        self.store = Store()
        self.queue = KeyedQueue()
        self.rollouts = Sessions(core.take)
        self._leadership = leadership or Alone()
        self._leadership.resumed = self._resume
        self._recorder = recorder
        self._sight = Sight(time.monotonic)
        self.supervisor = Informer(
            source=source,
            client=client,
            store=self.store,
            queue=self.queue,
            sight=self._sight,
            instruments=instruments,
            rights=rights,
            namespaces=namespaces,
        )
        self._executor = Executor(
            client,
            self.store,
            record=recorder.record if outage is None else outage.record,
            clock=clock,
            rights=rights,
            reach=reach,
            told=lambda key, word: instruments.transitions.labels(word).inc(),
            progress=self.queue.progressed,
        )
        self.questions = Questions(
            checker=Checker(client, namespaces),
            historian=historian,
            observer=observer,
            queue=self.queue,
            clock=clock,
            broke=instruments.broke,
        )
        self.pods = Pods(self.queue)
        self.budgets = OtherBudgets(client, self.store, self.queue, namespaces)
        self._pod_reader = PodReader(
            pods=self.pods, client=client, source=pod_source, instruments=instruments
        )
        self._instruments = instruments
        self._reconciler = Reconciler(
            store=self.store,
            queue=self.queue,
            rollouts=self.rollouts,
            planning=Planning(
                self.store,
                self._sight,
                core.plan,
                self.questions,
                self.pods,
                clock,
                rights,
                self.budgets,
            ),
            executor=self._executor,
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
            depth=lambda: self.queue.depth if self._leadership.leads.is_set() else 0,
            event_age=lambda: self.supervisor.event_age,
            unseen=lambda: (each.what for each in self._sight.unseen()),
            leads=lambda: self._leadership.left() > 0,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Stand by until this process leads, and work until `stop` is set.

        Then the passes in hand and what is to be recorded are finished. Raises DeposedError when
        another process leads instead.
        """
        leadership, broke = self._leadership, self._instruments.broke
        standing_by = (
            ("informer", self.supervisor.run),
            ("leadership", partial(leadership.run, self.supervisor.listed.is_set)),
        )
        async with asyncio.TaskGroup() as tasks:
            others = [tasks.create_task(lasting(*part, broke)) for part in standing_by]
            await _first(leadership.leads, stop)
            if leadership.leads.is_set():
                others += [tasks.create_task(lasting(*part, broke)) for part in self._leading()]
                workers = tasks.create_task(self._work())
                await _first(leadership.deposed, stop)
                if leadership.deposed.is_set():
                    others.append(workers)
                else:
                    _log.info("stopping: finishing the passes that have begun")
                    self.queue.close()
                    await self._finish(workers)
            for each in others:
                each.cancel()
        if leadership.deposed.is_set():
            raise DeposedError("another process leads")

    def _leading(self) -> Iterator[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """The parts that only who leads has."""
        yield from (("ticker", ticker.run) for ticker in self._tickers)
        yield "recorder", self._recorder.run
        yield "questions", self.questions.run
        yield "pods", self._pod_reader.run
        yield "budgets", self.budgets.run

    def alive(self) -> str | None:
        """What is wrong with this process, None while nothing is."""
        if self.supervisor.deaf_for > DEAF_S:
            return f"no watch for {self.supervisor.deaf_for:.0f} s"
        if self.queue.longest_running > DEAF_S:
            return f"a pass has made no progress for {self.queue.longest_running:.0f} s"
        return None

    def ready(self) -> str | None:
        """What is still to come before the first pass, None when it may begin."""
        if self.supervisor.listed.is_set():
            return self._leadership.trouble
        failed = [f"cannot {each.what}: {each.answer}" for each in self._sight.unseen()]
        return "; ".join(["the first listing is not complete yet", *failed])

    async def _work(self) -> None:
        await self.supervisor.listed.wait()
        async with asyncio.TaskGroup() as workers:
            workers.create_task(lasting("beginning", self._begin, self._instruments.broke))
            for number in range(WORKERS + URGENT_WORKERS):
                work = partial(self._reconciler.work, urgent=number >= WORKERS)
                workers.create_task(lasting("worker", work, self._instruments.broke))

    async def _begin(self) -> None:
        """Have those looked at first of which a version is judged: its users may need it."""
        for number, key in enumerate(self.store.models()):
            if not number % LOOKED_AT:
                await asyncio.sleep(0)
            model = self.store.get(MODEL_DEPLOYMENT, *key) or {}
            if (model.get("status") or {}).get("evidence"):
                self.queue.add(key, urgent=True)

    def _resume(self) -> None:
        """What could not be written is tried at once."""
        for key, session in self.rollouts:
            if session.failures.waiting():
                self.queue.forgive(key)
                self.queue.add(key, urgent=True)

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
                await self._executor.drain()
        except TimeoutError:
            _log.warning("writes did not end within %g s", DRAIN_S)
            unfinished.add(workers)
        if not unfinished:
            # Whoever leads next may write at once; else it waits until the Lease is over.
            await self._leadership.release()

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
                rollout.falls_back,
            )


async def _first(*events: asyncio.Event) -> None:
    """Return once one of them is set."""
    waiting = [asyncio.create_task(each.wait()) for each in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
