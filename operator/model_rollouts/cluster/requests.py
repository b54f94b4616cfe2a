"""One request to the API server: its limits in time, its repetition, and its failure in words.

"Too many requests" and "who are you?" say for certain that nothing was done, and are sent again. A
write that failed otherwise is not: when its connection broke, nobody knows whether it was done, and
the next pass finds out by looking. Nor is a read: whoever asks asks again, and tells meanwhile what
came back, which takes minutes when each of five tries is waited for. Only the rest of a list is
worth them, for what has come of it would be lost.
"""

import asyncio
import json
import math
import random
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp
import msgspec
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from model_rollouts.cluster import connection
from model_rollouts.cluster.errors import ApiError, NotLeadingError, told
from model_rollouts.cluster.kinds import HTTP_ROUTE, Kind
from model_rollouts.cluster.pace import Pace

TRIES = 5
FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 10.0
"""The longest wait between two tries, also when the API server asks for a longer one."""
LONGEST_ROUTE_DELAY_S = 4.0
"""The same of a route: within 5 s it is tried again, for it may take users off a bad version."""

READ_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5)
WRITE_TIMEOUT = aiohttp.ClientTimeout(total=15, sock_connect=5)
"""Longer than the 10 s after which the API server gives up on an admission webhook and says which;
shorter than a read of 500 large objects: what waits behind a write may protect users."""

JSON = "application/json"
YAML = "application/yaml"
APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

_NOT_DONE = (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS)

Observe = Callable[[str, str, str], None]
"""Told of every answer: verb, resource and HTTP status, which is "none" when no answer came."""


def nobody(verb: str, resource: str, code: str) -> None:
    """An observer that looks away."""


Dated = Callable[[str | None], None]
"""Told of the header Date of every answer."""


def undated(date: str | None) -> None:
    """Nobody wants to know."""


Allowed = Callable[[], float]
"""For how many seconds a write may go on that begins now; 0 when none may begin."""


def for_ever() -> float:
    """What a process that leads alone is allowed."""
    return math.inf


Shape = TypeVar("Shape")


class Requests:
    """Sends requests with the credentials of a configuration; dicts in, dicts out.

    A write is sent, and sent again, only for as long as it is `allowed`, and has ended by then,
    here and at the API server: raises NotLeadingError.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        user_agent: str,
        observe: Observe = nobody,
        dated: Dated = undated,
        allowed: Allowed = for_ever,
        pace: Pace | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._configuration = configuration
        self._api = api_client(configuration)
        self._api.user_agent = user_agent
        self._observe = observe
        self._dated = dated
        self._allowed = allowed
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
        self,
        kind: Kind,
        path: str,
        query: Mapping[str, str],
        shape: type[Shape],
        *,
        repeats: bool = False,
    ) -> Shape:
        """What is there, decoded as `shape`; raises ApiError.

        With `repeats` it is asked again some times when the failure may pass.
        """
        return await self._repeated("GET", kind, path, query, None, JSON, shape, repeats=repeats)

    async def _repeated(
        self,
        verb: str,
        kind: Kind,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        shape: type[Shape],
        *,
        repeats: bool = False,
    ) -> Shape:
        if verb != "GET" and (wait := self._pace.take()) and kind is not HTTP_ROUTE:
            # A route takes users off a bad version: it counts, and goes before what waits.
            await self._sleep(wait)
        for tried in range(1, TRIES):
            try:
                return await self._once(verb, kind, path, query, body, content_type, shape)
            except _PassingError as error:
                if not repeats and error.status not in _NOT_DONE:
                    raise
                if error.status == HTTPStatus.UNAUTHORIZED:
                    connection.refused(self._configuration)
                backoff = FIRST_DELAY_S * 2 ** (tried - 1) * (0.5 + self._jitter())
                longest = LONGEST_ROUTE_DELAY_S if kind is HTTP_ROUTE else LONGEST_DELAY_S
                await self._sleep(min(max(backoff, error.retry_after_s), longest))
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
        bound = self._bound(verb, path)
        timeout = READ_TIMEOUT if verb == "GET" else WRITE_TIMEOUT
        if bound is not None:
            # The API server drops it then too: a write that it still holds may else be done late.
            query = {**(query or {}), "timeout": f"{bound}s"}
            timeout = aiohttp.ClientTimeout(total=bound, sock_connect=timeout.sock_connect)
        try:
            async with asyncio.timeout(bound):
                request = await self._api.param_serialize(
                    verb,
                    path,
                    query_params=list((query or {}).items()),
                    # Always said: the client's own guess is wrong for every second kind of patch.
                    header_params={"Accept": JSON, "Content-Type": content_type},
                    body=_yaml(body) if content_type == YAML else body,
                    auth_settings=["BearerToken"],
                )
                response = await self._api.call_api(*request, _request_timeout=timeout)
                self._dated(response.headers.get("Date"))
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

    def _bound(self, verb: str, path: str) -> int | None:
        """Within how many seconds a write has to end to be allowed; None for what is not bounded.

        Raises NotLeadingError.
        """
        allowed = math.inf if verb == "GET" else self._allowed()
        if allowed == math.inf:
            return None
        if allowed < 1.0:
            raise NotLeadingError(verb, path)
        return math.floor(min(allowed, WRITE_TIMEOUT.total or allowed))


def api_client(configuration: Configuration) -> Any:
    """The client of Kubernetes; half of its signatures carry no types."""
    client: Any = ApiClient(configuration)
    client.rest_client = _Forgetful(configuration)
    return client


class _Forgetful(RESTClientObject):
    """What it gives up is not delivered later.

    A request that the network has swallowed is sent by the kernel again and again, also after its
    connection was closed: a write would be done when another process leads. A connection that is
    closed without lingering forgets it.
    """

    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(
            limit=self.maxsize, ssl=self.ssl_context, socket_factory=_forgetful
        )


def _forgetful(address: Any) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return made


_PAIR = re.compile(r"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}")


def _yaml(body: Any) -> str:
    """JSON that is YAML too: that knows no letters in two halves."""
    return _PAIR.sub(lambda pair: str(json.loads(f'"{pair[0]}"')), json.dumps(body))


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
