"""A flight as the model sees it.

Training and serving prepare their rows here, by the same code, so that they cannot differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SCHEDULED = ("carrier", "origin", "destination", "scheduled_hour", "weekday", "distance")
"""What is known when a ticket is sold. Distance in miles, the hour local, Monday is 0."""
DEPARTED = (*SCHEDULED, "departure_delay")
"""What is known when the flight has left, with its delay in minutes, negative when early."""
CATEGORIES = ("carrier", "origin", "destination")

DATATYPES = {
    **dict.fromkeys(CATEGORIES, "BYTES"),
    **dict.fromkeys(("scheduled_hour", "weekday"), "INT64"),
    **dict.fromkeys(("distance", "departure_delay"), "FP64"),
}
"""The Open Inference Protocol's type of each input."""

Columns = Mapping[str, Sequence[Any]]
"""Values by name, all of the same length."""
Rows = npt.NDArray[np.float64]
"""Flights x features."""


@dataclass(frozen=True)
class Encoding:
    """How flights become numbers: which features, in which order, and the known categories."""

    features: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, features: Sequence[str], columns: Columns) -> "Encoding":
        """The encoding that knows the categories of `columns`, which are the training data."""
        known = {name: tuple(sorted(set(columns[name]))) for name in CATEGORIES}
        return cls(tuple(features), known)

    @property
    def categorical(self) -> list[int]:
        """The places of features that are categories and no quantities."""
        return [place for place, name in enumerate(self.features) if name in self.categories]

    def rows(self, columns: Columns) -> Rows:
        """The flights of `columns` as rows; a category that training never saw is a missing value.

        Raises ValueError naming the input that is missing, or is no number where one is needed.
        """
        encoded = [self._column(name, columns) for name in self.features]
        return np.column_stack(encoded)

    def _column(self, name: str, columns: Columns) -> npt.NDArray[np.float64]:
        if name not in columns:
            raise ValueError(f"inputs: found no {name!r}; send {', '.join(self.features)}")
        values = columns[name]
        if name in self.categories:
            codes = {value: code for code, value in enumerate(self.categories[name])}
            return np.array([codes.get(value, np.nan) for value in values], dtype=np.float64)
        try:
            return np.array(values, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"{name}: found {list(values)[:3]}, send numbers") from None


def tensors(flight: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A flight as inputs of the Open Inference Protocol."""
    return [tensor(name, DATATYPES[name], value) for name, value in flight.items()]


def tensor(name: str, datatype: str, value: Any) -> dict[str, Any]:
    """One value as a tensor of the Open Inference Protocol."""
    return {"name": name, "shape": [1], "datatype": datatype, "data": [value]}
