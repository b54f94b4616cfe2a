"""The observer's process: its parts put together, started, and stopped in order."""

import asyncio
import logging
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from model_rollouts.cluster import connection
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.requests import Requests
from model_rollouts.observer.capture.receiver import Certificate, Receiver
from model_rollouts.observer.capture.sequences import Sequences
from model_rollouts.observer.exporter.counters import Counters
from model_rollouts.observer.exporter.http import application
from model_rollouts.observer.identity import Identity, Speaker
from model_rollouts.observer.inputs import InputWatch
from model_rollouts.observer.intake import Intake
from model_rollouts.observer.pairing import Pairs
from model_rollouts.observer.settings import Models, ModelSettings
from model_rollouts.observer.store.table import PredictionTable
from model_rollouts.observer.store.writer import Writer

SETTLE_S = 1.0
LAST_COMMIT_S = 20.0
"""A pod has 30 s to end."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """How the process is run. `observer` is its id: no two that run may have the same."""

    observer: str
    log: str
    address: str
    port: int
    metrics_port: int
    certificate: Certificate | None
    kubeconfig: Path | None
    pair_ttl_s: float
    flush_s: float
    most_bytes: int
    storage_options: dict[str, str]


class FailedError(Exception):
    """The process cannot go on; the message says why."""


class Observer:
    """One observer with its parts."""

    def __init__(self, options: Options, client: ClusterClient) -> None:
        self._options = options
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._counters = Counters(self.registry)
        self._models = Models(client)
        self._sequences = Sequences()
        self._table = PredictionTable(options.log, options.observer, options.storage_options)
        self._writer = Writer(
            self._table,
            self._counters,
            self._retention,
            flush_s=options.flush_s,
            most_bytes=options.most_bytes,
        )
        self._intake = Intake(
            self._models,
            self._counters,
            self._sequences,
            Pairs(options.pair_ttl_s),
            self._writer.chunk,
            self._writer.why,
            ttl_s=options.pair_ttl_s,
        )
        self._inputs = InputWatch(
            client, self._models, self._counters, options.log, options.storage_options
        )
        self._receiver = Receiver(Identity(client), self)

    async def opened(self, speaker: Speaker) -> None:
        """A pod begins to speak; raises AwayError."""
        await self._intake.opened(speaker)

    def closed(self, speaker: Speaker) -> None:
        """A pod speaks no longer."""
        self._intake.closed(speaker)

    def refused(self, why: str) -> None:
        """A stream was refused."""
        self._intake.refused(why)

    def take(self, speaker: Speaker, is_shadow: bool, entries: Sequence[Any]) -> None:
        """A batch of records."""
        self._intake.take(speaker, is_shadow, entries)
        if self._writer.is_due():
            self._writer.seal(self._sequences.state())

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; raises FailedError, StorageError and OSError."""
        options = self._options
        state = await asyncio.to_thread(self._table.open)
        self._sequences.resume(state, time.time())
        self._writer.start()
        runner = web.AppRunner(
            application(self.registry, self._intake.worst, self._inputs.reports, self._ails),
            access_log=None,
        )
        await runner.setup()
        followers = [
            asyncio.create_task(each) for each in (self._models.follow(), self._inputs.follow())
        ]
        try:
            await web.TCPSite(runner, options.address, options.metrics_port).start()
            host = f"[{options.address}]" if ":" in options.address else options.address
            port = await self._receiver.start(f"{host}:{options.port}", options.certificate)
            _log.info("records are taken on port %d, metrics are on %d", port, options.metrics_port)
            await self._settle(stop)
        finally:
            await self._receiver.stop()
            for each in followers:
                each.cancel()
            self._writer.seal(self._sequences.state())
            is_whole = await asyncio.to_thread(self._writer.stop, LAST_COMMIT_S)
            await runner.cleanup()
        if self._writer.is_fenced:
            raise FailedError(self._writer.trouble)
        if not is_whole:
            raise FailedError(f"rows were not committed: {self._writer.trouble or 'no time left'}")

    async def _settle(self, stop: asyncio.Event) -> None:
        """What time decides, each second, until the end."""
        while not stop.is_set() and not self._writer.is_fenced:
            self._intake.settle()
            self._counters.waiting.set(self._writer.waiting_bytes)
            if self._writer.is_due():
                self._writer.seal(self._sequences.state())
            try:
                await asyncio.wait_for(stop.wait(), SETTLE_S)
            except TimeoutError:
                continue

    def _ails(self) -> str:
        # Storage that is away is no reason to be started again: pairs are counted without it.
        return self._writer.trouble if self._writer.is_fenced else ""

    def _retention(self, namespace: str, model: str) -> timedelta:
        settings = self._models.known().get((namespace, model)) or ModelSettings()
        return timedelta(seconds=settings.retention_s)


async def serve(options: Options) -> None:
    """Run an observer until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    configuration = await connection.load(options.kubeconfig)
    requests = Requests(configuration, user_agent="model-rollouts-observer")
    async with ClusterClient(requests) as client:
        await Observer(options, client).run(stop)
