"""Watches objects and hands over what happens to them. Nothing is kept, decided or written.

kopf watches in a thread and a loop of its own: it cancels every task of its loop when it ends, and
it ends for good on errors that a watch has every few weeks. Whoever runs a source starts it again,
and lists once more: what was deleted meanwhile is reported by nobody. So kopf need not list too. It
would hold every object at once, a hundred kilobytes each, and learns only where to begin.
"""

import asyncio
import contextlib
import logging
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import kopf
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from model_rollouts.cluster import connection
from model_rollouts.cluster.kinds import WATCHED, Kind
from model_rollouts.cluster.kopf_settings import watcher_settings
from model_rollouts.cluster.requests import Observe, nobody
from model_rollouts.resources.names import MANAGED_BY, MANAGED_BY_LABEL

MANAGED_SELECTOR = f"{MANAGED_BY_LABEL}={MANAGED_BY}"


@dataclass(frozen=True, slots=True)
class Changed:
    """An object as it is now. What is there when watching begins is not told: a list does that."""

    kind: Kind
    obj: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Gone:
    """An object as it was when it was deleted."""

    kind: Kind
    obj: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Listening:
    """All watches stand: from now on nothing is missed. What happened before, only a list tells."""


Happening = Changed | Gone | Listening
Sink = Callable[[Happening], None]

_STOP_SECONDS = 5.0

_log = logging.getLogger(__name__)


class SourceError(Exception):
    """A source has ended, and why."""


class EventSource(Protocol):
    """Something that tells what happens to the watched objects."""

    async def run(self, sink: Sink) -> None:
        """Tell `sink`, in the loop of the caller, until cancelled. Raises SourceError."""


_IDENTITY: Any = "model-rollouts"
"""kopf's type for it is not public."""


class KopfSource:
    """Watches objects of these `kinds`, cluster-wide or in the `namespaces` given.

    What it `leaves_out` it does not watch until it is run again: one kind that may not be watched
    would end the watches of all.
    """

    def __init__(
        self,
        kubeconfig: Path | None,
        namespaces: Sequence[str],
        observe: Observe = nobody,
        kinds: Sequence[Kind] = WATCHED,
        leaves_out: Callable[[Kind], bool] = lambda kind: False,
    ) -> None:
        self._kubeconfig = kubeconfig
        self._namespaces = tuple(namespaces)
        self._observe = observe
        self._kinds = tuple(kinds)
        self._leaves_out = leaves_out

    async def run(self, sink: Sink) -> None:
        """Tell `sink`, in the loop of the caller, until cancelled. Raises SourceError."""
        loop = asyncio.get_running_loop()
        watching = _Watching(
            self._kubeconfig,
            self._namespaces,
            lambda happening: _hand_over(loop, sink, happening),
            lambda *answer: _hand_over(loop, self._observe, *answer),
            [kind for kind in self._kinds if not self._leaves_out(kind)],
        )
        ended: asyncio.Future[str] = loop.create_future()

        def work() -> None:
            try:
                asyncio.run(watching.operate())
                why = "without a reason"
            except asyncio.CancelledError:
                why = "it was stopped"
            except Exception as error:
                why = f"{type(error).__name__}: {error}"
            _hand_over(loop, ended.set_result, why)

        # A daemon: a thread that does not end must not keep the process from ending.
        threading.Thread(target=work, name="kopf", daemon=True).start()
        try:
            await asyncio.wait({ended})
        except asyncio.CancelledError:
            watching.stop()
            await asyncio.wait({ended}, timeout=_STOP_SECONDS)
            raise
        raise SourceError(f"the watch ended: {ended.result()}")


def _hand_over(loop: asyncio.AbstractEventLoop, to: Callable[..., object], *what: object) -> None:
    # A closed loop has nobody left who could be told.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(to, *what)


class _Watching:
    """One life of kopf, in the thread and the loop that run it."""

    def __init__(
        self,
        kubeconfig: Path | None,
        namespaces: tuple[str, ...],
        post: Callable[[Happening], object],
        observe: Callable[[str, str, str], object],
        kinds: Sequence[Kind],
    ) -> None:
        self._kubeconfig = kubeconfig
        self._namespaces = namespaces
        self._post = post
        self._observe = observe
        scopes: Sequence[str | None] = namespaces or (None,)
        self._kinds = {kind.path(scope): kind for kind in kinds for scope in scopes}
        self._standing: set[str] = set()
        self._sessions: list[aiohttp.ClientSession] = []
        self._cut = asyncio.Event()
        self._stopping = False
        self._stop: Callable[[], object] = lambda: None

    def stop(self) -> None:
        """End soon; may be called from any thread."""
        self._stopping = True
        with contextlib.suppress(RuntimeError):
            self._stop()

    async def operate(self) -> None:
        """Watch until told to stop; raises what ends kopf."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._stop = lambda: asyncio.run_coroutine_threadsafe(self._end(task), loop)
        # One error ends all tasks of kopf, and each would tell it again when it is collected.
        loop.set_exception_handler(lambda _, context: _log.debug("kopf: %s", context["message"]))
        if self._stopping:
            return
        try:
            # It is stopped by cancelling and not by a flag: after an error it would wait for the
            # flag, 5 s for one of asyncio and for ever for one of threading.
            await self._until_ended(
                kopf.operator(
                    registry=self._registry(),
                    settings=watcher_settings(MANAGED_SELECTOR),
                    # Its own would ask for the name of the user, which a container may not have.
                    identity=_IDENTITY,
                    clusterwide=not self._namespaces,
                    namespaces=self._namespaces,
                )
            )
        finally:
            # After an error kopf leaves them open.
            await self._close_sessions()

    async def _until_ended(self, life: Coroutine[Any, Any, None]) -> None:
        """Wait for kopf, and end it when it has closed its session and goes on all the same.

        On an error of one watch it does so under the others. Those that ask just then wait for a
        login that never comes, and so would everybody: nothing is watched, and nothing ends.
        """
        running, cut = asyncio.create_task(life), asyncio.create_task(self._cut.wait())
        failures = _Failures()
        logging.getLogger("kopf").addHandler(failures)
        try:
            await asyncio.wait({running, cut}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({running}, timeout=_STOP_SECONDS)
        finally:
            logging.getLogger("kopf").removeHandler(failures)
            running.cancel()
            cut.cancel()
        if not running.done():
            raise failures.first or TimeoutError("kopf closed its session but did not end")
        await running

    async def _end(self, task: asyncio.Task[None]) -> None:
        # The connections are cut first. A watch that is cancelled closes its own in order, by a
        # goodbye over TLS, and a loop that ends before the answer leaves it open. What kopf says of
        # the cut is no news; the next life sets its level again.
        logging.getLogger("kopf").setLevel(logging.CRITICAL)
        await self._close_sessions()
        task.cancel()

    async def _close_sessions(self) -> None:
        for session in self._sessions:
            await session.close()

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(self._login)
        for kind in dict.fromkeys(self._kinds.values()):
            watched = (kind.group, kind.version, kind.plural)
            kopf.on.event(*watched, registry=registry, id=kind.plural)(self._deliver(kind))
        return registry

    def _deliver(self, kind: Kind) -> Callable[..., Awaitable[None]]:
        async def deliver(event: kopf.RawEvent, **_: object) -> None:
            obj: dict[str, Any] = {
                **event["object"],
                "apiVersion": kind.api_version,
                "kind": kind.name,
            }
            self._post(Gone(kind, obj) if event["type"] == "DELETED" else Changed(kind, obj))

        return deliver

    async def _login(self, **_: object) -> kopf.AiohttpSession:
        """A session that tells of each request."""
        configuration = await connection.load(self._kubeconfig)
        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(self._started)
        trace.on_request_end.append(self._answered)
        trace.on_request_exception.append(self._failed)
        session = aiohttp.ClientSession(
            connector=_Connector(self._cut, RESTClientObject(configuration).ssl_context),
            headers={"User-Agent": "model-rollouts"},
            middlewares=[_authorized_by(configuration)],
            trust_env=True,
            # A line of the watch is an object, and objects have up to 1.5 MB.
            read_bufsize=2**21,
            trace_configs=[trace],
            response_class=_Beginning,
        )
        self._sessions.append(session)
        return kopf.AiohttpSession(server=configuration.host, aiohttp_session=session)

    async def _started(self, _: object, __: object, request: Any) -> None:
        if request.url.path in self._kinds and "watch" not in request.url.query:
            self._standing.discard(request.url.path)

    async def _answered(self, _: object, __: object, request: Any) -> None:
        path, watches = request.url.path, "watch" in request.url.query
        kind = self._kinds.get(path)
        if kind is None:
            return
        self._observe("WATCH" if watches else "GET", kind.plural, str(request.response.status))
        if watches and request.response.status == 200 and path not in self._standing:
            self._standing.add(path)
            if len(self._standing) == len(self._kinds):
                self._post(Listening())

    async def _failed(self, _: object, __: object, request: Any) -> None:
        kind = self._kinds.get(request.url.path)
        if kind is not None:
            self._observe("WATCH" if "watch" in request.url.query else "GET", kind.plural, "none")


class _Failures(logging.Handler):
    """What a task of kopf failed with; where kopf does not end of it, only its log tells."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.first: Exception | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first exception."""
        error = record.exc_info[1] if record.exc_info else None
        if self.first is None and isinstance(error, Exception):
            self.first = error


class _Connector(aiohttp.TCPConnector):
    """Tells when it is closed, and its session with it."""

    def __init__(self, closed: asyncio.Event, ssl_context: ssl.SSLContext) -> None:
        super().__init__(ssl=ssl_context)
        self._told = closed

    async def close(self, *, abort_ssl: bool = False) -> None:
        """Close the connections."""
        self._told.set()
        await super().close(abort_ssl=abort_ssl)


class _Beginning(aiohttp.ClientResponse):
    """A list is taken for empty and whole: its version is where the watch begins."""

    async def json(self, **options: Any) -> Any:
        """The content; without items and further pages when it is a list."""
        answer = await super().json(**options)
        if not isinstance(answer, dict) or "items" not in answer:
            return answer
        version = answer.get("metadata", {}).get("resourceVersion")
        return {**answer, "items": [], "metadata": {"resourceVersion": version}}


def _authorized_by(configuration: Configuration) -> aiohttp.ClientMiddlewareType:
    """Gives each request the token as it is then, and a newer one to a request that was refused.

    kopf would log in again when a token has expired, and close its session under its other watches:
    some of them end of it, and then it hangs.
    """

    async def send(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        await _authorize(request, configuration)
        answer = await handler(request)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            await answer.read()
            connection.refused(configuration)
            await _authorize(request, configuration)
            answer = await handler(request)
        return answer

    return send


async def _authorize(request: aiohttp.ClientRequest, configuration: Configuration) -> None:
    token = (await configuration.auth_settings()).get("BearerToken")
    if token is not None:
        request.headers["Authorization"] = str(token["value"])
