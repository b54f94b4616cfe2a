"""One entry of a batch as a record: what was asked and answered, and what became of it."""

from collections.abc import Iterable
from typing import Any

import msgspec

from model_rollouts.observer.capture.messages import FLAGS
from model_rollouts.resources.names import PREDICTION_HEADER, TIMING_HEADER
from model_rollouts.resources.observer_address import METADATA

LONGEST_ID = 256
LONGEST_SLICE = 128
"""Characters. Whoever sends longer ids has his records refused; a longer slice is cut."""

LATEST_S = 4_102_444_800
"""The year 2100: a clock that is beyond it is none."""

LARGEST_SEQUENCE = 2**53
"""Numbers of Lua are doubles: beyond, they are not whole."""

_METADATA = METADATA.encode()
_PREDICTION = PREDICTION_HEADER.encode()
_TIMING = TIMING_HEADER.encode()
_IN = (b"in", b"in_length", b"in_base64")
_OUT = (b"out", b"out_length", b"out_base64")
_FLAGS = tuple((name, short) for name, (_, short) in FLAGS.items())


class RefusedError(Exception):
    """An entry that is no record; the message says why."""


class Body(msgspec.Struct, frozen=True, gc=False):
    """A body as it was copied. `length` is what passed; more than is here means cut."""

    data: bytes
    length: int
    is_base64: bool

    @property
    def is_cut(self) -> bool:
        """Whether more passed than was copied."""
        here = len(self.data) // 4 * 3 - self.data[-2:].count(b"=") if self.is_base64 else None
        return self.length > (len(self.data) if here is None else here)


class Record(msgspec.Struct, frozen=True, gc=False):
    """One request at one proxy.

    `start_s` is Unix time, `latency_ms` until the last byte to the client. `boot` is empty for a
    request that was not sampled, and `sequence` is 0 for one whose answer did not end.
    `answered_by` is "model", "proxy" (an error of its own), or "" when no answer came to its end.
    """

    request_id: str
    prediction_id: str
    slice: str
    start_s: float
    latency_ms: float
    status: int
    flags: str
    answered_by: str
    boot: str
    sequence: int
    request_length: int
    answer_length: int
    request: Body | None
    answer: Body | None
    entry: Any
    """The HTTPAccessLogEntry, for what few records are asked for."""
    server_timing: str = ""
    """The header of that name, "" for none; it is not read here."""

    @property
    def path(self) -> bytes:
        """The path with its query, as the model got it."""
        path: bytes = self.entry.request.path
        return path

    def request_header(self, name: bytes) -> bytes:
        """The value of a header that proxies log, empty when it is not there."""
        return _value(self.entry.request.request_headers, name)

    def answer_header(self, name: bytes) -> bytes:
        """The value of a header that proxies log, empty when it is not there."""
        return _value(self.entry.response.response_headers, name)


def record_of(entry: Any) -> Record:
    """The record of an HTTPAccessLogEntry; raises RefusedError."""
    common, response = entry.common_properties, entry.response
    fields = {}
    for namespace in common.metadata.filter_metadata:
        if namespace.key == _METADATA:
            fields = {each.key: each.value for each in namespace.value.fields}
    if not 0 <= common.start_time.seconds <= LATEST_S:
        raise RefusedError(f"start_time: found {common.start_time.seconds} s")
    request_id = _id(entry.request.request_id, "x-request-id")
    boot, sequence = _sequence(fields)
    flags = ""
    if common.HasField("response_flags"):
        found = common.response_flags
        flags = ",".join(short for name, short in _FLAGS if getattr(found, name))
    status = response.response_code.value
    headers = {each.key: each.value for each in response.response_headers}
    request, answer = _body(fields, *_IN), _body(fields, *_OUT)
    took = common.time_to_last_downstream_tx_byte
    if not took.seconds and not took.nanos:
        took = common.duration
    return Record(
        request_id,
        _id(headers.get(_PREDICTION, b""), PREDICTION_HEADER),
        fields[b"slice"].string_value.decode(errors="replace")[:LONGEST_SLICE]
        if b"slice" in fields
        else "",
        common.start_time.seconds + common.start_time.nanos / 1e9,
        took.seconds * 1e3 + took.nanos / 1e6,
        status,
        flags,
        _answered_by(status, common, is_broken_off=bool(boot) and not sequence),
        boot,
        sequence,
        min(entry.request.request_body_bytes, LARGEST_SEQUENCE)
        if request is None
        else request.length,
        min(response.response_body_bytes, LARGEST_SEQUENCE) if answer is None else answer.length,
        request,
        answer,
        entry,
        headers.get(_TIMING, b"").decode(errors="replace"),
    )


def _value(headers: Iterable[Any], name: bytes) -> bytes:
    for each in headers:
        if each.key == name:
            value: bytes = each.value
            return value
    return b""


def _answered_by(status: int, common: Any, *, is_broken_off: bool) -> str:
    received = common.time_to_last_upstream_rx_byte
    if is_broken_off or not status:
        return ""
    if received.seconds or received.nanos:
        return "model"
    # What the proxy answers itself are errors: anything else came from the model, to no end.
    return "proxy" if status >= 300 else ""


def _id(text: bytes, name: str) -> str:
    if len(text) > LONGEST_ID:
        raise RefusedError(f"{name}: found {len(text):,} bytes, at most {LONGEST_ID} are taken")
    return text.decode(errors="replace")


def _sequence(fields: dict[bytes, Any]) -> tuple[str, int]:
    if b"boot" not in fields and b"seq" not in fields:
        return "", 0
    boot = _id(fields[b"boot"].string_value, "boot") if b"boot" in fields else ""
    if boot and b"seq" not in fields:
        return boot, 0
    number = fields[b"seq"].number_value if b"seq" in fields else 0
    if not boot or not 1 <= number <= LARGEST_SEQUENCE or number != int(number):
        raise RefusedError(f"seq: found {number}, a whole number from 1 with a boot is needed")
    return boot, int(number)


def _body(
    fields: dict[bytes, Any], key: bytes, key_of_length: bytes, key_of_base64: bytes
) -> Body | None:
    text = fields.get(key)
    if text is None:
        return None
    data = text.string_value
    number, truth = fields.get(key_of_length), fields.get(key_of_base64)
    length = len(data) if number is None else number.number_value
    if not 0 <= length <= LARGEST_SEQUENCE:
        raise RefusedError(f"{key_of_length.decode()}: found {length}")
    return Body(data, int(length), truth is not None and truth.bool_value)
