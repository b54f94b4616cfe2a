"""Batches as Envoy's access logger sends them, with the fields that the observer reads."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from model_rollouts.observer.capture.messages import Batch

NAMESPACE, MODEL = "models", "iris"
STABLE, CANDIDATE = "iris-1111111111", "iris-2222222222"


def body(key: str, values: Sequence[Any], name: str, datatype: str) -> bytes:
    tensor = {"name": name, "shape": [len(values)], "datatype": datatype, "data": list(values)}
    return json.dumps({key: [tensor]}).encode()


def request(*values: float) -> bytes:
    return body("inputs", values or (1.0,), "length", "FP64")


def answer(*values: str) -> bytes:
    return body("outputs", values, "species", "BYTES")


def entry(
    batch: Any,
    request_id: str,
    sequence: int | None,
    *,
    status: int = 200,
    sent: bytes | None = None,
    got: bytes | None = None,
    boot: str = "boot",
    prediction_id: str = "",
    slice_: str = "",
    start_s: float | None = None,
    got_length: int | None = None,
    got_base64: bool = False,
    flags: Sequence[str] = (),
    answered_by: str = "model",
    timing: str | None = None,
    path: str = "",
    sent_headers: Mapping[str, str] | None = None,
    got_headers: Mapping[str, str] | None = None,
) -> Any:
    """Add an entry to a batch: bodies that are None were not captured.

    `answered_by` is "model", "proxy", or "" for an answer that did not come to its end.
    """
    made = batch.http_logs.log_entry.add()
    made.request.request_id = request_id.encode()
    made.request.path = path.encode()
    for headers, of in (
        (made.request.request_headers, sent_headers),
        (made.response.response_headers, got_headers),
    ):
        for name, value in (of or {}).items():
            headers.add(key=name.encode(), value=value.encode())
    made.response.response_code.value = status
    if prediction_id:
        made.response.response_headers.add(key=b"x-prediction-id", value=prediction_id.encode())
    if timing is not None:
        made.response.response_headers.add(key=b"server-timing", value=timing.encode())
    common = made.common_properties
    start = time.time() if start_s is None else start_s
    common.start_time.seconds, common.start_time.nanos = int(start), int(start % 1 * 1e9)
    common.time_to_last_downstream_tx_byte.nanos = 3_000_000
    if answered_by == "model":
        common.time_to_last_upstream_rx_byte.nanos = 2_000_000
    for flag in flags:
        setattr(common.response_flags, flag, True)
    fields = common.metadata.filter_metadata.add(key=b"model_rollouts.capture").value.fields

    def put(key: str, **value: Any) -> None:
        made_field = fields.add(key=key.encode())
        for name, each in value.items():
            setattr(made_field.value, name, each)

    if sequence is not None:
        put("boot", string_value=boot.encode())
        if answered_by:
            put("seq", number_value=sequence)
    if slice_:
        put("slice", string_value=slice_.encode())
    if sent is not None:
        put("in", string_value=sent)
        put("in_length", number_value=len(sent))
        put("in_base64", bool_value=False)
    if got is not None:
        put("out", string_value=got)
        put("out_length", number_value=len(got) if got_length is None else got_length)
        put("out_base64", bool_value=got_base64)
    return made


def first(
    log_name: str, pod: str, revision: str, namespace: str = NAMESPACE, model: str = MODEL
) -> Any:
    """An empty batch that says who speaks, as the first one of a stream does."""
    batch = Batch()
    batch.identifier.log_name = log_name.encode()
    node = batch.identifier.node
    node.id, node.cluster = pod.encode(), revision.encode()
    for key, value in (("namespace", namespace), ("model", model), ("revision", revision)):
        node.metadata.fields.add(key=key.encode()).value.string_value = value.encode()
    return batch
