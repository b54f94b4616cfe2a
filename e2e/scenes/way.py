"""A way from an operator to the API server that a scene can cut, and nobody else's."""

import asyncio
import threading
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import yaml

_CHUNK = 2**16


class Way:
    """Carries bytes to the API server of a kubeconfig; a context manager.

    `kubeconfig` leads over it. What it carries stays encrypted: the API server must answer to
    "localhost", as those of `make cluster` do.
    """

    def __init__(self, kubeconfig: Path, target: Path) -> None:
        """Prepare one from a `kubeconfig`; `target` is where the other one is written."""
        self._from, self.kubeconfig = kubeconfig, target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._is_cut = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    def __enter__(self) -> Self:
        """Open it."""
        configuration = yaml.safe_load(self._from.read_text())
        (cluster,) = (each["cluster"] for each in configuration["clusters"])
        self._target = urlsplit(cluster["server"])
        self._thread.start()
        port = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        cluster["server"] = f"https://localhost:{port}"
        self.kubeconfig.write_text(yaml.safe_dump(configuration))
        self.kubeconfig.chmod(0o600)
        return self

    def __exit__(self, *_: object) -> None:
        """Close it with all connections."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Carry nothing any more: whoever asks waits, and connections stand."""
        self._is_cut = True

    def heal(self) -> None:
        """Carry again. What was on its way is lost, with its connections."""
        self._is_cut = False
        self._loop.call_soon_threadsafe(self._drop)

    async def _open(self) -> int:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _close(self) -> None:
        self._server.close()
        left = set(self._tasks)
        self._drop()
        await asyncio.gather(*left, return_exceptions=True)

    def _drop(self) -> None:
        for each in self._tasks:
            each.cancel()

    async def _carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            async with asyncio.TaskGroup() as ways:
                # Also one that is opened now waits in silence.
                await self._while_cut()
                far, there = await asyncio.open_connection(self._target.hostname, self._target.port)
                ways.create_task(self._copy(near, there))
                ways.create_task(self._copy(far, back))
        except* (OSError, asyncio.CancelledError):
            pass  # whoever asks sees that the connection is broken
        finally:
            self._tasks.discard(task)
            back.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while part := await reader.read(_CHUNK):
                await self._while_cut()
                writer.write(part)
                await writer.drain()
        finally:
            writer.close()

    async def _while_cut(self) -> None:
        while self._is_cut:
            await asyncio.sleep(0.05)
