"""What every table is made of: cells, a title, and a writer of Markdown."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.decision.cells import Cell, Quantiles, Result, comparing
from model_rollouts.decision import Compare, errors
from model_rollouts.text import duration

Results = Mapping[tuple[str, str, str], Result]

ERRORS = errors("errors", 0.999)
ABSOLUTE = comparing(ERRORS, Compare.TARGET)
RELATIVE = comparing(ERRORS, Compare.STABLE, slack=0.0)
ENGINES = {"absolute": ABSOLUTE, "relative": RELATIVE}
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its id, title, cells, and a writer of Markdown lines from their results."""

    id: str
    title: str
    note: str
    cells: tuple[Cell, ...]
    write: Callable[["Table", Results], list[str]]


def time_text(quantiles: Quantiles) -> str:
    """'35 s / 75 s', or a dash when nothing ended this way."""
    if math.isnan(quantiles.median):
        return "-"
    return f"{duration(quantiles.median)} / {duration(quantiles.p95)}"


def number_text(quantiles: Quantiles) -> str:
    """Median and 95th percentile of a number."""
    if math.isnan(quantiles.median):
        return "-"
    return f"{quantiles.median:.0f} / {quantiles.p95:.0f}"


def rows_of(table: Table) -> list[str]:
    """The rows in the order of the cells."""
    return list(dict.fromkeys(cell.row for cell in table.cells))


def markdown(header: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def pick(table: Table, results: Results, row: str, column: str) -> Result:
    """One cell's result."""
    return results[(table.id, row, column)]
