"""A proxy in front of the real API server that fails as real ones do, when a test says so."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import yaml
from aiohttp import web

from e2e.fixtures import ApiServer

WRITES = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Busy:
    """What is answered with "too many requests", as priority and fairness does."""

    what: Callable[[str, str], bool]
    """Whether a request is, by its method and its URL."""
    retry_after_s: int = 1


class Write(NamedTuple):
    """One that the API server did, and when: seconds of the clock of the loop."""

    at: float
    method: str
    url: str


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
    is_away: bool = False
    """No connection is accepted, and those that were are broken (`leave`)."""
    cut: asyncio.Event | None = None
    """While there is one, nothing is answered, and nothing goes through (`cut_off`)."""
    delay_s: float = 0.0
    """So long each request waits."""
    busy: Busy | None = None
    accepts: str | None = None
    """The only bearer token that is let in; None lets everybody in."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    streams: set[web.StreamResponse] = field(default_factory=set)
    transports: list[asyncio.Transport | None] = field(default_factory=list)
    written: list[Write] = field(default_factory=list)

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

    def leave(self) -> None:
        """As an API server that has ended: whoever asks is refused at once."""
        self.is_away = True
        self.drop_watches()

    def cut_off(self) -> None:
        """As a network that loses everything: whoever asks waits, and connections stand."""
        self.cut = asyncio.Event()

    def heal(self) -> None:
        """Nothing is wrong any more. What was sent meanwhile is not done."""
        self.is_away, self.delay_s, self.busy = False, 0.0, None
        if self.cut is not None:
            self.cut.set()
        self.cut = None

    async def send_into_watches(self, event: dict[str, Any]) -> None:
        """Send an event of our own into every watch that is open."""
        for stream in list(self.streams):
            with contextlib.suppress(ConnectionError):
                await stream.write(json.dumps(event).encode() + b"\n")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.requests.append((request.method, request.path_qs))
        cut = self.cut
        if cut is not None:
            await cut.wait()
        if cut is not None or self.is_away:
            return _hung_up(request)
        await asyncio.sleep(self.delay_s)
        if self.busy is not None and self.busy.what(request.method, request.path_qs):
            after = {"Retry-After": str(self.busy.retry_after_s)}
            return _failure(HTTPStatus.TOO_MANY_REQUESTS, after)
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
        headers = {"Content-Type": "application/json"} if request.can_read_body else {}
        headers |= {name: request.headers[name] for name in names if name in request.headers}
        headers["Authorization"] = f"Bearer {self.server.token}"
        async with self.session.request(
            request.method,
            self.server.url + request.path_qs,
            headers=headers,
            data=await request.read() or None,
        ) as answer:
            if request.method in WRITES and answer.ok:
                at = asyncio.get_running_loop().time()
                self.written.append(Write(at, request.method, request.path_qs))
            if request.method == self.lose_answer_to:
                self.lose_answer_to = ""
                await answer.read()
                assert request.transport is not None
                request.transport.abort()
            passed = web.StreamResponse(status=answer.status)
            if "Content-Type" in answer.headers:
                # With its parameters: Go's clients tell two forms of discovery apart by them.
                passed.headers["Content-Type"] = answer.headers["Content-Type"]
            await passed.prepare(request)
            watches = "watch=true" in request.query_string
            if watches:
                self.streams.add(passed)
                self.transports.append(request.transport)
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                async for part in answer.content.iter_any():
                    if self.cut is not None:
                        await self.cut.wait()
                    await passed.write(part)
            self.streams.discard(passed)
            return passed


def _hung_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def _failure(status: int, headers: dict[str, str]) -> web.Response:
    body = {"kind": "Status", "status": "Failure", "message": "injected", "code": status}
    return web.json_response(body, status=status, headers=headers)


@contextlib.asynccontextmanager
async def fault_proxy(
    server: ApiServer, directory: Path, kind: type[FaultProxy] = FaultProxy
) -> AsyncIterator[FaultProxy]:
    """A running proxy, and a kubeconfig that leads to it."""
    context = ssl.create_default_context(cafile=str(server.ca))
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=0))
    proxy = kind(server, session, directory / "kubeconfig")
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
