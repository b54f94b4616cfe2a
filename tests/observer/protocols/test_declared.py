"""JSON of no known protocol, read where a ModelDeployment says that its values stand."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollouts.observer.protocols import DeclaredBody, Protocol, Tensor, UnreadableError
from tests.observer.protocols.hostile import CORPUS, DEEP, bodies_like, is_read_or_refused

FLIGHTS = DeclaredBody(
    ["data", "flights"],
    {"hour": ["departure", "hour"], "carrier": ["carriers", "0"], "weather": ["weather"]},
)
BODY = (
    b'{"data": {"flights": ['
    b'{"departure": {"hour": 7}, "carriers": ["AA", "UA"], "weather": [0.5, 2]},'
    b'{"departure": {"hour": 8}, "carriers": ["DL"], "weather": [0.25, 3]}]}, "id": 1}'
)
ONE = DeclaredBody(None, {"score": ["score"]})


def test_rows_are_read_where_they_stand() -> None:
    assert FLIGHTS.read(BODY, None) == [
        Tensor("hour", 2, 1, [7, 8], False),
        Tensor("carrier", 2, 1, ["AA", "DL"], True),
        Tensor("weather", 2, 2, [0.5, 2, 0.25, 3], False),
    ]
    assert FLIGHTS.read(BODY, {"hour", "other"}) == [Tensor("hour", 2, 1, [7, 8], False)]


@pytest.mark.parametrize(
    ("body", "scores"),
    [(b'{"score": 0.5}', [0.5]), (b'[{"score": 0.5}, {"score": 1}]', [0.5, 1]), (b"[]", [])],
)
def test_without_rows_a_list_is_one_of_rows_and_anything_else_a_row(
    body: bytes, scores: list[float]
) -> None:
    assert ONE.read(body, None) == [Tensor("score", len(scores), 1, scores, False)]


@pytest.mark.parametrize(
    ("read", "body", "told"),
    [
        (FLIGHTS, b'{"data": {}}', "found nothing at 'data.flights'"),
        (FLIGHTS, b'{"data": []}', "found nothing at 'data.flights'"),
        (ONE, b'[{"score": 1}, {}]', "'score': found nothing at 'score' in row 1"),
        (ONE, b"[1]", "'score': found nothing at 'score' in row 0"),
        (ONE, b'{"score": null}', "found null among its values"),
        (ONE, b'[{"score": 1}, {"score": "1"}]', "found int, str among its values"),
        (ONE, b'[{"score": [1]}, {"score": [1, 2]}]', "not of one shape"),
        (ONE, b'{"score": ', "JSON: "),
        (ONE, DEEP, "nested too deeply"),
    ],
)
def test_what_is_not_there_or_not_alike_is_refused(
    read: DeclaredBody, body: bytes, told: str
) -> None:
    with pytest.raises(UnreadableError, match=told):
        read.read(body, None)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_the_corpus_is_read_or_refused(path: Path) -> None:
    is_read_or_refused(Protocol(ONE.read, FLIGHTS.read), path.read_bytes())


@given(
    bodies_like(
        {"data": {"flights": [{"departure": {"hour": 7}, "carriers": ["AA"], "weather": [1]}]}}
    )
    | st.binary(max_size=20)
)
def test_anything_is_read_or_refused(body: bytes) -> None:
    is_read_or_refused(Protocol(FLIGHTS.read, ONE.read), body)
