"""What tests of the cluster's adapter and of the engine share: clients, and waiting."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from model_rollouts.cluster import connection
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.requests import Observe, Requests, nobody


@contextlib.asynccontextmanager
async def connected(
    kubeconfig: Path | None, observe: Observe = nobody
) -> AsyncIterator[ClusterClient]:
    """A client that waits next to nothing before it asks again."""

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.001))

    configuration = await connection.load(kubeconfig)
    requests = Requests(configuration, user_agent="test", observe=observe, sleep=sleep)
    async with ClusterClient(requests) as client:
        yield client


async def until(holds: Callable[[], Any], complaint: str, seconds: float = 60.0) -> Any:
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
