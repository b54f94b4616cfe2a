"""Everything that is made of the data once and kept: trained models, their cards, and requests."""

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from demo.flights import data, training
from demo.flights.data import Flight
from demo.flights.training import Card
from demo.model import features
from e2e.cluster.filling import filled
from e2e.cluster.paths import CACHE, REPOSITORY

FIRST_MONTH_OF_USERS = training.HELD_OUT + 1
"""Users' flights are later than all that the models and their benchmarks have seen."""
_TRAINED_BY = ("model/features.py", "model/predictor.py", "model/constraints.txt")
"""What decides about a trained model besides this room."""


@dataclass(frozen=True)
class Prepared:
    """The files in one folder of the cache."""

    folder: Path

    @property
    def models(self) -> Path:
        """The folder with the trained models."""
        return self.folder / "models"

    @property
    def requests(self) -> Path:
        """The flights of users, zipped, a line each."""
        return self.folder / "requests.gz"

    def cards(self) -> dict[str, Card]:
        """What is known about each model."""
        found = json.loads((self.folder / "cards.json").read_text())
        return {name: Card(**card) for name, card in found.items()}


def prepare() -> Prepared:
    """Train and write all of it, unless the same data and code have been here before.

    Raises StepError when the data cannot be fetched.
    """
    return Prepared(filled(CACHE / "demo" / f"prepared-{_key()}", _make))


def _make(unfinished: Path) -> None:
    flights = data.flights(data.archive())
    unfinished.mkdir()
    made = Prepared(unfinished)
    cards = training.train(flights, made.models)
    described = {name: asdict(card) for name, card in cards.items()}
    (unfinished / "cards.json").write_text(json.dumps(described, indent=2))
    later = (each for each in flights if each.day.month >= FIRST_MONTH_OF_USERS)
    write_requests(later, made.requests)


def write_requests(flights: Iterable[Flight], path: Path) -> None:
    """Write flights as requests: whether each was late, and the body of the question about it."""
    with path.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as zipped:
        for line in _lines(flights):
            zipped.write(line.encode())


def _lines(flights: Iterable[Flight]) -> Iterator[str]:
    for flight in flights:
        yield f"{flight.is_late:d} {json.dumps({'inputs': features.tensors(flight.inputs)})}\n"


def _key() -> str:
    demo = REPOSITORY / "demo"
    digest = hashlib.sha256(data.SHA256.encode())
    for path in (*sorted((demo / "flights").glob("*.py")), *(demo / part for part in _TRAINED_BY)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
