"""The messages of Envoy's access log service, as far as they are used, with Envoy's own numbers.

They are declared here and not taken from generated modules of all of Envoy's API, which are large
and bring other projects' messages along. Texts are declared as bytes, which on the wire they are:
one that is no UTF-8 would else cost its whole batch. Maps are declared as what they are there, too:
repeated entries of a key and a value.

Sources: envoy/service/accesslog/v3/als.proto, envoy/data/accesslog/v3/accesslog.proto,
envoy/config/core/v3/base.proto, google/protobuf/struct.proto.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

METHOD = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"

_PACKAGE = "model_rollouts.observer"
_SCALARS = {
    "bool": descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    "double": descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "uint32": descriptor_pb2.FieldDescriptorProto.TYPE_UINT32,
    "uint64": descriptor_pb2.FieldDescriptorProto.TYPE_UINT64,
}

FLAGS = {
    "failed_local_healthcheck": (1, "LH"),
    "no_healthy_upstream": (2, "UH"),
    "upstream_request_timeout": (3, "UT"),
    "local_reset": (4, "LR"),
    "upstream_remote_reset": (5, "UR"),
    "upstream_connection_failure": (6, "UF"),
    "upstream_connection_termination": (7, "UC"),
    "upstream_overflow": (8, "UO"),
    "no_route_found": (9, "NR"),
    "fault_injected": (11, "FI"),
    "rate_limited": (12, "RL"),
    "downstream_connection_termination": (15, "DC"),
    "upstream_retry_limit_exceeded": (16, "URX"),
    "stream_idle_timeout": (17, "SI"),
    "downstream_protocol_error": (19, "DPE"),
    "upstream_max_stream_duration_reached": (20, "UMSDR"),
    "duration_timeout": (23, "DT"),
    "upstream_protocol_error": (24, "UPE"),
    "overload_manager": (26, "OM"),
}
"""Field of ResponseFlags -> its number, and the short name that Envoy's own logs write."""

_MESSAGES: dict[str, str] = {
    "StreamAccessLogsMessage": "identifier 1 Identifier, http_logs 2 HTTPAccessLogEntries",
    "Identifier": "node 1 Node, log_name 2 bytes",
    "Node": "id 1 bytes, cluster 2 bytes, metadata 3 Struct",
    "HTTPAccessLogEntries": "log_entry 1 *HTTPAccessLogEntry",
    "HTTPAccessLogEntry": "common_properties 1 AccessLogCommon, request 3 HTTPRequestProperties, "
    "response 4 HTTPResponseProperties",
    "AccessLogCommon": "start_time 5 Time, time_to_last_upstream_rx_byte 10 Time, "
    "time_to_last_downstream_tx_byte 12 Time, upstream_cluster 15 bytes, "
    "response_flags 16 ResponseFlags, metadata 17 Metadata, duration 23 Time",
    "HTTPRequestProperties": "path 5 bytes, request_id 9 bytes, request_body_bytes 12 uint64, "
    "request_headers 13 *Header",
    "HTTPResponseProperties": "response_code 1 UInt32Value, response_body_bytes 3 uint64, "
    "response_headers 4 *Header",
    "ResponseFlags": ", ".join(f"{name} {number} bool" for name, (number, _) in FLAGS.items()),
    "Metadata": "filter_metadata 1 *Namespace",
    "Namespace": "key 1 bytes, value 2 Struct",
    "Struct": "fields 1 *Field",
    "Field": "key 1 bytes, value 2 Value",
    "Value": "number_value 2 double, string_value 3 bytes, bool_value 4 bool",
    "Header": "key 1 bytes, value 2 bytes",
    "Time": "seconds 1 int64, nanos 2 int32",
    "UInt32Value": "value 1 uint32",
}
"""Message -> its fields: name, number, and type, with a star when it is repeated."""


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="model_rollouts/observer.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields.split(", "):
            field_name, number, kind = field.split(" ")
            made = message.field.add(name=field_name, number=int(number))
            made.label = made.LABEL_REPEATED if kind.startswith("*") else made.LABEL_OPTIONAL
            kind = kind.removeprefix("*")
            if kind in _SCALARS:
                made.type = _SCALARS[kind]
            else:
                made.type = made.TYPE_MESSAGE
                made.type_name = f".{_PACKAGE}.{kind}"
    return file


_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(_file())

Batch: Any = message_factory.GetMessageClass(
    _POOL.FindMessageTypeByName(f"{_PACKAGE}.StreamAccessLogsMessage")
)
"""StreamAccessLogsMessage."""
