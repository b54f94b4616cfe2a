"""Leases on a real API server: who may take, renew and give back one, and what is bounded by it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.cluster import connection
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.errors import ApiError, NotLeadingError
from model_rollouts.cluster.kinds import DEPLOYMENT
from model_rollouts.cluster.leases import RELEASED_S, Claim, LeaseName, Leases
from model_rollouts.cluster.requests import Requests
from tests.cluster.test_client import deployment
from tests.engine.admission_webhook import ALLOWED, Answer, Review, Webhook
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.kubernetes_clients import connected, until

AT = 1_800_000_000.123456
A_HOLDER = Claim("one_uid", 15, AT, 3)


@contextlib.asynccontextmanager
async def leases(server: ApiServer, namespace: str) -> AsyncIterator[Leases]:
    """The Lease of a namespace."""
    requests = Requests(await connection.load(server.kubeconfig), user_agent="test")
    made = Leases(requests, LeaseName(namespace, "model-rollouts"))
    try:
        yield made
    finally:
        await made.close()


def refused_with(status: int) -> Any:
    """Holds where a request fails with that status."""
    return pytest.raises(ApiError, check=lambda error: error.status == status)


def test_a_lease_says_what_was_written(api_server: ApiServer, namespace: str) -> None:
    async def test() -> None:
        async with leases(api_server, namespace) as lease:
            assert await lease.read() is None
            await lease.create(Claim(None, 15, AT))
            empty = await lease.read()
            assert empty is not None
            assert empty.claim == Claim(None, 15, AT)
            await lease.take(A_HOLDER, empty)
            taken = await lease.read()
            assert taken is not None
            assert taken.claim == A_HOLDER
            assert taken.uid == empty.uid

            with refused_with(409):
                await lease.take(Claim("other", 15, AT), empty)
            with refused_with(409):
                await lease.create(Claim("other", 15, AT))

    asyncio.run(test())


def test_only_its_holder_renews_it_and_gives_it_back(api_server: ApiServer, namespace: str) -> None:
    async def test() -> None:
        async with leases(api_server, namespace) as lease:
            with refused_with(404):
                await lease.renew("one_uid", AT)
            await lease.create(A_HOLDER)
            for renewal in (lease.renew, lease.release):
                with refused_with(422):
                    await renewal("other", AT)
            # Somebody annotates it: that is none of the holder's business.
            place = ("lease", "model-rollouts", "-n", namespace)
            api_server.kubectl("annotate", *place, "seen=yes")
            await asyncio.gather(*(lease.renew("one_uid", AT + more) for more in range(1, 4)))
            renewed = await lease.read()
            assert renewed is not None
            assert (renewed.claim.holder, renewed.claim.transitions) == ("one_uid", 3)
            assert renewed.claim.renewed_at in [AT + more for more in range(1, 4)]

            await lease.release("one_uid", AT + 9)

            released = await lease.read()
            assert released is not None
            assert released.claim == Claim(None, RELEASED_S, AT + 9, 3)
            assert released.claim.is_released
            with refused_with(422):
                await lease.renew("one_uid", AT + 10)

    asyncio.run(test())


@contextlib.asynccontextmanager
async def bounded(
    server: ApiServer, directory: Path, allowed: Callable[[], float]
) -> AsyncIterator[tuple[FaultProxy, ClusterClient]]:
    """A client behind a proxy, whose writes are bounded."""
    async with fault_proxy(server, directory) as proxy:
        configuration = await connection.load(proxy.kubeconfig)
        requests = Requests(configuration, user_agent="test", allowed=allowed)
        async with ClusterClient(requests) as client:
            yield proxy, client


def test_who_may_not_write_reads_and_sends_no_write(
    api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    async def test() -> None:
        async with bounded(api_server, tmp_path, lambda: 0.0) as (proxy, client):
            assert await client.get(DEPLOYMENT, namespace, "m") is None
            body = deployment(namespace)
            for write in (
                client.create(body),
                client.apply(body),
                client.scale(namespace, "m", 2),
                client.delete(DEPLOYMENT, namespace, "m"),
                client.replace_status(namespace, "m", {}, "1"),
            ):
                with pytest.raises(NotLeadingError, match=r"not sent: .* Lease"):
                    await write
            assert [method for method, _ in proxy.requests] == ["GET"]

    asyncio.run(test())


def test_a_write_that_is_sent_again_has_to_be_allowed_again(
    api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    async def test() -> None:
        left = iter((9.0, 0.0))
        async with bounded(api_server, tmp_path, lambda: next(left)) as (proxy, client):
            proxy.fail("POST", "deployments", 429)
            with pytest.raises(NotLeadingError):
                await client.create(deployment(namespace))
            (sent,) = [url for method, url in proxy.requests if method == "POST"]
            assert "timeout=9s" in sent

    asyncio.run(test())


def test_a_write_that_takes_longer_than_allowed_is_dropped_by_the_api_server_too(
    api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """The proxy keeps the connection open, so that only the API server can drop it."""
    asked: list[str] = []

    def slow(review: Review) -> Answer:
        asked.append(review["name"])
        time.sleep(1.7)
        return ALLOWED

    async def test() -> None:
        async with (
            Webhook(slow).running(api_server, namespace),
            bounded(api_server, tmp_path, lambda: 1.5) as (_, client),
            connected(api_server.kubeconfig) as other,
        ):
            begun = time.monotonic()
            with pytest.raises(ApiError, match=r"no answer|HTTP 504"):
                await client.create(deployment(namespace))
            assert time.monotonic() - begun < 2.5
            assert asked == ["m"]
            await asyncio.sleep(2.0)
            assert await other.get(DEPLOYMENT, namespace, "m") is None

    asyncio.run(test())


def test_without_a_bound_nothing_is_said_about_time(
    api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    async def test() -> None:
        async with bounded(api_server, tmp_path, lambda: float("inf")) as (proxy, client):
            await client.create(deployment(namespace))
            await until(lambda: proxy.requests, "nothing was sent")
            assert not any("timeout" in url for _, url in proxy.requests)

    asyncio.run(test())
