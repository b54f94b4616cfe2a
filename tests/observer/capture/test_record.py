"""Entries of Envoy as records, and what an enemy may send in their place."""

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollouts.observer.capture.messages import Batch
from model_rollouts.observer.capture.record import RefusedError, record_of
from tests.observer.batches import answer, entry, request


def test_an_entry_is_read() -> None:
    made = entry(
        Batch(),
        "r",
        7,
        sent=request(1),
        got=answer("cat"),
        prediction_id="p",
        slice_="vip",
        start_s=1_700_000_000.5,
    )

    record = record_of(made)

    assert (record.request_id, record.prediction_id, record.slice) == ("r", "p", "vip")
    assert (record.boot, record.sequence, record.status) == ("boot", 7, 200)
    assert (record.start_s, record.latency_ms) == (1_700_000_000.5, 3.0)
    assert (record.answered_by, record.flags) == ("model", "")
    assert record.request is not None and record.request.data == request(1)
    assert record.answer is not None and not record.answer.is_cut


def test_path_and_headers_are_found() -> None:
    length = "inference-header-content-length"
    made = entry(
        Batch(),
        "r",
        1,
        path="/v2/models/iris/infer?a=b",
        sent_headers={length: "7"},
        got_headers={"content-type": "text/plain", length: "9"},
        prediction_id="p",
    )

    record = record_of(made)

    assert (record.path, record.prediction_id) == (b"/v2/models/iris/infer?a=b", "p")
    assert record.request_header(length.encode()) == b"7"
    assert record.answer_header(length.encode()) == b"9"
    assert record.answer_header(b"server") == b""


def test_a_request_that_was_not_sampled_has_no_number_and_no_body() -> None:
    record = record_of(entry(Batch(), "r", None))

    assert (record.boot, record.sequence, record.request, record.answer) == ("", 0, None, None)


@pytest.mark.parametrize(
    ("data", "length", "is_base64", "is_cut"),
    [
        (b"abc", 3, False, False),
        (b"abc", 4, False, True),
        (b"YWJj", 3, True, False),
        (b"YWI=", 2, True, False),
        (b"YQ==", 1, True, False),
        (b"YWJj", 4, True, True),
    ],
)
def test_a_body_is_cut_when_more_passed(
    data: bytes, length: int, is_base64: bool, is_cut: bool
) -> None:
    made = entry(Batch(), "r", 1, got=data, got_length=length, got_base64=is_base64)

    found = record_of(made).answer

    assert found is not None and found.is_cut is is_cut


def test_broken_requests_say_what_they_were() -> None:
    made = entry(
        Batch(),
        "r",
        1,
        status=503,
        flags=("upstream_connection_failure", "downstream_connection_termination"),
        answered_by="proxy",
    )

    record = record_of(made)

    assert (record.flags, record.answered_by) == ("UF,DC", "proxy")
    made.response.ClearField("response_code")
    assert record_of(made).answered_by == ""


def test_a_sampled_request_whose_answer_did_not_end_has_no_number() -> None:
    record = record_of(entry(Batch(), "r", 1, status=0, answered_by=""))

    assert (record.boot, record.sequence) == ("boot", 0)


@pytest.mark.parametrize("sequence", [1, None])
def test_an_answer_that_began_and_did_not_end_is_nobodys(sequence: int | None) -> None:
    assert record_of(entry(Batch(), "r", sequence, answered_by="")).answered_by == ""


def fields(made: Any) -> Any:
    return {
        each.key: each.value
        for each in made.common_properties.metadata.filter_metadata[0].value.fields
    }


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (b"seq", 0, "seq: found 0.0"),
        (b"seq", -5, "seq: found -5.0"),
        (b"seq", 1.5, "seq: found 1.5"),
        (b"seq", 1e300, "seq: found 1e\\+300"),
        (b"seq", float("nan"), "seq: found nan"),
        (b"out_length", -1, "out_length: found -1.0"),
        (b"out_length", float("inf"), "out_length: found inf"),
    ],
)
def test_numbers_that_count_nothing_are_refused(key: bytes, value: float, told: str) -> None:
    made = entry(Batch(), "r", 1, got=b"{}")
    fields(made)[key].number_value = value

    with pytest.raises(RefusedError, match=told):
        record_of(made)


def test_what_is_too_long_or_of_another_age_is_refused() -> None:
    with pytest.raises(RefusedError, match="x-request-id: found 65,536 bytes"):
        record_of(entry(Batch(), "x" * 65_536, 1))
    with pytest.raises(RefusedError, match="x-prediction-id: found 65,536 bytes"):
        record_of(entry(Batch(), "r", 1, prediction_id="x" * 65_536))
    with pytest.raises(RefusedError, match="start_time"):
        record_of(entry(Batch(), "r", 1, start_s=10**12))
    with pytest.raises(RefusedError, match="a whole number from 1 with a boot"):
        record_of(entry(Batch(), "r", 1, boot=""))
    assert len(record_of(entry(Batch(), "r", 1, slice_="s" * 65_536)).slice) == 128


def test_texts_that_are_no_utf8_cost_no_other_record() -> None:
    batch = Batch()
    made = entry(batch, "r", 1, got=b"\xff\xfe")
    made.request.request_id = b"\xff\n'\""
    entry(batch, "good", 2)

    first, second = (
        record_of(each) for each in Batch.FromString(batch.SerializeToString()).http_logs.log_entry
    )

    assert first.request_id == "\N{REPLACEMENT CHARACTER}\n'\""
    assert second.request_id == "good"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 250), st.integers(0, 255)), max_size=4))
def test_whatever_bytes_come_are_records_or_refused(changes: list[tuple[int, int]]) -> None:
    batch = Batch()
    entry(batch, "r", 1, sent=b"{}", got=b"{}", slice_="s", prediction_id="p", start_s=1.5e9)
    raw = bytearray(batch.SerializeToString())
    for position, byte in changes:
        raw[position % len(raw)] = byte

    try:
        found = Batch.FromString(bytes(raw)).http_logs.log_entry
    except DecodeError:
        return
    for each in found:
        try:
            record = record_of(each)
        except RefusedError:
            continue
        assert len(record.request_id) <= 256
        assert 0 <= record.sequence <= 2**53
