"""The gRPC server: who speaks is known before anything is taken, then raw batches are parsed.

Nothing is acknowledged, and no proxy waits for it: what is not taken in time is dropped by the
proxy, and its numbers tell.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc
from google.protobuf.message import DecodeError

from model_rollouts.observer.capture.messages import METHOD, Batch
from model_rollouts.observer.identity import AwayError, ForeignError, Identity, Speaker

LARGEST_BATCH = 16 * 1024 * 1024
"""Bytes. Envoy sends a batch when it has 256 KiB, and a record of two large bodies alone."""

GRACE_S = 1.0
"""Streams of access logs have no end of their own: what is on its way arrives within this time."""

ARMS = {b"live": False, b"shadow": True}
"""Name of the log -> whether its records are of mirrored requests."""

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where batches go."""

    async def opened(self, speaker: Speaker) -> None:
        """A pod begins to speak; raises AwayError when nothing can be known of its model."""

    def closed(self, speaker: Speaker) -> None:
        """A pod that was opened speaks no longer."""

    def take(self, speaker: Speaker, is_shadow: bool, entries: Sequence[Any]) -> None:
        """A batch of HTTPAccessLogEntry."""

    def refused(self, why: str) -> None:
        """A stream, or a batch of one, was not taken."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files in PEM of the server's certificate and its key."""

    certificate: Path
    key: Path


class Receiver:
    """Takes the streams of all pods."""

    def __init__(self, identity: Identity, sink: Sink) -> None:
        self._identity = identity
        self._sink = sink
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", LARGEST_BATCH),
                ("grpc.so_reuseport", 0),
                # Of proxies that are gone without a word nothing else would be heard.
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ]
        )
        handler: Any = grpc.stream_unary_rpc_method_handler(self._stream)
        service, name = METHOD.removeprefix("/").split("/")
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {name: handler}),)
        )

    async def start(self, address: str, certificate: Certificate | None) -> int:
        """Listen on `address` (host:port); the port. Raises OSError, also for bad certificates."""
        try:
            if certificate is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, _credentials(certificate))
        except RuntimeError as error:
            raise OSError(f"{address}: {error}") from None
        await self._server.start()
        return port

    async def stop(self) -> None:
        """Take nothing new, and what is on its way for some seconds."""
        await self._server.stop(GRACE_S)

    async def _stream(self, batches: AsyncIterator[bytes], context: Any) -> bytes:
        speaker = await self._speaker(context)
        try:
            return await self._taken(speaker, batches, context)
        finally:
            self._sink.closed(speaker)

    async def _taken(self, speaker: Speaker, batches: AsyncIterator[bytes], context: Any) -> bytes:
        is_shadow: bool | None = None
        async for raw in batches:
            try:
                batch = Batch.FromString(raw)
            except DecodeError:
                self._sink.refused("unreadable")
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a batch is not readable")
            if is_shadow is None:
                is_shadow = await self._arm(batch, speaker, context)
            self._sink.take(speaker, is_shadow, batch.http_logs.log_entry)
            # A proxy that always has more to say would keep all others waiting.
            await asyncio.sleep(0)
        return b""

    async def _speaker(self, context: Any) -> Speaker:
        metadata: Mapping[str, Any] = dict(context.invocation_metadata() or ())
        try:
            speaker = await self._identity.speaker(metadata.get("authorization", ""))
            await self._sink.opened(speaker)
        except ForeignError as error:
            self._sink.refused(error.why)
            _log.warning("a stream was refused: %s", error)
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))
        except AwayError as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        return speaker

    async def _arm(self, batch: Any, speaker: Speaker, context: Any) -> bool:
        """Whether mirrored requests are told; aborts when what is claimed is not who speaks."""
        node, log_name = batch.identifier.node, batch.identifier.log_name
        claimed = {
            each.key.decode(errors="replace"): each.value.string_value.decode(errors="replace")
            for each in node.metadata.fields
        }
        told = (
            node.id.decode(errors="replace"),
            node.cluster.decode(errors="replace"),
            *(claimed.get(each) for each in ("namespace", "model", "revision")),
        )
        known = (speaker.pod, speaker.revision, speaker.namespace, speaker.model, speaker.revision)
        if told != known:
            self._sink.refused("claims")
            message = f"the stream says {told!r:.400}, its token belongs to {known!r}"
            _log.warning("a stream was refused: %s", message)
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, message)
        if log_name not in ARMS:
            self._sink.refused("log_name")
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"log_name: found {log_name[:100]!r}, write live or shadow",
            )
        return ARMS[log_name]


def _credentials(certificate: Certificate) -> grpc.ServerCredentials:
    """Credentials that follow their files: certificates are renewed while the process runs."""

    def read() -> tuple[bytes, bytes]:
        return certificate.key.read_bytes(), certificate.certificate.read_bytes()

    last = [read()]

    def changed() -> Any:
        try:
            found = read()
        except OSError as error:
            _log.warning("the certificate could not be read again: %s", error)
            return None
        if found == last[0]:
            return None
        last[0] = found
        return grpc.ssl_server_certificate_configuration([found])

    made: grpc.ServerCredentials = grpc.dynamic_ssl_server_credentials(
        grpc.ssl_server_certificate_configuration([last[0]]), changed
    )
    return made
