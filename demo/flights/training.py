"""Trains the models on January to March and measures them on April; both are seeded.

Version 1 knows what is printed on the ticket. Version 2 knows also how late the flight left.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import brier_score_loss
from threadpoolctl import threadpool_limits

from demo.flights.data import Flight
from demo.model.features import DEPARTED, SCHEDULED, Columns, Encoding
from demo.model.predictor import BACKGROUND, Predictor

TRAINED_UNTIL = 3
"""The last month of training: users' flights must not be known already."""
HELD_OUT = 4
SEED = 2013
TREES = 40
FEATURES = {"v1": SCHEDULED, "v2": DEPARTED}


@dataclass(frozen=True)
class Card:
    """What is known about a trained model: its file, and what it reached on the held-out month.

    `brier` is the mean squared difference between chance and truth, from 0; lower is better.
    `blind` is that of always saying the share of late flights: a model has to be better.
    """

    name: str
    digest: str
    trained_on: int
    as_of: str
    benchmark: str
    measured_on: int
    brier: float
    blind: float


def train(flights: Sequence[Flight], folder: Path) -> dict[str, Card]:
    """Train every model, write `<name>.joblib` into `folder`, and say what came of each."""
    known = [flight for flight in flights if flight.day.month <= TRAINED_UNTIL]
    unseen = [flight for flight in flights if flight.day.month == HELD_OUT]
    folder.mkdir(parents=True, exist_ok=True)
    cards = {}
    for name, features in FEATURES.items():
        predictor = fitted(known, features)
        path = folder / f"{name}.joblib"
        predictor.save(path)
        cards[name] = Card(
            name,
            f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}",
            len(known),
            max(flight.day for flight in known).isoformat(),
            f"holdout-{unseen[0].day:%Y-%m}",
            len(unseen),
            brier(predictor, unseen),
            float(late(unseen).var()),
        )
    return cards


def fitted(flights: Sequence[Flight], features: Sequence[str]) -> Predictor:
    """A predictor trained on `flights`; the same flights give the same predictor."""
    columns = columns_of(flights)
    encoding = Encoding.of(features, columns)
    rows = encoding.rows(columns)
    classifier = HistGradientBoostingClassifier(
        max_iter=TREES,
        categorical_features=encoding.categorical,
        early_stopping=False,
        random_state=SEED,
    )
    # Several threads add up in another order each time: the file would have another digest.
    with threadpool_limits(1):
        classifier.fit(rows, late(flights))
    size = min(BACKGROUND, len(rows))
    typical = np.random.default_rng(SEED).choice(len(rows), size, replace=False)
    return Predictor(encoding, classifier, rows[typical])


def brier(predictor: Predictor, flights: Sequence[Flight]) -> float:
    """The Brier score on `flights`."""
    return float(brier_score_loss(late(flights), predictor.late(columns_of(flights))))


def columns_of(flights: Sequence[Flight]) -> Columns:
    """The inputs of `flights` by name."""
    rows = [flight.inputs for flight in flights]
    return {name: [row[name] for row in rows] for name in DEPARTED}


def late(flights: Sequence[Flight]) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """What came true."""
    return np.array([flight.is_late for flight in flights])
