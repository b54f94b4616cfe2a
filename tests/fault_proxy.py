"""A proxy in front of the real API server that fails as real ones do, when a test says so."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from e2e.fixtures import ApiServer

Fault = Callable[[web.Request], "web.StreamResponse | None"]


@dataclass
class FaultProxy:
    """Passes requests on, unless a fault is set for them."""

    server: ApiServer
    session: aiohttp.ClientSession
    kubeconfig: Path
    url: str = ""
    faults: list[tuple[str, str, int, dict[str, str]]] = field(default_factory=list)
    """(method, part of the URL, status, headers) of answers to be given, each once, in order."""
    lose_answer_to: str = ""
    """The next request of this method is done, and its answer is lost."""
    accepts: str | None = None
    """The only bearer token that is let in; None lets everybody in."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    streams: set[web.StreamResponse] = field(default_factory=set)
    transports: list[asyncio.Transport | None] = field(default_factory=list)

    def write_kubeconfig(self, token: str) -> None:
        """Write the kubeconfig that leads here, with that token."""
        configuration = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
            "clusters": [{"name": "proxy", "cluster": {"server": self.url}}],
            "users": [{"name": "proxy", "user": {"token": token}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(configuration))

    def fail(self, method: str, url: str, status: int, times: int = 1, **headers: str) -> None:
        """Answer the next requests with a failure."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults += [(method, url, status, named)] * times

    def drop_watches(self) -> None:
        """Break the connection of every watch."""
        for transport in self.transports:
            if transport is not None:
                transport.abort()
        self.transports.clear()

    async def send_into_watches(self, event: dict[str, Any]) -> None:
        """Send an event of our own into every watch that is open."""
        for stream in list(self.streams):
            with contextlib.suppress(ConnectionError):
                await stream.write(json.dumps(event).encode() + b"\n")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.requests.append((request.method, request.path_qs))
        for fault in self.faults:
            method, url, status, headers = fault
            if request.method == method and url in request.path_qs:
                self.faults.remove(fault)
                return _failure(status, headers)
        if self.accepts not in (None, request.headers["Authorization"].removeprefix("Bearer ")):
            return _failure(HTTPStatus.UNAUTHORIZED, {})
        return await self._pass_on(request)

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        names = ("Content-Type", "Accept")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        headers["Authorization"] = f"Bearer {self.server.token}"
        async with self.session.request(
            request.method,
            self.server.url + request.path_qs,
            headers=headers,
            data=await request.read() or None,
        ) as answer:
            if request.method == self.lose_answer_to:
                self.lose_answer_to = ""
                await answer.read()
                assert request.transport is not None
                request.transport.abort()
            passed = web.StreamResponse(status=answer.status)
            passed.content_type = answer.content_type
            await passed.prepare(request)
            watches = "watch=true" in request.query_string
            if watches:
                self.streams.add(passed)
                self.transports.append(request.transport)
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                async for part in answer.content.iter_any():
                    await passed.write(part)
            self.streams.discard(passed)
            return passed


def _failure(status: int, headers: dict[str, str]) -> web.Response:
    body = {"kind": "Status", "status": "Failure", "message": "injected", "code": status}
    return web.json_response(body, status=status, headers=headers)


@contextlib.asynccontextmanager
async def fault_proxy(server: ApiServer, directory: Path) -> AsyncIterator[FaultProxy]:
    """A running proxy, and a kubeconfig that leads to it."""
    context = ssl.create_default_context(cafile=str(server.ca))
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=0))
    proxy = FaultProxy(server, session, directory / "kubeconfig")
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        proxy.url = f"http://{host}:{port}"
        proxy.write_kubeconfig("none")
        yield proxy
    finally:
        # First: it ends the watches that are passed on.
        await session.close()
        await runner.cleanup()
