"""The process: its parts put together, started, and stopped in order."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from prometheus_client.exposition import generate_latest

from model_rollouts.cluster import connection
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from model_rollouts.cluster.requests import Requests
from model_rollouts.cluster.watch import KopfSource
from model_rollouts.notifications.counters import Counters
from model_rollouts.notifications.courier import Courier, Pace
from model_rollouts.notifications.follower import Follower
from model_rollouts.notifications.intake import Intake
from model_rollouts.notifications.message import Message, Writer
from model_rollouts.notifications.settings import Settings, Wanted
from model_rollouts.notifications.store import Store
from model_rollouts.notifications.targets import catalogue
from model_rollouts.notifications.targets.target import Target

LAST_ANSWERS_S = 15.0
"""A pod has 30 s to end, and a target of HTTP 10 s to answer."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """How the process is run. Without `show`, messages are sent; with it, they are shown."""

    settings: Settings
    cursor: Path | None
    address: str
    port: int
    kubeconfig: Path | None
    namespaces: Sequence[str] = ()
    show: Callable[[str, Message], None] | None = None


class _Shown:
    """A target that is shown what it would get."""

    def __init__(self, name: str, show: Callable[[str, Message], None]) -> None:
        self._name = name
        self._show = show

    async def send(self, message: Message) -> None:
        """Show it."""
        self._show(self._name, message)

    async def close(self) -> None:
        """Nothing is open."""


async def serve(options: Options) -> None:
    """Run until SIGTERM or SIGINT. Raises StoreError and OSError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    configuration = await connection.load(options.kubeconfig)
    requests = Requests(configuration, user_agent="model-rollouts-notifications")
    async with ClusterClient(requests) as client:
        await _run(options, client, stop)


async def _run(options: Options, client: ClusterClient, stop: asyncio.Event) -> None:
    settings, counters = options.settings, Counters()
    store = Store(options.cursor, time.time())
    for name, number in store.drop_others([each.name for each in settings.targets]).items():
        _log.warning("target '%s' is not there any more: %d facts are dropped", name, number)
    writer = Writer(settings.cluster, settings.templates)
    targets = {each.name: _target(each, options) for each in settings.targets}
    couriers = [
        Courier(each.name, targets[each.name], store, writer, counters, _pace(settings, each))
        for each in settings.targets
    ]

    def wake() -> None:
        for each in couriers:
            each.wake()

    intake = Intake(store, settings.targets, settings.unavailable_after_s, wake)
    source = KopfSource(options.kubeconfig, options.namespaces, kinds=[MODEL_DEPLOYMENT])
    follower = Follower(source, client, intake, counters, options.namespaces)
    runner = web.AppRunner(_application(counters), access_log=None)
    await runner.setup()
    works: list[asyncio.Task[None]] = []
    try:
        await web.TCPSite(runner, options.address, options.port).start()
        _log.info("%d targets are told, metrics are on port %d", len(targets), options.port)
        works = [asyncio.create_task(follower.run())]
        works += [asyncio.create_task(each.run()) for each in couriers]
        await _until_ended(works, stop)
    finally:
        for courier in couriers:
            courier.end()
        await _ended(works[:1], 0.0)
        counters.watching.set(0)
        await _ended(works[1:], LAST_ANSWERS_S)
        for target in targets.values():
            await target.close()
        await runner.cleanup()
        store.close()


async def _until_ended(works: Sequence[asyncio.Task[None]], stop: asyncio.Event) -> None:
    """Wait for the signal; raises what ended a part before."""
    stopped = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([stopped, *works], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    for each in done:
        each.result()


async def _ended(works: Sequence[asyncio.Task[None]], within_s: float) -> None:
    """Wait for them so long, then no longer."""
    if works:
        await asyncio.wait(works, timeout=within_s)
    for each in works:
        each.cancel()
    await asyncio.gather(*works, return_exceptions=True)


def _target(wanted: Wanted, options: Options) -> Target:
    if options.show is not None:
        return _Shown(wanted.name, options.show)
    return catalogue.made(wanted.type, wanted.place(options.settings.folder))


def _pace(settings: Settings, wanted: Wanted) -> Pace:
    return Pace(
        settings.group_wait_s,
        settings.group_interval_s,
        settings.most_per_hour,
        settings.give_up_after_s,
        catalogue.ROWS[wanted.type].is_grouped,
    )


def _application(counters: Counters) -> web.Application:
    async def metrics(request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(counters.registry), headers={"Content-Type": CONTENT_TYPE}
        )

    async def health(request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    made = web.Application()
    made.router.add_get("/metrics", metrics)
    # A target or an API server that is away is no reason to be started again.
    made.router.add_get("/healthz", health)
    made.router.add_get("/readyz", health)
    return made
