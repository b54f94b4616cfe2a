"""An engine on the real API server, with planners of the tests."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.events import EventRecorder
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT, POD, Kind
from model_rollouts.cluster.watch import KopfSource
from model_rollouts.engine.answers import Buckets
from model_rollouts.engine.engine import Core, Engine
from model_rollouts.engine.executor import Reach
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.planning import Planner
from model_rollouts.engine.rights import Rights
from model_rollouts.engine.ticker import Beat
from model_rollouts.metrics.counts import Counted, Unavailable
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.grid import Grid, sparing_grid
from model_rollouts.metrics.requests import Request
from model_rollouts.rollout.observed import (
    BucketsQuery,
    FallbackQuery,
    History,
    Latencies,
    LatencyQuery,
    MirroredSizes,
)
from model_rollouts.rollout.policies.needs import HistoryQuery, SizesQuery
from tests.api.objects import changed
from tests.engine.planners import take
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.kubernetes_clients import connected, until


class BlindReader:
    """A Prometheus that is away: what serves is watched, and may be asked about at any time."""

    delay_ms = 0

    async def tick(
        self, requests: Sequence[Request], now_ms: int
    ) -> Mapping[str, Counted | Unavailable]:
        """Nothing for anybody."""
        away = Unavailable(Finding(Reason.METRICS_UNAVAILABLE, "", (), "it is away"))
        return {request.rollout.key: away for request in requests}


class NoHistory:
    """Fails: nothing is compared here."""

    async def past(self, namespace: str, query: HistoryQuery) -> History:
        """Fails."""
        raise AssertionError((namespace, query))

    async def usual(self, namespace: str, query: HistoryQuery) -> float | None:
        """Fails."""
        raise AssertionError((namespace, query))

    async def scraped_ms(self, namespace: str, query: HistoryQuery) -> int | None:
        """Fails."""
        raise AssertionError((namespace, query))

    async def sizes(self, namespace: str, query: SizesQuery) -> MirroredSizes:
        """Fails."""
        raise AssertionError((namespace, query))

    async def buckets(self, namespace: str, query: BucketsQuery) -> Buckets:
        """Fails."""
        raise AssertionError((namespace, query))

    async def fallback(self, namespace: str, query: FallbackQuery) -> Any:
        """Fails."""
        raise AssertionError((namespace, query))

    async def latencies(self, namespace: str, query: LatencyQuery) -> Latencies:
        """Nothing: what is told beside the passes is another test's."""
        return Latencies(query)


class Cluster:
    """The namespace of a test, and engines that run in it."""

    def __init__(self, client: ClusterClient, proxy: FaultProxy, namespace: str) -> None:
        self.client = client
        self.proxy = proxy
        self.namespace = namespace
        self.instruments: OperatorMetrics
        self.writes: list[tuple[str, str, str]] = []

    @contextlib.asynccontextmanager
    async def running(
        self, planner: Planner, reach: Reach = lambda point: None
    ) -> AsyncIterator[Engine]:
        """An engine that is at work behind the proxy, and has ended gracefully after that."""
        stop = asyncio.Event()
        self.instruments = OperatorMetrics("test")
        rights = Rights(self.instruments)
        async with connected(self.proxy.kubeconfig, self._observe) as client:
            engine = Engine(
                core=Core(planner, take),
                client=client,
                source=KopfSource(
                    self.proxy.kubeconfig, (self.namespace,), leaves_out=rights.is_unread
                ),
                pod_source=KopfSource(self.proxy.kubeconfig, (self.namespace,), kinds=(POD,)),
                recorder=EventRecorder(client, "test"),
                beats=(
                    Beat(Grid(), {0: BlindReader()}),
                    Beat(sparing_grid(Grid()), {0: BlindReader()}, sparing=True),
                ),
                historian=NoHistory(),
                instruments=self.instruments,
                rights=rights,
                namespaces=(self.namespace,),
                reach=reach,
            )
            running = asyncio.create_task(engine.run(stop))
            try:
                await until(
                    lambda: engine.supervisor.deaf_for == 0 or running.done(),
                    "the watch did not stand",
                )
                yield engine
            finally:
                stop.set()
                await running

    def _observe(self, verb: str, resource: str, code: str) -> None:
        if verb != "GET":
            self.writes.append((verb, resource, code))

    async def create_model(self, name: str = "arrival", replicas: int = 2) -> Any:
        """A ModelDeployment."""
        changes = {
            "metadata.namespace": self.namespace,
            "metadata.name": name,
            "spec.replicas": replicas,
        }
        return await self.client.create(changed(changes))

    async def change_spec(self, path: str, value: Any, name: str = "arrival") -> Any:
        """The ModelDeployment with another spec."""
        model = await self.get(MODEL_DEPLOYMENT, name)
        return await self.client.apply(_applicable(changed({path: value}, model)))

    async def get(self, kind: Kind, name: str) -> Any:
        """An object of the namespace."""
        return await self.client.get(kind, self.namespace, name)

    async def all(self, kind: Kind) -> list[Any]:
        """All objects of a kind in the namespace."""
        pages = self.client.pages(kind, self.namespace)
        return [obj async for page in pages for obj in page.items]

    def tell(self, server: ApiServer, obj: Any, status: dict[str, Any]) -> None:
        """Write a status, as the controller of another kind would."""
        place = (f"{obj['kind']}/{obj['metadata']['name']}", "-n", self.namespace)
        patch = json.dumps({"status": status})
        server.kubectl("patch", *place, "--subresource=status", "--type=merge", "-p", patch)

    async def status(self, name: str = "arrival") -> dict[str, Any]:
        """What the status tells."""
        model = await self.get(MODEL_DEPLOYMENT, name) or {}
        found: dict[str, Any] = model.get("status") or {}
        return found

    async def conditions(self) -> dict[str, str]:
        """The conditions of its status, by their type."""
        status = await self.status()
        return {each["type"]: each["status"] for each in status.get("conditions", [])}

    async def await_message(self, message: str, name: str = "arrival") -> None:
        """Return once the status has that message."""

        async def told() -> bool:
            return (await self.status(name)).get("message") == message

        await until(told, f"the status of {name} did not tell '{message}'")


def _applicable(model: dict[str, Any]) -> dict[str, Any]:
    metadata = {name: model["metadata"][name] for name in ("name", "namespace")}
    kept = {key: model[key] for key in ("apiVersion", "kind", "spec")}
    return {**kept, "metadata": metadata}


Test = Callable[[Cluster], Awaitable[None]]


@pytest.fixture
def with_cluster(api_server: ApiServer, namespace: str, tmp_path: Path) -> Callable[[Test], None]:
    """Runs a test with a `Cluster`."""

    async def go(test: Test) -> None:
        async with (
            fault_proxy(api_server, tmp_path) as proxy,
            connected(api_server.kubeconfig) as client,
        ):
            await test(Cluster(client, proxy, namespace))

    return lambda test: asyncio.run(go(test))
