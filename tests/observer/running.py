"""A whole observer in this process, and pods that speak to it by gRPC."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import grpc
from ephemeral_port_reserve import reserve
from prometheus_client.parser import text_string_to_metric_families

from model_rollouts.cluster import connection
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.requests import Requests
from model_rollouts.observer.capture.messages import METHOD
from model_rollouts.observer.process import Observer, Options

WITHIN_S = 120.0


def options(folder: Path, kubeconfig: Path) -> Options:
    return Options(
        observer="observer-0",
        log=str(folder / "log"),
        address="127.0.0.1",
        port=reserve(),
        metrics_port=reserve(),
        certificate=None,
        kubeconfig=kubeconfig,
        pair_ttl_s=60.0,
        flush_s=0.2,
        most_bytes=8 * 1024 * 1024,
        storage_options={},
    )


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(WITHIN_S):
        while not await condition():
            await asyncio.sleep(0.05)


class Scraped:
    """The endpoints of an observer."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text."""
        async with aiohttp.ClientSession() as session, session.get(self._url + path) as answer:
            return answer.status, await answer.text()

    async def value(self, name: str, **labels: str) -> float:
        """The sum of all series that have these labels; 0 also when nothing is served yet."""
        try:
            _, text = await self.get("/metrics")
        except aiohttp.ClientError:
            return 0.0
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == f"model_rollouts_observer_{name}"
            and labels.items() <= sample.labels.items()
        )

    async def shows(self, expected: float, name: str, **labels: str) -> None:
        """Wait until it has this value, and say what it has when that never comes."""
        found = [-1.0]

        async def has() -> bool:
            found[0] = await self.value(name, **labels)
            return found[0] == expected

        try:
            await eventually(has)
        except TimeoutError:
            raise AssertionError(f"{name}{labels}: {found[0]}, expected {expected}") from None


class Pod:
    """A pod's stream to an observer."""

    def __init__(self, channel: Any, token: str) -> None:
        method = channel.stream_unary(METHOD)
        self._call = method(metadata=(("authorization", f"Bearer {token}"),))

    async def send(self, batch: Any) -> None:
        """Send a batch."""
        await self._call.write(batch.SerializeToString())

    async def refusal(self) -> tuple[grpc.StatusCode, str]:
        """How the stream ended."""
        return await self._call.code(), await self._call.details()


@asynccontextmanager
async def observing(made: Options) -> AsyncIterator[Scraped]:
    """An observer that runs, and ends well."""
    stop = asyncio.Event()
    requests = Requests(await connection.load(made.kubeconfig), user_agent="test")
    async with ClusterClient(requests) as client:
        task = asyncio.create_task(Observer(made, client).run(stop))
        try:
            yield Scraped(made.metrics_port)
        finally:
            stop.set()
            await task


@asynccontextmanager
async def speaking(made: Options) -> AsyncIterator[Any]:
    """A channel to an observer, also to one that begins later."""
    channel_options = [("grpc.initial_reconnect_backoff_ms", 100)]
    async with grpc.aio.insecure_channel(
        f"127.0.0.1:{made.port}", options=channel_options
    ) as channel:
        await asyncio.wait_for(channel.channel_ready(), WITHIN_S)
        yield channel


def same_ports(made: Options, **changes: Any) -> Options:
    """The options of the process that takes its place."""
    return replace(made, **changes)
