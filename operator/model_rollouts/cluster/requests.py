"""One request to the API server: its limits in time, its repetition, and its failure in words.

A read is asked again when the failure may pass. A write is not: when its connection broke, nobody
knows whether it was done, and the next pass finds out by looking. Only "too many requests" and "who
are you?" say for certain that nothing was done.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp
import msgspec
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from model_rollouts.cluster import connection
from model_rollouts.cluster.errors import ApiError, told
from model_rollouts.cluster.kinds import HTTP_ROUTE, Kind
from model_rollouts.cluster.pace import Pace

TRIES = 5
FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 10.0
"""The longest wait between two tries, also when the API server asks for a longer one."""

READ_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5)
WRITE_TIMEOUT = aiohttp.ClientTimeout(total=15, sock_connect=5)
"""Longer than the 10 s after which the API server gives up on an admission webhook and says which;
shorter than a read of 500 large objects: what waits behind a write may protect users."""

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

_NOT_DONE = (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS)

Observe = Callable[[str, str, str], None]
"""Told of every answer: verb, resource and HTTP status, which is "none" when no answer came."""


def nobody(verb: str, resource: str, code: str) -> None:
    """An observer that looks away."""


Shape = TypeVar("Shape")


class Requests:
    """Sends requests with the credentials of a configuration; dicts in, dicts out."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        user_agent: str,
        observe: Observe = nobody,
        pace: Pace | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._configuration = configuration
        self._api: Any = ApiClient(configuration)  # half of its signatures carry no types
        self._api.user_agent = user_agent
        self._observe = observe
        self._pace = pace or Pace()
        self._sleep = sleep
        self._jitter = jitter

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def send(
        self,
        verb: str,
        kind: Kind,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> dict[str, Any]:
        """The answer of the API server; raises ApiError. `verb` is a method of HTTP."""
        return await self._repeated(verb, kind, path, query, body, content_type, dict[str, Any])

    async def read(
        self, kind: Kind, path: str, query: Mapping[str, str], shape: type[Shape]
    ) -> Shape:
        """What is there, decoded as `shape`; raises ApiError."""
        return await self._repeated("GET", kind, path, query, None, JSON, shape)

    async def _repeated(
        self,
        verb: str,
        kind: Kind,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        shape: type[Shape],
    ) -> Shape:
        if verb != "GET" and (wait := self._pace.take()) and kind is not HTTP_ROUTE:
            # A route takes users off a bad version: it counts, and goes before what waits.
            await self._sleep(wait)
        for tried in range(1, TRIES):
            try:
                return await self._once(verb, kind, path, query, body, content_type, shape)
            except _PassingError as error:
                if verb != "GET" and error.status not in _NOT_DONE:
                    raise
                if error.status == HTTPStatus.UNAUTHORIZED:
                    connection.refused(self._configuration)
                backoff = FIRST_DELAY_S * 2 ** (tried - 1) * (0.5 + self._jitter())
                await self._sleep(min(max(backoff, error.retry_after_s), LONGEST_DELAY_S))
        return await self._once(verb, kind, path, query, body, content_type, shape)

    async def _once(
        self,
        verb: str,
        kind: Kind,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        shape: type[Shape],
    ) -> Shape:
        code = "none"
        try:
            request = await self._api.param_serialize(
                verb,
                path,
                query_params=list((query or {}).items()),
                # Always said: the client's own guess is wrong for every second kind of patch.
                header_params={"Accept": JSON, "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            timeout = READ_TIMEOUT if verb == "GET" else WRITE_TIMEOUT
            response = await self._api.call_api(*request, _request_timeout=timeout)
            data = await response.read()
            code = str(response.status)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # The last is what a token that is no line of text comes to.
            words = str(error) or type(error).__name__
            raise _PassingError(verb, path, None, words) from error
        finally:
            self._observe(verb, kind.plural, code)
        if 200 <= response.status < 300:
            try:
                return msgspec.json.decode(data, type=shape)
            except msgspec.DecodeError as error:
                raise ApiError(verb, path, response.status, f"unexpected answer: {error}") from None
        message, reason = told(_decoded(data))
        if response.status in _NOT_DONE or response.status >= 500:
            passing = _PassingError(verb, path, response.status, message, reason)
            passing.retry_after_s = _seconds(response.headers.get("Retry-After"))
            raise passing
        raise ApiError(verb, path, response.status, message, reason)


class _PassingError(ApiError):
    """A failure that asking again may cure."""

    retry_after_s = 0.0


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return data.decode(errors="replace")


def _seconds(text: str | None) -> float:
    """What a Retry-After in seconds asks for; 0 for a date, which API servers do not send."""
    return float(text) if text is not None and text.isdecimal() else 0.0
