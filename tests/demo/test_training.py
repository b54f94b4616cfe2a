"""Features and training, on a sixtieth of the real flights of January to April."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from demo.flights.data import Flight, parsed
from demo.flights.prepared import write_requests
from demo.flights.training import Card, columns_of, train
from demo.load.replay import requests
from demo.model.explanation import because, shapley
from demo.model.features import DEPARTED, SCHEDULED, Encoding, tensors
from demo.model.predictor import Predictor

SAMPLE = Path(__file__).with_name("flights.csv")


@pytest.fixture(scope="module")
def flights() -> list[Flight]:
    with SAMPLE.open() as lines:
        return list(parsed(lines))


@dataclass(frozen=True)
class Trained:
    folder: Path
    cards: dict[str, Card]


@pytest.fixture(scope="module")
def trained(flights: list[Flight], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("models")
    return Trained(folder, train(flights, folder))


@pytest.fixture(scope="module")
def predictor(trained: Trained) -> Predictor:
    return Predictor.load(trained.folder / "v2.joblib")


def test_cancelled_flights_are_left_out(flights: list[Flight]) -> None:
    rows = SAMPLE.read_text().splitlines()[1:]

    assert 0 < sum(",NA," in row for row in rows) == len(rows) - len(flights)


def test_version_2_is_better_than_version_1_and_than_nothing(trained: Trained) -> None:
    cards = trained.cards

    assert cards["v2"].brier < 0.8 * cards["v1"].brier
    assert cards["v2"].brier < cards["v2"].blind
    assert (cards["v2"].as_of, cards["v2"].benchmark) == ("2013-03-31", "holdout-2013-04")


def test_the_same_flights_give_the_same_bytes(
    flights: list[Flight], trained: Trained, tmp_path: Path
) -> None:
    cards = train(flights, tmp_path)

    assert cards == trained.cards
    for name in ("v1.joblib", "v2.joblib"):
        assert (tmp_path / name).read_bytes() == (trained.folder / name).read_bytes()


def test_a_flight_is_encoded_alike_in_training_and_serving(flights: list[Flight]) -> None:
    columns = columns_of(flights)
    encoding = Encoding.of(DEPARTED, columns)
    (place,) = (7,)
    served = {tensor["name"]: tensor["data"] for tensor in tensors(flights[place].inputs)}

    assert encoding.rows(served).tolist() == [encoding.rows(columns)[place].tolist()]


def test_an_unknown_airport_is_a_missing_value(flights: list[Flight]) -> None:
    encoding = Encoding.of(SCHEDULED, columns_of(flights))
    columns = columns_of([flights[0]])

    (row,) = encoding.rows({**columns, "destination": ["XXX"]})

    assert np.isnan(row).tolist() == [name == "destination" for name in SCHEDULED]


def test_a_missing_input_is_named(predictor: Predictor, flights: list[Flight]) -> None:
    columns = dict(columns_of([flights[0]]))
    del columns["departure_delay"]

    with pytest.raises(ValueError, match="found no 'departure_delay'"):
        predictor.late(columns)
    with pytest.raises(ValueError, match=r"departure_delay: found .*send numbers"):
        predictor.late({**columns, "departure_delay": ["soon"]})


def test_an_explanation_adds_up_to_the_answer(predictor: Predictor, flights: list[Flight]) -> None:
    row = predictor.encoding.rows(columns_of([flights[0]]))[0]

    values = shapley(predictor, row)

    answer = predictor.late_rows(row[None, :])[0]
    typical = predictor.late_rows(predictor.background).mean()
    assert values.sum() == pytest.approx(answer - typical)


def test_a_flight_that_left_two_hours_late_is_late_for_that_reason(
    predictor: Predictor, flights: list[Flight]
) -> None:
    columns = {**columns_of([flights[0]]), "departure_delay": [120.0]}

    assert because(predictor, predictor.encoding.rows(columns)[0]).startswith("departure_delay +")


def test_users_flights_come_as_requests_with_what_came_true(
    flights: list[Flight], tmp_path: Path
) -> None:
    path = tmp_path / "requests.gz"

    write_requests(flights[:20], path)

    read = list(requests(path))
    assert [late for late, _ in read] == [flight.is_late for flight in flights[:20]]
    assert all('"inputs": [{"name": "carrier"' in body for _, body in read)
    again = tmp_path / "again.gz"
    write_requests(flights[:20], again)
    assert again.read_bytes() == path.read_bytes()


def test_the_sample_has_the_columns_of_the_data() -> None:
    with SAMPLE.open() as lines:
        assert {"arr_delay", "dep_delay", "dest"} <= set(csv.DictReader(lines).fieldnames or ())
