"""The trained model: from a flight to the chance that it arrives more than 15 minutes late."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt

from demo.model.features import Columns, Encoding, Rows

LATE_MINUTES = 15
BACKGROUND = 2000
"""Typical flights that are kept with a model, to explain others by."""


@dataclass(frozen=True)
class Predictor:
    """A classifier with the encoding that it was trained with, and flights to explain it by.

    `background` are rows of typical flights, which an explanation compares a flight with.
    """

    encoding: Encoding
    classifier: Any
    background: Rows

    def save(self, path: Path) -> None:
        """Write it to a file."""
        joblib.dump(vars(self), path)

    @classmethod
    def load(cls, path: Path) -> "Predictor":
        """Read what `save` wrote. Only for files of one's own: they can hold any code."""
        return cls(**joblib.load(path))

    def late(self, columns: Columns) -> npt.NDArray[np.float64]:
        """The chance of each flight to be late."""
        return self.late_rows(self.encoding.rows(columns))

    def late_rows(self, rows: Rows) -> npt.NDArray[np.float64]:
        """The same for flights that are encoded already."""
        chances: npt.NDArray[np.float64] = self.classifier.predict_proba(rows)[:, 1]
        return chances
