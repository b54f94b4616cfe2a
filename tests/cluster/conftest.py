"""A client of the real API server, for tests that are coroutines."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.cluster.client import ClusterClient
from tests.kubernetes_clients import connected

Test = Callable[[ClusterClient], Awaitable[None]]


@pytest.fixture
def with_client(api_server: ApiServer) -> Callable[[Test], None]:
    """Runs a test with a client."""

    async def go(test: Test) -> None:
        async with connected(api_server.kubeconfig) as client:
            await test(client)

    return lambda test: asyncio.run(go(test))
