"""A front before a Prometheus, as companies have it: TLS, who may ask, a tenant, a path prefix.

It is a small real server of aiohttp. What comes through is answered by a handler, or by a
Prometheus behind it.
"""

import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

EMPTY = '{"status":"success","data":{"resultType":"matrix","result":[]}}'


async def nothing(_: web.Request) -> web.Response:
    """Answers like a Prometheus without samples."""
    return web.Response(text=EMPTY)


@dataclass
class Guarded:
    """The front. Connections are not kept, so each request is a handshake with what is true now."""

    answer: Handler = nothing
    ca: trustme.CA = field(default_factory=trustme.CA)
    clients: trustme.CA | None = None
    """Who signs the certificates of those who may ask; None asks for none."""
    requests: list[web.Request] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.rotate(self.ca)
        if self.clients is not None:
            self.clients.configure_trust(self._tls)
            self._tls.verify_mode = ssl.CERT_REQUIRED

    def rotate(self, ca: trustme.CA, name: str = "127.0.0.1") -> None:
        """From now on the certificate is one of this CA, for this name."""
        ca.issue_cert(name).configure_cert(self._tls)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        answer = await self.answer(request)
        answer.force_close()
        return answer

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Guarded"]:
        """Serves at `url`, which has no path, until the end of the context."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        server = TestServer(app)
        await server.start_server(ssl=self._tls)
        self.url = str(server.make_url("")).rstrip("/")
        try:
            yield self
        finally:
            await server.close()


def forwarding(url: str, prefix: str) -> Handler:
    """Hands requests below `prefix` on to the Prometheus at `url`."""

    async def forward(request: web.Request) -> web.Response:
        if not request.path.startswith(prefix):
            return web.Response(status=404, text="no such tenant")
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method,
                url + request.path.removeprefix(prefix),
                params=request.query,
                data=await request.post(),
            ) as answer,
        ):
            return web.Response(status=answer.status, body=await answer.read())

    return forward


def written(folder: Path, ca: trustme.CA, name: str = "ca.crt") -> Path:
    """The file of a CA, replaced as the kubelet replaces one."""
    fresh = folder / f".{name}"
    ca.cert_pem.write_to_path(fresh)
    return fresh.replace(folder / name)


def issued(folder: Path, ca: trustme.CA) -> tuple[Path, Path]:
    """Files with a fresh certificate of a client, and its key."""
    made = ca.issue_cert("operator@example.com")
    for name, pem in (("tls.crt", made.cert_chain_pems[0]), ("tls.key", made.private_key_pem)):
        pem.write_to_path(folder / f".{name}")
        (folder / f".{name}").replace(folder / name)
    return folder / "tls.crt", folder / "tls.key"
