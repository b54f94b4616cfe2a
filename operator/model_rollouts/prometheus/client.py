"""Asking one Prometheus: the one place for timeouts, retries, sizes and credentials.

Every failure becomes a `QueryError` with one readable sentence. No answer is no data; it is never
taken for an empty answer.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from model_rollouts.metrics.errors import InputError

PASSING = frozenset({429, 502, 503, 504})
"""HTTP states that asking again may cure."""

_CHUNK = 2**18


class QueryError(Exception):
    """A query without a usable answer; the message names the server without credentials."""


class PassingError(QueryError):
    """A failure that asking again may cure."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to reach a Prometheus.

    `token` is sent as a bearer token, or what is in `token_file` at that moment; `user` and
    `password` as basic authentication. `tls` replaces the system's trust. `answer_limit` bounds
    what is read of one answer, in bytes.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    user: str | None = None
    password: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tls: ssl.SSLContext | None = None
    timeout_s: float = 10.0
    retries: int = 1
    retry_after_s: float = 0.2
    answer_limit: int = 64 * 2**20

    def __post_init__(self) -> None:
        try:
            url = URL(self.url)
        except ValueError:
            url = URL()
        if url.user is not None or url.password is not None:
            raise InputError("url", "a URL with credentials", "credentials in user and password")
        if url.scheme not in ("http", "https") or not url.host:
            raise InputError(
                "url", self.url, "an http or https URL, such as http://prometheus:9090"
            )
        if sum(each is not None for each in (self.token, self.token_file, self.user)) > 1:
            raise InputError(
                "token", "more than one of token, token file and user", "only one of them"
            )
        if not self.timeout_s > 0:
            raise InputError("timeout_s", self.timeout_s, "a number of seconds above 0")
        if self.retries < 0:
            raise InputError("retries", self.retries, "0 or more")


class PrometheusClient:
    """POSTs form-encoded queries, so that a long list of revisions never meets a limit on URLs."""

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._query_url = URL(options.url.rstrip("/") + "/api/v1/query")
        self._range_url = URL(options.url.rstrip("/") + "/api/v1/query_range")
        # Unless asked otherwise: packing an answer costs the server more than sending it.
        headers = {"Accept-Encoding": "identity", **dict(options.headers)}
        if options.token is not None:
            headers["Authorization"] = f"Bearer {options.token}"
        auth = None if options.user is None else aiohttp.BasicAuth(options.user, options.password)
        self._session = aiohttp.ClientSession(
            headers=headers,
            auth=auth,
            timeout=aiohttp.ClientTimeout(total=options.timeout_s),
            connector=aiohttp.TCPConnector(ssl=options.tls or True),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def query(self, text: str, at_ms: int) -> bytes:
        """The body of the answer to an instant query at `at_ms`. Raises QueryError."""
        form = {"query": text, "time": f"{at_ms / 1000:.3f}"}
        return await self._post(self._query_url, form)

    async def query_range(self, text: str, start_ms: int, end_ms: int, step_ms: int) -> bytes:
        """The body of the answer to a query at `start_ms` and every `step_ms` up to `end_ms`.

        Raises QueryError.
        """
        times = {"start": start_ms, "end": end_ms, "step": step_ms}
        form = {"query": text} | {name: f"{at / 1000:.3f}" for name, at in times.items()}
        return await self._post(self._range_url, form)

    async def _post(self, url: URL, form: dict[str, str]) -> bytes:
        for _ in range(self._options.retries):
            try:
                return await self._post_once(url, form)
            except PassingError:
                await asyncio.sleep(self._options.retry_after_s)
        return await self._post_once(url, form)

    async def _post_once(self, url: URL, form: dict[str, str]) -> bytes:
        try:
            async with self._session.post(
                url, data=form, headers=self._rotating(), allow_redirects=False
            ) as response:
                body = await self._read(url, response)
        except TimeoutError:
            # A server that is too slow now is not helped by asking again.
            raise QueryError(f"{url}: no answer within {self._options.timeout_s:g} s") from None
        except aiohttp.ClientError as error:
            raise PassingError(f"{url}: {error}") from error
        if response.status != 200:
            kind = PassingError if response.status in PASSING else QueryError
            raise kind(f"{url}: HTTP {response.status}: {_shown(body)}")
        return body

    def _rotating(self) -> dict[str, str]:
        """Tokens in files are replaced while the operator runs: each request reads its own."""
        path = self._options.token_file
        if path is None:
            return {}
        try:
            token = path.read_text(errors="replace").strip()
        except OSError as error:
            raise QueryError(f"{path}: {error.strerror}") from None
        if not token.isascii() or not token.isprintable():
            raise QueryError(f"{path}: a token is one line of ASCII text, and this is not")
        return {"Authorization": f"Bearer {token}"}

    async def _read(self, url: URL, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for part in response.content.iter_chunked(_CHUNK):
            body += part
            if len(body) > self._options.answer_limit:
                raise QueryError(
                    f"{url}: the answer exceeds {self._options.answer_limit:,} bytes; "
                    "lower the batching's answer_bytes, or raise answer_limit"
                )
        return bytes(body)


def _shown(body: bytes) -> str:
    return body[:300].decode(errors="replace").strip() or "no body"
