"""One POST, and what its answer means for the message."""

from collections.abc import Mapping
from http import HTTPStatus

import aiohttp

from model_rollouts.notifications.targets.target import RefusedError, UnansweredError

SECONDS = 10.0
LONGEST_ANSWER = 65_536
"""Bytes of an answer that are read."""
LONGEST_WAIT_S = 3_600.0

_UNKNOWN = (HTTPStatus.REQUEST_TIMEOUT,)
"""Answers below 500 after which the server may have done it all the same."""


class Http:
    """Sends with one pool of connections; redirects are not followed, for they get the secret."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """The answer. Raises RefusedError and UnansweredError, neither with the address."""
        return await self._request("POST", url, body, headers)

    async def get(self, url: str, headers: Mapping[str, str]) -> bytes:
        """The same of a question."""
        return await self._request("GET", url, None, headers)

    async def _request(
        self, verb: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._seconds, sock_connect=5),
                headers={"User-Agent": "model-rollouts-notifications"},
                trust_env=True,
            )
        try:
            async with self._session.request(
                verb, url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                content = await _read(answer.content)
                status, after_s = answer.status, _seconds(answer.headers.get("Retry-After"))
        except TimeoutError:
            raise UnansweredError(f"no answer within {self._seconds:.0f} s") from None
        except aiohttp.ClientConnectorError as error:
            raise RefusedError(f"no connection: {type(error.os_error).__name__}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UnansweredError(f"the connection failed: {type(error).__name__}") from None
        if 200 <= status < 300:
            return content
        if status >= 500 or status in _UNKNOWN:
            raise UnansweredError(f"HTTP {status}", after_s)
        moved = "; redirects are not followed" if 300 <= status < 400 else ""
        raise RefusedError(f"HTTP {status}{moved}", after_s)


async def _read(stream: aiohttp.StreamReader) -> bytes:
    """The beginning of an answer."""
    found = b""
    while len(found) < LONGEST_ANSWER and (part := await stream.read(LONGEST_ANSWER)):
        found += part
    return found[:LONGEST_ANSWER]


def _seconds(text: str | None) -> float:
    """A Retry-After in seconds, an hour at most; 0 for a date."""
    if text is None or not text.isdecimal():
        return 0.0
    return min(float(text[:9]), LONGEST_WAIT_S)
