"""Why the model says so: exact Shapley values (version 3's idea, and its mistake).

A value says how much a feature moves the answer away from that for typical flights, averaged over
all ways of learning the features one after the other (Shapley 1953; Lundberg and Lee 2017). Exact
values ask the model about every subset of features mixed with every background flight: 2^features x
flights answers for a single flight, instead of one.
"""

from math import factorial

import numpy as np
import numpy.typing as npt

from demo.model.predictor import Predictor

LONG_HAUL_MILES = 2500.0
"""Flights beyond that are the ones that version 3 explains: one in twenty."""


def shapley(predictor: Predictor, row: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How much each feature of the flight `row` adds to its chance of being late.

    The values sum to the answer for the flight minus the mean answer over the background.
    """
    count = len(row)
    members = np.array(
        [[subset >> place & 1 for place in range(count)] for subset in range(2**count)]
    )
    worth = _worth(predictor, row, members.astype(bool))
    sizes = members.sum(axis=1)
    weights = np.array(
        [factorial(size) * factorial(max(count - size - 1, 0)) / factorial(count) for size in sizes]
    )
    values = np.empty(count)
    for place in range(count):
        without = np.flatnonzero(members[:, place] == 0)
        values[place] = np.sum(weights[without] * (worth[without | 1 << place] - worth[without]))
    return values


def because(predictor: Predictor, row: npt.NDArray[np.float64]) -> str:
    """The feature that matters most for a flight, and what it adds, for people."""
    values = shapley(predictor, row)
    most = int(np.argmax(np.abs(values)))
    return f"{predictor.encoding.features[most]} {values[most]:+.2f}"


def _worth(
    predictor: Predictor, row: npt.NDArray[np.float64], subsets: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """The mean answer when only the features of a subset are known, for each subset."""
    background = predictor.background
    mixed = np.where(subsets[:, None, :], row, background)
    answers = predictor.late_rows(mixed.reshape(-1, len(row)))
    worth: npt.NDArray[np.float64] = answers.reshape(len(subsets), len(background)).mean(axis=1)
    return worth
