"""How large requests are, as the real Envoy counts them: by listener, exact at each size."""

import asyncio
import io

import pytest
from aiohttp import web

from model_rollouts.metrics.body_sizes import Sizes, read_sizes
from model_rollouts.resources.statistics import SIZES
from model_rollouts.rollout.trial.unmirrored import by_size
from tests.resources.envoy import Proxied, eventually, proxied

pytestmark = pytest.mark.timeout(60)

BUCKET = "envoy_cluster_upstream_rq_body_size_bucket"


async def reads(request: web.Request) -> web.StreamResponse:
    """Reads bodies of any size."""
    length = 0
    async for chunk in request.content.iter_chunked(1 << 16):
        length += len(chunk)
    return web.Response(text=str(length))


async def counted(proxy: Proxied) -> dict[str, dict[str, int]]:
    """Requests of up to each edge, by listener."""
    found: dict[str, dict[str, int]] = {}
    for (metric, labels), value in (await proxy.samples()).items():
        has = dict(labels)
        if metric == BUCKET:
            found.setdefault(has["envoy_cluster_name"], {})[has["le"]] = int(value)
    return found


async def sent(proxy: Proxied, port: int, size: int) -> None:
    async with proxy.session.post(proxy.url(port), data=io.BytesIO(b"x" * size)) as answer:
        assert int(await answer.text()) == size


def test_each_size_is_counted_exactly_and_users_apart_from_copies() -> None:
    async def scenario() -> None:
        async with proxied(model=reads) as proxy:
            for size in SIZES:
                await sent(proxy, proxy.ports.live, size - 1)
                await sent(proxy, proxy.ports.live, size)
            await sent(proxy, proxy.ports.shadow, 0)
            edges = [f"{size - 1}" for size in SIZES]
            live = {edge: 2 * n + 1 for n, edge in enumerate(edges)} | {"+Inf": 2 * len(SIZES)}
            shadow = dict.fromkeys([*edges, "+Inf"], 1)

            async def told() -> bool:
                return await counted(proxy) == {"live": live, "shadow": shadow}

            await eventually(told, f"{live} and {shadow}")

    asyncio.run(scenario())


def test_what_a_gateway_with_a_limit_leaves_out_is_told_from_these_counts() -> None:
    async def scenario() -> None:
        async with proxied(model=reads) as proxy:
            for size in (*[1_000] * 75, *[2_000_000] * 25):
                await sent(proxy, proxy.ports.live, size)
                if size < 1 << 20:
                    await sent(proxy, proxy.ports.shadow, size)

            async def told() -> bool:
                found = await counted(proxy)
                return (found["live"]["+Inf"], found["shadow"]["+Inf"]) == (100, 75)

            await eventually(told, "100 requests of users, 75 of them mirrored")
            found = await counted(proxy)
            users, mirrored = (as_read(found[each]) for each in ("live", "shadow"))
            assert by_size(0.25, users, mirrored) == (
                ": 100 % of those of 1 MB or more, and next to none of the others"
            )

    asyncio.run(scenario())


def as_read(buckets: dict[str, int]) -> Sizes:
    """The buckets as Prometheus would answer with them."""
    return read_sizes(({"le": edge}, [(0.0, str(number))]) for edge, number in buckets.items())
