"""A client of the real API server for the tests of the resource."""

from collections.abc import Iterator

import pytest

from e2e.fixtures import ApiServer
from tests.api.objects import Client


@pytest.fixture
def client(api_server: ApiServer, namespace: str) -> Iterator[Client]:
    """ModelDeployments of a namespace of its own."""
    with Client(api_server, namespace) as client:
        yield client


@pytest.fixture(scope="module")
def routes(api_server: ApiServer) -> Iterator[Client]:
    """HTTPRoutes of Gateway API, for dry runs only."""
    with Client(api_server, "default", "gateway.networking.k8s.io/v1", "httproutes") as client:
        yield client


@pytest.fixture(scope="module")
def dry(api_server: ApiServer) -> Iterator[Client]:
    """ModelDeployments that are tried by dry runs only, so that tests may share a namespace."""
    with Client(api_server, "default") as client:
        yield client
