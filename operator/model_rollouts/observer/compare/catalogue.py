"""The table of comparisons: how far two answers are apart, and whether that is a disagreement.

A new one is a function and a row. It gets what is compared of one row of each answer: a value, or
as many as its output has columns.
"""

import math
import operator
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from model_rollouts.observer.protocols import Value, value_at

Row = Value | tuple[Value, ...]
"""What is compared of one row: a value, or as many as its tensor has columns."""

LARGEST = sys.float_info.max
"""A distance that no double holds is told as the largest one, so that JSON can carry it."""

_ROUNDING = 1e-9
"""0.31 - 0.3 is a little more than 0.01: a difference that is only that of rounding is none."""

MAX, MEAN, COSINE = "Max", "Mean", "Cosine"
"""How far two vectors are apart."""

_ANYTHING = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What of two answers is compared, and how.

    `output` is the name of a tensor, None for the only one. Scores and vectors may be `amount`
    apart, times stable's with `is_relative`; `distance` is that of vectors. Of a ranking the first
    `top` count, 0 for all. Rankings and texts agree with a likeness of `least`, from 0 to 1. Of
    JSON the `fields` count, or all of it. `digest` names the comparison in counts.
    `against_itself`: only requests count to which stable answered twice.
    """

    digest: str
    of: str
    output: str | None = None
    amount: float = 0.0
    is_relative: bool = False
    against_itself: bool = False
    distance: str = MAX
    top: int = 0
    least: float = 1.0
    fields: Sequence[str] = ()


Distance = Callable[[Comparison, Row, Row], float]
"""Stable's and the candidate's row to how far they are apart; 0 when they agree."""


class Kind(NamedTuple):
    """How rows are compared; `is_of_numbers`: an output of texts cannot be."""

    distance: Distance
    is_of_numbers: bool = False


def _each(of: Callable[[Comparison, Value, Value], float]) -> Distance:
    """Of rows with several values that of the two that are furthest apart."""

    def distance(comparison: Comparison, stable: Row, candidate: Row) -> float:
        if not isinstance(stable, tuple) and not isinstance(candidate, tuple):
            return of(comparison, stable, candidate)
        ours, theirs = _values(stable), _values(candidate)
        if len(ours) != len(theirs):
            return 1.0
        pairs = zip(ours, theirs, strict=True)
        return max((of(comparison, *both) for both in pairs), default=0.0)

    return distance


def label(_: Comparison, stable: Value, candidate: Value) -> float:
    """0 when they are equal, 1 when not. A text never equals a number."""
    return 0.0 if stable == candidate else 1.0


def score(comparison: Comparison, stable: Value, candidate: Value) -> float:
    """How far two numbers are apart, 0 within the tolerance; texts agree only when equal."""
    if isinstance(stable, str) or isinstance(candidate, str):
        return label(comparison, stable, candidate)
    try:
        return _beyond(comparison, abs(float(stable) - float(candidate)), abs(float(stable)))
    except OverflowError:
        # Whole numbers of JSON have no bounds.
        return 0.0 if stable == candidate else LARGEST


def vector(comparison: Comparison, stable: Row, candidate: Row) -> float:
    """How far two vectors are apart, 0 within the tolerance; of other lengths 1.

    The largest or the mean absolute difference, of which stable's size is the largest or mean
    absolute value; or 1 minus the cosine of the angle, 0 to 2.
    """
    if stable == candidate:
        return 0.0
    try:
        ours, theirs = (tuple(map(float, _values(row))) for row in (stable, candidate))
    except OverflowError:
        return LARGEST
    if len(ours) != len(theirs):
        return 1.0
    if comparison.distance == COSINE:
        return _beyond(comparison, _angle(ours, theirs), 0.0)
    apart = [abs(one - other) for one, other in zip(ours, theirs, strict=True)]
    sizes = [abs(each) for each in ours]
    if comparison.distance == MEAN:
        # Divided first: a sum of large ones is beyond what a double holds.
        apart, sizes = ([math.fsum(one / len(ours) for one in each)] for each in (apart, sizes))
    return _beyond(comparison, max(apart), max(sizes))


def ranking(comparison: Comparison, stable: Row, candidate: Row) -> float:
    """The share of the first ones of either that are not among those of the other, 0 if few enough.

    Overlap at k, of which the order among the first k is no part.
    """
    ours, theirs = (set(_values(row)[: comparison.top or None]) for row in (stable, candidate))
    most = max(len(ours), len(theirs))
    return _unlike(comparison, len(ours & theirs) / most if most else 1.0)


def text(comparison: Comparison, stable: Value, candidate: Value) -> float:
    """1 minus the token F1 of two texts, 0 if they are alike enough; other values as labels.

    Tokens are words without regard to case, punctuation and form of characters. F1 is that of
    SQuAD (Rajpurkar et al., arXiv:1606.05250): the harmonic mean of the shares of either's words
    that the other has too. Texts of the same words in another order have 1.
    """
    if not isinstance(stable, str) or not isinstance(candidate, str):
        return label(comparison, stable, candidate)
    if stable == candidate:
        return 0.0
    ours, theirs = _words(stable), _words(candidate)
    if comparison.least == 1:
        return 0.0 if ours == theirs else 1.0
    shared = (Counter(ours) & Counter(theirs)).total()
    words = len(ours) + len(theirs)
    return _unlike(comparison, 2 * shared / words if words else 1.0)


def json(comparison: Comparison, stable: Value, candidate: Value) -> float:
    """The share of the fields that differ, 1 when the candidate's text is no JSON; 0 when none do.

    Without fields all of it is one. Texts of stable that are no JSON, and other values, are
    compared as labels.
    """
    if stable == candidate or not isinstance(stable, str) or not isinstance(candidate, str):
        return label(comparison, stable, candidate)
    try:
        ours = _ANYTHING.decode(stable)
    except (ValueError, RecursionError):
        return 1.0
    try:
        theirs = _ANYTHING.decode(candidate)
        paths = [each.split(".") for each in comparison.fields] or [[]]
        differ = sum(not _same(value_at(ours, path), value_at(theirs, path)) for path in paths)
    except (ValueError, RecursionError):
        return 1.0
    return differ / len(paths)


COMPARISONS: dict[str, Kind] = {
    "Label": Kind(_each(label)),
    "Score": Kind(_each(score), is_of_numbers=True),
    "Vector": Kind(vector, is_of_numbers=True),
    "Ranking": Kind(ranking),
    "Text": Kind(_each(text)),
    "JSON": Kind(_each(json)),
}


def _values(row: Row) -> tuple[Value, ...]:
    return row if isinstance(row, tuple) else (row,)


def _beyond(comparison: Comparison, distance: float, size: float) -> float:
    """A distance as it is told: 0 within the tolerance, at most the largest number."""
    allowed = comparison.amount * (size if comparison.is_relative else 1.0)
    rounding = _ROUNDING * (allowed + size * sys.float_info.epsilon / _ROUNDING)
    return 0.0 if distance <= allowed + rounding else min(distance, LARGEST)


def _unlike(comparison: Comparison, likeness: float) -> float:
    return 0.0 if likeness >= comparison.least - _ROUNDING else 1.0 - likeness


def _angle(ours: tuple[float, ...], theirs: tuple[float, ...]) -> float:
    """1 minus the cosine; a vector without a direction is as far from others as a right angle."""
    # Of numbers up to 1: squares are within what a double holds.
    largest = [max(map(abs, each)) for each in (ours, theirs)]
    if not all(largest):
        return 1.0
    one, other = (
        [v / most for v in each] for each, most in zip((ours, theirs), largest, strict=True)
    )
    cosine = math.fsum(map(operator.mul, one, other)) / (math.hypot(*one) * math.hypot(*other))
    return 1.0 - max(-1.0, min(cosine, 1.0))


def _words(of: str) -> list[str]:
    kept = (
        " " if unicodedata.category(each).startswith(("P", "Z", "C")) else each
        for each in unicodedata.normalize("NFKC", of).casefold()
    )
    return "".join(kept).split()


def _same(one: object, other: object) -> bool:
    """Whether two values of JSON are equal: 1 equals 1.0, and no number is a truth."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other
