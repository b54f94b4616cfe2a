"""A receiver of Envoy's access logs over gRPC, with the fields that a record of capture needs.

It stands for the observer, and reads what Envoy sent by field numbers of its own: a mistake of the
observer's decoder is not repeated here.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

METHOD = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
NAMESPACE = "model_rollouts.capture"
WARM_UP = "/warm-up"

_TEXT, _NUMBER, _BOOL = "string", "uint64", "bool"
_STRUCT, _UINT32 = "google.protobuf.Struct", "google.protobuf.UInt32Value"
_TIME, _DURATION = "google.protobuf.Timestamp", "google.protobuf.Duration"
_HEADERS = ("map", _TEXT)

_MESSAGES: dict[str, dict[str, tuple[int, Any]]] = {
    "Node": {"id": (1, _TEXT), "cluster": (2, _TEXT), "metadata": (3, _STRUCT)},
    "Identifier": {"node": (1, "Node"), "log_name": (2, _TEXT)},
    "Entries": {"log_entry": (1, ("repeated", "Entry"))},
    "Message": {"identifier": (1, "Identifier"), "http_logs": (2, "Entries")},
    "Metadata": {"filter_metadata": (1, ("map", _STRUCT))},
    "Flags": {"upstream_connection_failure": (6, _BOOL), "downstream_ended": (15, _BOOL)},
    "Common": {
        "start_time": (5, _TIME),
        "time_to_last_downstream_tx_byte": (12, _DURATION),
        "response_flags": (16, "Flags"),
        "metadata": (17, "Metadata"),
    },
    "Request": {
        "path": (5, _TEXT),
        "request_id": (9, _TEXT),
        "request_body_bytes": (12, _NUMBER),
    },
    "Response": {
        "response_code": (1, _UINT32),
        "response_body_bytes": (3, _NUMBER),
        "response_headers": (4, _HEADERS),
    },
    "Entry": {
        "common_properties": (1, "Common"),
        "request": (3, "Request"),
        "response": (4, "Response"),
    },
}
"""The messages used, with the numbers of Envoy's own definitions."""

_ONE = FieldDescriptorProto.LABEL_OPTIONAL
_KINDS = {
    _TEXT: FieldDescriptorProto.TYPE_STRING,
    _NUMBER: FieldDescriptorProto.TYPE_UINT64,
    _BOOL: FieldDescriptorProto.TYPE_BOOL,
}


def _message_class() -> Any:
    pool = DescriptorPool()
    file = FileDescriptorProto(name="access_log.proto", package="als", syntax="proto3")
    for module in (duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        file.dependency.append(module.DESCRIPTOR.name)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for title, (number, kind) in fields.items():
            made = message.field.add(name=title, number=number, label=_ONE)
            if isinstance(kind, tuple):
                made.label = FieldDescriptorProto.LABEL_REPEATED
                kind = _entry_of_map(message, title, kind)
            if kind in _KINDS:
                made.type = _KINDS[kind]
            else:
                made.type = FieldDescriptorProto.TYPE_MESSAGE
                made.type_name = f".{kind}" if kind.startswith("google") else f".als.{kind}"
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("als.Message"))


def _entry_of_map(message: Any, title: str, kind: tuple[str, str]) -> str:
    shape, value = kind
    if shape == "repeated":
        return value
    name = "".join(part.title() for part in title.split("_")) + "Entry"
    entry = message.nested_type.add(name=name)
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_ONE, type=_KINDS[_TEXT])
    made = entry.field.add(name="value", number=2, label=_ONE)
    if value in _KINDS:
        made.type = _KINDS[value]
    else:
        made.type, made.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{value}"
    return f"{message.name}.{name}"


_Message = _message_class()


@dataclass(frozen=True)
class Record:
    """One request, as Envoy tells it: `said` is what capture put into its metadata."""

    listener: str
    request_id: str
    path: str
    code: int
    said: dict[str, Any]
    prediction: str
    body_bytes: tuple[int, int]
    client_left: bool
    model_gone: bool
    timing: str = ""


@dataclass
class Receiver:
    """What came, in order.

    `connected` are the listeners whose requests to WARM_UP came, which are
    no records. `reads` is cleared to stop reading, as an observer that hangs does.
    """

    records: list[Record] = field(default_factory=list)
    streams: list[dict[str, Any]] = field(default_factory=list)
    connected: set[str] = field(default_factory=set)
    reads: asyncio.Event = field(default_factory=asyncio.Event)

    def of(self, request_id: str) -> list[Record]:
        """The records of one request."""
        return [each for each in self.records if each.request_id == request_id]

    async def stream(self, requests: AsyncIterator[bytes], context: Any) -> Any:
        """Take one stream of a proxy to its end."""
        said: dict[str, Any] = dict(context.invocation_metadata())
        self.streams.append(said)
        name = ""
        while True:
            await self.reads.wait()
            try:
                raw = await anext(requests)
            except StopAsyncIteration:
                return b""
            message = _Message.FromString(raw)
            if message.identifier.log_name:
                name = message.identifier.log_name
                node = message.identifier.node
                said["node"] = (node.id, node.cluster, dict(node.metadata))
            for entry in message.http_logs.log_entry:
                if entry.request.path == WARM_UP:
                    self.connected.add(name)
                else:
                    self.records.append(_record(name, entry))


def _record(listener: str, entry: Any) -> Record:
    common, request, response = entry.common_properties, entry.request, entry.response
    return Record(
        listener,
        request.request_id,
        request.path,
        response.response_code.value,
        dict(common.metadata.filter_metadata[NAMESPACE])
        if NAMESPACE in common.metadata.filter_metadata
        else {},
        response.response_headers.get("x-prediction-id", ""),
        (request.request_body_bytes, response.response_body_bytes),
        common.response_flags.downstream_ended,
        common.response_flags.upstream_connection_failure,
        response.response_headers.get("server-timing", ""),
    )


@contextlib.asynccontextmanager
async def receiving(port: int, credentials: Any = None) -> AsyncIterator[Receiver]:
    """A receiver on loopback at `port`, over TLS with `credentials`; ended at once afterwards."""
    receiver = Receiver()
    receiver.reads.set()
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    handler: Any = grpc.stream_unary_rpc_method_handler(receiver.stream)
    service, method = METHOD.strip("/").split("/")
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    if credentials is None:
        server.add_insecure_port(f"127.0.0.1:{port}")
    else:
        server.add_secure_port(f"127.0.0.1:{port}", credentials)
    await server.start()
    try:
        yield receiver
    finally:
        await server.stop(None)
