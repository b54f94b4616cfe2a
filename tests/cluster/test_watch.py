"""The source on a real API server: what it tells, what ends it, and what it cannot know."""

import asyncio
import contextlib
import gc
import logging
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import kopf
import pytest
from yarl import URL

from e2e.fixtures import ApiServer
from model_rollouts.cluster import watch as watch_module
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.kinds import CONTROLLER_REVISION, MODEL_DEPLOYMENT
from model_rollouts.cluster.watch import (
    Changed,
    Gone,
    Happening,
    KopfSource,
    Listening,
    SourceError,
)
from model_rollouts.resources.names import labels
from tests.api.objects import changed
from tests.cluster.test_client import revision
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.kubernetes_clients import connected, until


class Watched:
    """A source that runs, and what it has told."""

    def __init__(self, proxy: FaultProxy, client: ClusterClient, namespace: str) -> None:
        self.proxy = proxy
        self.client = client
        self.namespace = namespace
        self.told: list[Happening] = []
        source = KopfSource(proxy.kubeconfig, (namespace,))
        self.task = asyncio.create_task(source.run(self.told.append))

    def listened(self) -> int:
        """How often all watches stood."""
        return sum(isinstance(each, Listening) for each in self.told)

    def names(self, what: type[Changed] | type[Gone]) -> set[str]:
        """The names of what changed, or of what is gone."""
        return {each.obj["metadata"]["name"] for each in self.told if isinstance(each, what)}

    async def create(self, name: str, managed: bool = True) -> Any:
        """A ControllerRevision, with our labels or without."""
        body = revision(self.namespace, name)
        body["metadata"]["labels"] = labels("arrival") if managed else {}
        return await self.client.create(body)


Watch = Callable[[], contextlib.AbstractAsyncContextManager[Watched]]


@pytest.fixture
def watch(api_server: ApiServer, namespace: str, tmp_path: Path) -> Watch:
    """A source behind a proxy, once all of its watches stand."""

    @contextlib.asynccontextmanager
    async def made() -> AsyncIterator[Watched]:
        async with (
            fault_proxy(api_server, tmp_path) as proxy,
            connected(api_server.kubeconfig) as client,
        ):
            watched = Watched(proxy, client, namespace)
            await until(watched.listened, "the watches did not stand")
            try:
                yield watched
            finally:
                watched.task.cancel()
                await asyncio.wait({watched.task})

    return made


def test_it_tells_what_changes_and_what_is_deleted(watch: Watch) -> None:
    async def test() -> None:
        async with watch() as watched:
            model = await watched.client.create(changed({"metadata.namespace": watched.namespace}))
            await watched.create("child")
            await watched.client.delete(
                MODEL_DEPLOYMENT, watched.namespace, "arrival", model["metadata"]["uid"]
            )
            await until(lambda: watched.names(Gone), "the deletion was not told")
            await until(lambda: watched.names(Changed) == {"arrival", "child"}, "not all was told")
            first = next(each for each in watched.told if isinstance(each, Changed))
            assert (first.kind.name, first.obj["kind"]) in (
                ("ModelDeployment", "ModelDeployment"),
                ("ControllerRevision", "ControllerRevision"),
            )

    asyncio.run(test())


def test_it_looks_only_at_children_of_ours(watch: Watch) -> None:
    async def test() -> None:
        async with watch() as watched:
            await watched.create("theirs", managed=False)
            await watched.create("ours")
            await until(lambda: "ours" in watched.names(Changed), "the child was not told")

            assert "theirs" not in watched.names(Changed)

    asyncio.run(test())


def test_it_writes_nothing(watch: Watch) -> None:
    async def test() -> None:
        async with watch() as watched:
            await watched.create("child")
            await until(lambda: watched.names(Changed), "the child was not told")

            assert {method for method, _ in watched.proxy.requests} == {"GET"}

    asyncio.run(test())


ETCD_IS_SLOW = {
    "type": "ERROR",
    "object": {"kind": "Status", "code": 500, "message": "etcdserver: request timed out"},
}
TOO_OLD = {
    "type": "ERROR",
    "object": {"kind": "Status", "code": 410, "message": "too old resource version"},
}


def test_an_error_in_the_stream_ends_it(watch: Watch) -> None:
    async def test() -> None:
        async with watch() as watched:
            await watched.proxy.send_into_watches(ETCD_IS_SLOW)

            with pytest.raises(SourceError, match="etcdserver: request timed out"):
                await asyncio.wait_for(watched.task, 30)

    asyncio.run(test())


def test_a_watch_that_is_gone_ends_it(watch: Watch) -> None:
    async def test() -> None:
        async with watch() as watched:
            watched.proxy.fail("GET", "watch=true", 410)
            watched.proxy.drop_watches()

            with pytest.raises(SourceError):
                await asyncio.wait_for(watched.task, 30)

    asyncio.run(test())


def test_after_a_version_that_is_too_old_it_says_that_it_listens_anew(watch: Watch) -> None:
    async def test() -> None:
        async with watch() as watched:
            await watched.create("vanishes")
            await until(lambda: watched.names(Changed), "the child was not told")
            before = watched.listened()
            # The watch that would tell the deletion is one that begins after it.
            await watched.proxy.send_into_watches(TOO_OLD)
            await watched.client.delete(CONTROLLER_REVISION, watched.namespace, "vanishes")

            await until(lambda: watched.listened() > before, "it did not say that it listens")

    asyncio.run(test())


def test_it_ends_quickly_and_leaves_no_thread(watch: Watch) -> None:
    async def test() -> None:
        async with watch():
            pass

        assert "kopf" not in {thread.name for thread in threading.enumerate()}

    asyncio.run(test())


@contextlib.asynccontextmanager
async def wire(server: ApiServer, directory: Path) -> AsyncIterator[tuple[Path, asyncio.Event]]:
    """A kubeconfig that leads to the API server over a wire.

    It passes nothing on while the event is cleared.
    """
    url, passes = URL(server.url), asyncio.Event()
    passes.set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            while data := await reader.read(2**16):
                await passes.wait()
                writer.write(data)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await asyncio.open_connection(url.host, url.port)
        await asyncio.gather(pump(reader, behind[1]), pump(behind[0], writer))

    wired = await asyncio.start_server(connect, "127.0.0.1", 0)
    here = f"https://127.0.0.1:{wired.sockets[0].getsockname()[1]}"
    kubeconfig = directory / "wired"
    kubeconfig.write_text(server.kubeconfig.read_text().replace(server.url, here))
    async with wired:
        yield kubeconfig, passes
        passes.set()


def test_it_leaves_no_connection_open_to_a_server_that_does_not_say_goodbye(
    api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    async def test() -> None:
        told: list[Happening] = []
        async with wire(api_server, tmp_path) as (kubeconfig, passes):
            task = asyncio.create_task(KopfSource(kubeconfig, (namespace,)).run(told.append))
            await until(lambda: Listening() in told, "the watches did not stand")
            passes.clear()
            task.cancel()
            await asyncio.wait({task})
            # What was left open is told when it is collected, and fails this test.
            gc.collect()

    asyncio.run(test())


def test_a_life_that_goes_on_without_its_session_is_ended(
    monkeypatch: pytest.MonkeyPatch, api_server: ApiServer, namespace: str
) -> None:
    """On some errors kopf closes it under the other watches, which wait for a login for ever."""
    monkeypatch.setattr(watch_module, "_STOP_SECONDS", 0.05)

    async def life(registry: Any, **_: Any) -> None:
        (login,) = registry._activities.get_all_handlers()
        session = await login.fn()
        logging.getLogger("kopf").error("a watch failed", exc_info=OSError("too many of them"))
        await session.aiohttp_session.close()
        await asyncio.Event().wait()

    monkeypatch.setattr(kopf, "operator", life)

    async def test() -> None:
        source = KopfSource(api_server.kubeconfig, (namespace,))
        with pytest.raises(SourceError, match="OSError: too many of them"):
            await asyncio.wait_for(source.run(lambda happening: None), 10)

    asyncio.run(test())
