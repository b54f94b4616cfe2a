"""Bodies of version 1 as KServe and TensorFlow Serving document them, and hostile ones."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from model_rollouts.observer.protocols import PROTOCOLS, Tensor, UnreadableError, protocol_of
from tests.observer.protocols.hostile import DEEP, bodies_like, is_read_or_refused

PREDICT = PROTOCOLS["PredictV1"]


def rows(tensors: list[Tensor]) -> dict[str, list[Any]]:
    return {each.name: [each.row(index) for index in range(each.rows)] for each in tensors}


def asked(**body: Any) -> dict[str, list[Any]]:
    return rows(PREDICT.read_request(json.dumps(body).encode(), None))


def answered(**body: Any) -> dict[str, list[Any]]:
    return rows(PREDICT.read_answer(json.dumps(body).encode(), None))


def test_rows_and_columns_are_read() -> None:
    iris = [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]
    assert asked(instances=iris) == {"instances": [tuple(each) for each in iris]}
    assert answered(predictions=[1, 1]) == {"predictions": [1, 1]}
    assert answered(predictions=["a", "b"], model_name="m") == {"predictions": ["a", "b"]}
    assert asked(signature_name="serving_default", instances=[{"x": [1.0, 2], "y": "a"}] * 2) == {
        "x": [(1.0, 2)] * 2,
        "y": ["a"] * 2,
    }
    assert asked(inputs={"x": [[1, 2], [3, 4]], "y": [["a"], ["b"]]}) == {
        "x": [(1, 2), (3, 4)],
        "y": ["a", "b"],
    }
    assert answered(outputs=[[0.1, 0.9]]) == {"outputs": [(0.1, 0.9)]}
    assert answered(outputs={"scores": [[0.1, 0.9]], "class": [1]}) == {
        "scores": [(0.1, 0.9)],
        "class": [1],
    }
    assert answered(outputs=0.5) == {"outputs": [0.5]}
    assert answered(predictions=[]) == {"predictions": []}


def test_binary_values_are_their_base64() -> None:
    assert asked(instances=[{"b64": "aGk="}]) == {"instances": ["aGk="]}
    assert asked(instances=[{"image": {"b64": "aGk="}}]) == {"image": ["aGk="]}
    assert asked(inputs=[[{"b64": "aGk="}, {"b64": "eQ=="}]]) == {"inputs": [("aGk=", "eQ==")]}


def test_what_is_not_wanted_is_not_read() -> None:
    body = json.dumps({"predictions": [{"a": 1, "odd": {"c": None}}, {"a": 2}]}).encode()

    assert rows(PREDICT.read_answer(body, {"a"})) == {"a": [1, 2]}
    with pytest.raises(UnreadableError, match="'odd' is in some rows, and not in others"):
        PREDICT.read_answer(body, None)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "JSON: "),
        (b'{"instances": 3, "predictions": 3}', "JSON: Expected `array"),
        (b'{"error": "no such model"}', "neither of "),
        (b'{"instances":[1],"inputs":[1],"predictions":[1],"outputs":[1]}', "both of "),
        (b'{"inputs": [NaN], "outputs": [NaN]}', "JSON"),
        (b'{"inputs": [1e999], "outputs": [1e999]}', "JSON"),
        (b'{"inputs": [1, null], "outputs": [1, null]}', "found int, null"),
        (b'{"inputs": [1, "a"], "outputs": [1, "a"]}', "found int, str"),
        (b'{"inputs": [1, true], "outputs": [1, true]}', "found bool, int"),
        (b'{"inputs": [[1], [1, 2]], "outputs": [[1], [1, 2]]}', "not of one shape"),
        (b'{"inputs": [[1], 1], "outputs": [[1], 1]}', "not of one shape"),
        (b'{"inputs": [[], []], "outputs": [[], []]}', "2 rows without values"),
        (b'{"inputs": {"": 1}, "outputs": {"": 1}}', "0 characters"),
        (b'{"instances": [{"a": 1}, 2], "predictions": [{"a": 1}, 2]}', "none in row 1"),
        (b'{"inputs": %b, "outputs": %b}' % (DEEP, DEEP), "JSON is nested too deeply"),
        (b'{"inputs": [[[[[[[[[1]]]]]]]]], "outputs": [[[[[[[[[1]]]]]]]]]}', "found list"),
    ],
)
def test_a_body_that_is_wrong_is_refused_with_the_reason(body: bytes, told: str) -> None:
    for read in (PREDICT.read_request, PREDICT.read_answer):
        with pytest.raises(UnreadableError, match=told):
            read(body, None)


@settings(max_examples=60, deadline=None)
@given(
    bodies_like(
        {"instances": [{"a": 1, "b": [2.5]}] * 2, "predictions": [{"b64": "aGk="}, "b"]},
        {"inputs": {"a": [[1], [2]]}, "outputs": [[0.5, 0.5]]},
    )
)
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    is_read_or_refused(PREDICT, body)


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/v1/models/iris:predict", b"{", "PredictV1"),
        ("/v1/models/iris/versions/3:predict?trace=1", b"{", "PredictV1"),
        ("/v2/models/iris/versions/3/infer", b"", "OpenInferenceV2"),
        ("", b" {}", "OpenInferenceV2"),
        ("/score", b"{}", "OpenInferenceV2"),
        ("/infer/x", b"\x00", "Opaque"),
        ("", b"", "Opaque"),
    ],
)
def test_a_request_is_of_the_protocol_that_its_path_says(path: str, body: bytes, name: str) -> None:
    assert protocol_of(path.encode(), body) is PROTOCOLS[name]


def test_bytes_that_nothing_reads_have_a_length_and_a_digest() -> None:
    read = PROTOCOLS["Opaque"].read_answer

    (length, digest) = read(b"\x00\xff", None)
    assert (length.values, digest.values) == (
        [2],
        ["06eb7d6a69ee19e5fbdf749018d3d2abfa04bcbd1365db312eb86dc7169389b8"],
    )
    assert read(b"\x00\xff", {"length"}) == [length]
    assert read(b"\x00\xff", frozenset()) == []
