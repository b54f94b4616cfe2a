"""A model server and its users, in as little Python as possible: the proxy is what is measured."""

import asyncio
import math
import time
import uuid
from dataclasses import dataclass, field

BODY = b'{"inputs": [{"name": "x", "shape": [1, 571], "datatype": "FP32", "data": ['
BODY += b"0.125, " * 570 + b"0.125]}]}"
"""About 4 kB, in and out."""
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
_CONNECTIONS = 8


def serve(port: int) -> None:
    """Answer each request with BODY, for ever: a process of its own."""
    asyncio.run(_serve(port))


async def _serve(port: int) -> None:
    answer = _ANSWER % (len(BODY), BODY)

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await _read(reader)
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answered, "127.0.0.1", port)
    await server.serve_forever()


async def _read(reader: asyncio.StreamReader) -> bytes:
    """The head of a message, once its body came too."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, _, rest = head.partition(b"content-length: ")
    await reader.readexactly(int(rest.partition(b"\r\n")[0] or 0))
    return head


@dataclass
class Users:
    """Requests to one proxy at a steady rate, whether answers are late or not."""

    port: int
    rate: float
    took_ms: list[float] = field(default_factory=list)
    failed: int = 0

    async def ask(self, seconds: float) -> None:
        """Ask for so long; times count from when a request was due."""
        due: asyncio.Queue[float | None] = asyncio.Queue()
        workers = [asyncio.create_task(self._work(due)) for _ in range(_CONNECTIONS)]
        begun = time.perf_counter()
        for number in range(round(seconds * self.rate)):
            at = begun + number / self.rate
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            due.put_nowait(at)
        for _ in workers:
            due.put_nowait(None)
        await asyncio.gather(*workers)

    async def _work(self, due: asyncio.Queue[float | None]) -> None:
        writer: asyncio.StreamWriter | None = None
        while (at := await due.get()) is not None:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            head = (
                f"POST /v2/models/m/infer HTTP/1.1\r\nhost: m\r\nx-request-id: {uuid.uuid4()}\r\n"
                f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n"
            )
            writer.write(head.encode() + BODY)
            answer = await _read(reader)
            self.took_ms.append(1000 * (time.perf_counter() - at))
            self.failed += not answer.startswith(b"http/1.1 200")
            if b"connection: close" in answer:
                writer.close()
                writer = None
        if writer is not None:
            writer.close()

    def at(self, share: float) -> float:
        """The time in ms within which that share was answered."""
        return sorted(self.took_ms)[math.ceil(share * len(self.took_ms)) - 1]
