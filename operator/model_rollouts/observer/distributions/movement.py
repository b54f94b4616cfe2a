"""What moved between a reference and other rows in the same bins, by how much, and how surely."""

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import msgspec

from model_rollouts.decision import (
    TOLERANCE,
    log_mean,
    moved_ones,
    of_two_samples,
    total_variation,
)
from model_rollouts.observer.distributions.bins import label
from model_rollouts.observer.distributions.reference import Categories, Column, Reference
from model_rollouts.text import observed

_OF_A_SHARE = 0.1
"""Of the tolerance: what missing values, and values outside of the bins, may differ by."""


class IncomparableError(ValueError):
    """The rows are in other bins; the message names the column and says what to do."""


class Movement(NamedTuple):
    """A column: its distance, and the part that changed most, as shares of rows before and now.

    distance: total variation of all cells and missing values, the share of rows that are elsewhere;
    log_evalue: of the null that nothing moved by more than the tolerance; where: that part, as in
    "in 4-8", "missing", "'ZZ'".
    """

    name: str
    role: str
    distance: float
    tolerance: float
    log_evalue: float
    has_moved: bool
    where: str
    before: float
    now: float
    importance: float | None

    @property
    def sentence(self) -> str:
        """The change in words, e.g. "31 % in 4-8, was 6 %"."""
        return f"{observed(self.now)} {self.where}, was {observed(self.before)}"


class Comparison(NamedTuple):
    """All columns that both have, those that moved first, then by weight; and the other ones."""

    movements: tuple[Movement, ...]
    log_evalue: float
    gone: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def moved(self) -> tuple[Movement, ...]:
        """Those that moved by more than their tolerance."""
        return tuple(each for each in self.movements if each.has_moved)


def added(parts: Sequence[Reference]) -> Reference:
    """All rows of parts that were counted in the same bins; columns that one lacks are left out.

    `dataset` and `importances` are those of the last part.
    """
    *others, last = parts
    rest = [_roles(each) for each in others]

    def whole(role: str, column: Column) -> Column | None:
        same = [each[role, column.name] for each in rest if (role, column.name) in each]
        if len(same) < len(rest) or any(each.bins != column.bins for each in same):
            return None
        return reduce(_sum, same, column)

    inputs = tuple(each for each in (whole("input", of) for of in last.inputs) if each)
    if not inputs:
        raise IncomparableError("no input is in all parts")
    whole_rows: Reference = msgspec.structs.replace(
        last,
        rows=sum(each.rows for each in parts),
        inputs=inputs,
        score=whole("score", last.score) if last.score else None,
        label=whole("label", last.label) if last.label else None,
        importances={
            name: each
            for name, each in last.importances.items()
            if name in {column.name for column in inputs}
        },
    )
    return whole_rows


def _sum(one: Column, other: Column) -> Column:
    """Both in the bins of `one`."""
    fields = ("missing", "others") if isinstance(one, Categories) else ("missing", "below", "above")
    totals = {name: getattr(one, name) + getattr(other, name) for name in fields}
    counts = tuple(a + b for a, b in zip(one.counts, other.counts, strict=True))
    summed: Column = msgspec.structs.replace(one, counts=counts, **totals)
    return summed


class _Judged(NamedTuple):
    role: str
    before: Column
    now: Column
    tolerance: float
    log: float


def compare(
    reference: Reference,
    other: Reference,
    tolerance: float = TOLERANCE,
    tolerances: Mapping[str, float] | None = None,
) -> Comparison:
    """What moved. Rows of both count as independent ones.

    `tolerances` are those of single columns. Each column is asked three things: are present values
    spread otherwise, is the share of missing ones another, and that of values outside of the
    reference's bins? The last two have a tenth of the tolerance. Its e-value is the mean of theirs.
    One is named when its e-value is at least 20 times the number of columns: of all comparisons
    without a change, at most 5 % name any.
    Raises IncomparableError.
    """
    tolerances = tolerances or {}
    here, there = _roles(reference), _roles(other)
    if unknown := sorted(set(tolerances) - {name for _, name in here}):
        raise IncomparableError(f"the reference has no column '{unknown[0]}'")
    judged = []
    for (role, name), column in here.items():
        now = there.get((role, name))
        if now is None:
            continue
        if column.bins != now.bins:
            raise IncomparableError(
                f"'{name}' is in other bins in the two references: compare with the data file "
                "itself, or make one of them with --like the other"
            )
        allowed = tolerances.get(name, tolerance)
        judged.append(_Judged(role, column, now, allowed, _log_evalue(column, now, allowed)))
    logs = [each.log for each in judged]
    named = set(moved_ones(logs))
    movements = [
        _movement(each, index in named, reference.importances.get(each.before.name))
        for index, each in enumerate(judged)
    ]
    movements.sort(key=lambda each: (not each.has_moved, -_weight(each), each.name))
    return Comparison(
        tuple(movements),
        log_mean(logs) if logs else 0.0,
        tuple(name for role, name in here if (role, name) not in there),
        tuple(name for role, name in there if (role, name) not in here),
    )


def _roles(reference: Reference) -> dict[tuple[str, str], Column]:
    found: dict[tuple[str, str], Column] = {("input", e.name): e for e in reference.inputs}
    for role, column in (("score", reference.score), ("label", reference.label)):
        if column is not None:
            found[role, column.name] = column
    return found


def _weight(movement: Movement) -> float:
    importance = 1.0 if movement.importance is None else movement.importance
    return movement.distance * importance


def _log_evalue(before: Column, now: Column, tolerance: float) -> float:
    logs = [of_two_samples(now.cells, before.cells, tolerance)]
    for first, second in (
        ((now.missing, sum(now.cells)), (before.missing, sum(before.cells))),
        (
            (now.outside, sum(now.cells) - now.outside),
            (before.outside, sum(before.cells) - before.outside),
        ),
    ):
        logs.append(of_two_samples(first, second, _OF_A_SHARE * tolerance))
    return log_mean(logs)


def _movement(judged: _Judged, has_moved: bool, importance: float | None) -> Movement:
    before, now = (_shares(each) for each in (judged.before, judged.now))
    first, last = _most_changed(judged.before, before, now)
    if first == len(before) - 1:
        where = "missing"
    else:
        where = label(judged.before, first, last)
        if isinstance(judged.before, Categories) and where == "other values" and not before[first]:
            where = "other values than the reference has"
    return Movement(
        judged.before.name,
        judged.role,
        total_variation(before, now),
        judged.tolerance,
        judged.log,
        has_moved,
        where,
        math.fsum(before[first : last + 1]),
        math.fsum(now[first : last + 1]),
        importance,
    )


def _shares(column: Column) -> list[float]:
    """Shares of rows in each cell, the last one those of missing values."""
    total = sum(column.cells) + column.missing
    return [each / total for each in (*column.cells, column.missing)]


def _most_changed(column: Column, before: list[float], now: list[float]) -> tuple[int, int]:
    """First and last cell of the part whose share changed most: of numbers a run of bins."""
    change = [b - a for a, b in zip(before, now, strict=True)]
    single = max(range(len(change)), key=lambda index: (abs(change[index]), change[index]))
    best, found = abs(change[single]), (single, single)
    if isinstance(column, Categories):
        return found
    bins = len(column.counts)
    for sign in (1, -1):
        for first in range(bins):
            total = 0.0
            for last in range(first, bins):
                total += sign * change[last]
                if total > best * (1 + 1e-9):
                    best, found = total, (first, last)
    return found
