"""A real Envoy where pods have IPv6: it serves, counts, and refuses its own pod; some 3 s.

A pod of IPv6 alone has `proxy.address: "::"`. One of both families is reached at its first address,
for which 0.0.0.0 or :: is bound.
"""

import asyncio
import socket

import aiohttp
import pytest

from tests.resources.envoy import REVISION, eventually, proxied

IPV6 = "::1"


@pytest.fixture(autouse=True)
def ipv6() -> None:
    """The machine has an IPv6 loopback."""
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind((IPV6, 0))
    except OSError as error:
        pytest.skip(f"there is no {IPV6}: {error}")


@pytest.mark.parametrize("address", ["::", IPV6])
def test_users_and_copies_are_served_and_counted(address: str) -> None:
    async def test() -> None:
        async with proxied(address=address, host=IPV6) as proxy:
            live = await proxy.ask(proxy.ports.live, "/v1?status=503")
            shadow = await proxy.ask(proxy.ports.shadow)

            assert (live.status, shadow.status) == (503, 200)

            async def counted() -> bool:
                samples = await proxy.samples()
                of = {
                    (dict(labels)["envoy_http_conn_manager_prefix"], name): value
                    for (name, labels), value in samples.items()
                    if dict(labels).get("modelrollouts_revision") == REVISION
                    and "envoy_http_conn_manager_prefix" in dict(labels)
                }
                completed = "envoy_http_downstream_rq_completed"
                return (of.get(("live", completed)), of.get(("shadow", completed))) == (1, 1)

            await eventually(counted, "both requests are counted apart")

    asyncio.run(test())


def test_the_own_pod_is_refused_and_its_metrics_are_not() -> None:
    async def test() -> None:
        async with proxied(address="::", host=IPV6, in_mesh=False) as proxy:
            for port in (proxy.ports.live, proxy.ports.shadow):
                with pytest.raises(aiohttp.ClientError):
                    await proxy.ask(port)

            assert (await proxy.ask(proxy.ports.metrics, "/stats/prometheus")).status == 200

    asyncio.run(test())
