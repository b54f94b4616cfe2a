"""Calls of gRPC, judged by their own status: a real server, proxy and Prometheus, ten seconds.

A model that fails every call with INTERNAL answers each of them with the HTTP status 200.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from model_rollouts.metrics.counts import Counted
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import client_errors, errors
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.sources import Listener
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.reader import SampleReader
from model_rollouts.prometheus.server import ServerOptions
from model_rollouts.resources.names import METRICS_PATH
from tests.prometheus_server import Target, prometheus_server
from tests.resources.envoy import POD, REVISION, eventually, proxied

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(90)]

STEP_MS = 500
CODES = {code.value[0]: code for code in grpc.StatusCode}
SERVER_ERRORS = (2, 4, 8, 12, 13, 14, 15)
CLIENT_ERRORS = (3, 5, 6, 7, 9, 10, 11, 16)

Counts = dict[str, dict[str, tuple[int, int]]]


async def answer(request: bytes, context: Any) -> bytes:
    """Ends with the status that the request names."""
    if request == b"hang":
        await asyncio.sleep(60)
    if code := int(request):
        await context.abort(CODES[code], "as asked for")
    return b"ok"


async def stream(request: bytes, context: Any) -> AsyncIterator[bytes]:
    """Says something first, so that the status comes at the end of it."""
    yield b"first"
    yield await answer(request, context)


@contextlib.asynccontextmanager
async def model_server() -> AsyncIterator[tuple[grpc.aio.Server, int]]:
    """A model server of gRPC, and its port."""
    server = grpc.aio.server()
    handlers: dict[str, Any] = {
        "Infer": grpc.unary_unary_rpc_method_handler(answer),
        "Stream": grpc.unary_stream_rpc_method_handler(stream),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("model", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield server, port
    finally:
        await server.stop(None)


class Clients:
    """Callers of one listener, and what each call ended with."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._unary: Any = channel.unary_unary("/model/Infer")
        self._stream: Any = channel.unary_stream("/model/Stream")
        self._unknown: Any = channel.unary_unary("/model/Forgotten")

    async def call(self, *statuses: int) -> None:
        for status in statuses:
            assert await ended(self._unary(b"%d" % status)) == status

    async def stream(self, *statuses: int) -> None:
        for status in statuses:
            call = self._stream(b"%d" % status)
            with contextlib.suppress(grpc.aio.AioRpcError):
                async for _ in call:
                    pass
            assert (await call.code()).value[0] == status

    async def call_what_is_not_there(self) -> None:
        assert await ended(self._unknown(b"")) == 12

    async def give_up(self) -> None:
        assert await ended(self._unary(b"hang", timeout=0.5)) == 4


async def ended(call: Any) -> int:
    """The status that a caller sees."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        await call
    status: int = (await call.code()).value[0]
    return status


def test_a_call_is_good_or_bad_by_the_status_of_grpc(tmp_path: Path, any_prometheus: Path) -> None:
    asyncio.run(scenario(tmp_path, any_prometheus))


async def scenario(tmp_path: Path, prometheus: Path) -> None:
    rollout = MeasuredRollout(
        key="shop/model",
        namespace="shop",
        arms=(Arm("candidate", REVISION), Arm("shadow", REVISION, Listener.SHADOW)),
        objectives=(errors("errors"), client_errors("refused")),
        started_ms=round(time.time() * 1000),
        warmup_ms=0,
    )
    async with contextlib.AsyncExitStack() as stack:
        server, port = await stack.enter_async_context(model_server())
        proxy = await stack.enter_async_context(proxied(change=lambda config: lead(config, port)))
        live, shadow = [
            Clients(await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{each}")))
            for each in (proxy.ports.live, proxy.ports.shadow)
        ]
        target = Target(proxy.ports.metrics, {"namespace": "shop", "pod": POD}, path=METRICS_PATH)
        running = prometheus_server(prometheus, tmp_path, [target], f"{STEP_MS}ms")
        url = stack.enter_context(running).url
        client = await stack.enter_async_context(PrometheusClient(ServerOptions(url)))
        reader = SampleReader(client.query, Intake(Grid(STEP_MS, 30_000)))
        since: Watermark | None = None
        counted: Counts = {}

        async def until(wanted: Counts) -> None:
            async def reached() -> bool:
                nonlocal since
                now_ms = round(time.time() * 1000)
                result = (await reader.tick([Request(rollout, since)], now_ms))[rollout.key]
                assert isinstance(result, Counted), result
                since = result.watermark
                for interval in result.intervals:
                    for arm, counts in interval.arms.items():
                        for name, tally in counts.tallies.items():
                            total, bad = counted.setdefault(arm, {}).get(name, (0, 0))
                            counted[arm][name] = (total + tally.total, bad + tally.bad[0])
                return counted == wanted

            try:
                await eventually(reached, "the counts")
            except AssertionError:
                assert counted == wanted

        await shadow.call(*[13] * 50)
        await live.call(0, 0, 0, 1, *SERVER_ERRORS, *CLIENT_ERRORS)
        await live.stream(0, 13)
        await live.call_what_is_not_there()
        await live.give_up()
        await until(
            {
                "candidate": {"errors": (23, 10), "refused": (23, 8)},
                "shadow": {"errors": (50, 50), "refused": (50, 0)},
            }
        )
        # The proxy says itself that nobody listens, with the HTTP status 200 again.
        await server.stop(None)
        await live.call(*[14] * 3)
        await until(
            {
                "candidate": {"errors": (26, 13), "refused": (26, 8)},
                "shadow": {"errors": (50, 50), "refused": (50, 0)},
            }
        )


def lead(config: dict[str, Any], port: int) -> None:
    """Lead what is for the model to another server."""
    for cluster in config["static_resources"]["clusters"]:
        if cluster["name"] != "admin":
            ((group,),) = (each["lb_endpoints"] for each in cluster["load_assignment"]["endpoints"])
            group["endpoint"]["address"]["socket_address"]["port_value"] = port
