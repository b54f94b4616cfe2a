"""Asking one Prometheus: the one place for timeouts, retries and the size of an answer.

Every failure becomes a `QueryError` with one readable sentence. No answer is no data; it is never
taken for an empty answer.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from model_rollouts.prometheus.credentials import Trust, headers
from model_rollouts.prometheus.errors import PassingError, QueryError, Smaller
from model_rollouts.prometheus.server import ServerOptions

PASSING = frozenset({429, 502, 503, 504})
"""HTTP states that asking again may cure."""

_TOO_MUCH = frozenset({400, 413, 414, 422})
"""HTTP states of a question that is too long, or finds more than the server's limits."""

_CHUNK = 2**18


class PrometheusClient:
    """POSTs form-encoded queries, so that a long list of revisions never meets a limit on URLs."""

    def __init__(
        self, options: ServerOptions, dated: Callable[[str | None], None] = lambda date: None
    ) -> None:
        """`dated` is told of the header Date of every answer."""
        self._options = options
        self._dated = dated
        self._trust = Trust(options)
        self._session = aiohttp.ClientSession(
            # Unless asked otherwise: packing an answer costs the server more than sending it.
            headers={"Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=options.timeout_s),
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

    async def query(self, text: str, at_ms: int, namespace: str = "") -> bytes:
        """The body of the answer to an instant query at `at_ms`. Raises QueryError.

        `namespace` is what it asks about; others of the same tenant may be in it.
        """
        form = {"query": text, "time": f"{at_ms / 1000:.3f}"}
        return await self._post("query", form, namespace)

    async def query_range(
        self, text: str, start_ms: int, end_ms: int, step_ms: int, namespace: str = ""
    ) -> bytes:
        """The body of the answer to a query at `start_ms` and every `step_ms` up to `end_ms`.

        `namespace` is as in `query`. Raises QueryError.
        """
        times = {"start": start_ms, "end": end_ms, "step": step_ms}
        form = {"query": text} | {name: f"{at / 1000:.3f}" for name, at in times.items()}
        return await self._post("query_range", form, namespace)

    async def _post(self, call: str, form: dict[str, str], namespace: str) -> bytes:
        for _ in range(self._options.retries):
            try:
                return await self._post_once(call, form, namespace)
            except PassingError:
                await asyncio.sleep(self._options.retry_after_s)
        return await self._post_once(call, form, namespace)

    async def _post_once(self, call: str, form: dict[str, str], namespace: str) -> bytes:
        asked = self._options.api(call, namespace)
        # What parameters hold is for the server.
        url = asked.with_query(None)
        try:
            async with self._session.post(
                asked,
                data=form,
                headers=headers(self._options, namespace),
                allow_redirects=False,
                ssl=self._trust.context() if asked.scheme == "https" else True,
                server_hostname=self._options.server_name,
            ) as response:
                self._dated(response.headers.get("Date"))
                body = await self._read(url, response)
        except TimeoutError:
            # A server that is too slow now is not helped by asking again.
            raise QueryError(
                f"{url}: no answer within {self._options.timeout_s:g} s", Smaller.MAY_HELP
            ) from None
        except aiohttp.ClientConnectorError as error:
            raise PassingError(f"{url}: {error}") from error
        except aiohttp.ClientError as error:
            # A server may end in the middle of an answer because of the question.
            raise PassingError(f"{url}: {error}", Smaller.MAY_HELP) from error
        if response.status != 200:
            kind = PassingError if response.status in PASSING else QueryError
            message = f"{url}: HTTP {response.status}: {_shown(body)}"
            raise kind(message, _smaller(response.status))
        return body

    async def _read(self, url: URL, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for part in response.content.iter_chunked(_CHUNK):
            body += part
            if len(body) > self._options.answer_limit:
                raise QueryError(
                    f"{url}: the answer exceeds {self._options.answer_limit:,} bytes; have "
                    "Prometheus drop labels or series of these pods that are not needed",
                    Smaller.HELPS,
                )
        return bytes(body)


def _smaller(status: int) -> Smaller:
    if status in _TOO_MUCH:
        return Smaller.HELPS
    return Smaller.MAY_HELP if status >= 500 else Smaller.NO_HELP


def _shown(body: bytes) -> str:
    return body[:300].decode(errors="replace").strip() or "no body"
