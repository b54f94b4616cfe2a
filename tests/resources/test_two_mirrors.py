"""Envoy mirrors a request twice, by one number: who gets the smaller share is within the larger."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from tests.resources.envoy import eventually, free_ports, proxied

pytestmark = pytest.mark.timeout(120)

ASKED = 2_000
NAMES = ("candidate", "itself")


@contextlib.asynccontextmanager
async def receiving(port: int, ids: set[str]) -> AsyncIterator[None]:
    async def take(request: web.Request) -> web.StreamResponse:
        await request.read()
        ids.add(request.headers["x-request-id"])
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


def mirrored(config: dict[str, Any], ports: list[int], percents: tuple[int, int]) -> None:
    """Have the live listener mirror as a gateway does that is built on Envoy."""
    clusters = config["static_resources"]["clusters"]
    (live,) = (each for each in clusters if each["name"] == "live")
    for name, port in zip(NAMES, ports, strict=True):
        address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
        endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
        assigned = {"cluster_name": name, "endpoints": endpoints}
        clusters.append({**live, "name": name, "load_assignment": assigned})
    policies = [
        {
            "cluster": name,
            "runtime_fraction": {"default_value": {"numerator": percent, "denominator": "HUNDRED"}},
        }
        for name, percent in zip(NAMES, percents, strict=True)
    ]
    for listener in config["static_resources"]["listeners"]:
        for chain in listener["filter_chains"]:
            for each in chain["filters"]:
                routes = each["typed_config"].get("route_config", {}).get("virtual_hosts", ())
                for route in (route for host in routes for route in host["routes"]):
                    if route.get("route", {}).get("cluster") == "live":
                        route["route"]["request_mirror_policies"] = policies


@pytest.mark.parametrize("percents", [(100, 10), (50, 5), (10, 1)])
def test_the_smaller_share_is_within_the_larger(percents: tuple[int, int]) -> None:
    async def story() -> None:
        ports = free_ports(2)
        candidate, itself = set[str](), set[str]()
        async with (
            receiving(ports[0], candidate),
            receiving(ports[1], itself),
            proxied(change=lambda config: mirrored(config, ports, percents)) as proxy,
        ):
            for number in range(ASKED):
                await proxy.ask(proxy.ports.live, headers={"x-request-id": f"r{number}"})

            async def has_come() -> bool:
                return itself <= candidate and len(itself) > 0

            await eventually(has_come, "what is mirrored")
            await proxy.ask(proxy.ports.live, headers={"x-request-id": "last"})

        for ids, percent in ((candidate, percents[0]), (itself, percents[1])):
            assert abs(len(ids) - ASKED * percent / 100) < 5 * (ASKED * percent / 100) ** 0.5 + 1
        assert itself <= candidate

    asyncio.run(story())
