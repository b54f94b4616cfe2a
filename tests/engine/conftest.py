"""An engine on the real API server, with planners of the tests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.cluster import connection
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.events import EventRecorder
from model_rollouts.cluster.requests import Requests
from model_rollouts.cluster.watching import KopfSource
from model_rollouts.decision import Dispersion
from model_rollouts.engine.carrying_out import Reach
from model_rollouts.engine.engine import Core, Engine
from model_rollouts.engine.instruments import Instruments
from model_rollouts.engine.reconcile import Planner
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.measured import Request
from model_rollouts.metrics.records import Counted, Unavailable
from tests.engine.planners import take


class SilentReader:
    """A Prometheus that is never asked."""

    async def tick(
        self, requests: Sequence[Request], now_ms: int
    ) -> Mapping[str, Counted | Unavailable]:
        """Fails: nothing is measured here."""
        raise AssertionError(requests)


class NoHistory:
    """Fails: nothing is compared here."""

    async def dispersion(self, namespace: str, revisions: Sequence[str]) -> Dispersion:
        """Fails."""
        raise AssertionError((namespace, revisions))

    async def scraped_ms(self, namespace: str, revision: str) -> int | None:
        """Fails."""
        raise AssertionError((namespace, revision))


class Cluster:
    """The namespace of a test, and engines that run in it."""

    def __init__(self, client: ClusterClient, server: ApiServer, namespace: str) -> None:
        self.client = client
        self.server = server
        self.namespace = namespace
        self.answers: list[tuple[str, str, str]] = []

    @contextlib.asynccontextmanager
    async def running(
        self, planner: Planner, reach: Reach = lambda point: None, source: Any = None
    ) -> AsyncIterator[Engine]:
        """An engine that is at work, and has ended gracefully after that."""
        instruments = Instruments("test")
        stop = asyncio.Event()
        engine = Engine(
            core=Core(planner, take),
            client=self.client,
            source=source or KopfSource(self.server.kubeconfig, (self.namespace,)),
            recorder=EventRecorder(self.client, "test"),
            readers={0: SilentReader()},
            historian=NoHistory(),
            grid=Grid(),
            instruments=instruments,
            namespaces=(self.namespace,),
            reach=reach,
        )
        running = asyncio.create_task(engine.run(stop))
        try:
            yield engine
        finally:
            stop.set()
            await running


@pytest.fixture
def with_cluster(api_server: ApiServer, namespace: str) -> Callable[[Any], None]:
    """Runs an async test with a `Cluster`."""

    def run(test: Callable[[Cluster], Any]) -> None:
        async def go() -> None:
            configuration = await connection.load(api_server.kubeconfig)
            answers: list[tuple[str, str, str]] = []
            requests = Requests(
                configuration,
                user_agent="test",
                observe=lambda verb, resource, code: answers.append((verb, resource, code)),
            )
            async with ClusterClient(requests) as client:
                cluster = Cluster(client, api_server, namespace)
                cluster.answers = answers
                await test(cluster)

        asyncio.run(go())

    return run


async def until(holds: Callable[[], Any], complaint: str, seconds: float = 20.0) -> Any:
    """What `holds` gives once it is true (it may be a coroutine); fails after `seconds`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        found = holds()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert loop.time() < deadline, f"{complaint} within {seconds:.0f} s"
        await asyncio.sleep(0.02)
