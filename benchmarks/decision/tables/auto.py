"""Auto: the default comparison, its assumption and its reaction."""

from benchmarks.decision.cells import Cell, share_text
from benchmarks.decision.tables.common import (
    ERRORS,
    HOUR,
    Results,
    Table,
    markdown,
    number_text,
    pick,
    rows_of,
    time_text,
)
from benchmarks.decision.traffic import World
from model_rollouts.decision import errors
from model_rollouts.text import duration

_PAIRS = (
    (0.0005, 0.0005),
    (0.001, 0.001),
    (0.003, 0.003),
    (0.0005, 0.001),
    (0.0005, 0.002),
    (0.003, 0.006),
    (0.0005, 0.005),
    (0.0005, 0.01),
    (0.0005, 0.05),
)


def _auto_cells() -> tuple[Cell, ...]:
    return tuple(
        Cell(
            "auto",
            f"{100 * stable:g} %, {100 * candidate:g} %",
            f"{rate} req/s",
            ERRORS,
            World(candidate, stable),
            rate,
            trials,
            steps=(0.05, 0.25, 0.5),
            horizon=horizon,
        )
        for stable, candidate in _PAIRS
        for rate, trials, horizon in ((50, 1500, 12 * HOUR), (10, 500, 24 * HOUR))
    )


def _write_auto(table: Table, results: Results) -> list[str]:
    rows = []
    for row in rows_of(table):
        line = [row]
        for rate in ("50 req/s", "10 req/s"):
            result = pick(table, results, row, rate)
            backs = result.rolled_back > result.promoted
            end = result.rolled_back_seconds if backs else result.promoted_seconds
            line += [
                share_text(result.rolled_back, result.trials),
                share_text(result.promoted, result.trials),
                duration(end.median),
                f"{result.rolled_back_bad.median:.0f}" if backs else "-",
            ]
        rows.append(line)
    header = ["stable, candidate"]
    for rate in ("50 req/s", "10 req/s"):
        header += [f"{rate}: rolled back %", "promoted %", "usual end: median", "failed requests"]
    return markdown(header, rows)


_MIXED = {
    "1 h each, once": (HOUR, 1.0),
    "30 min each": (HOUR / 2, 1.0),
    "30 min each, clusters of 5": (HOUR / 2, 5.0),
    "5 min each": (300.0, 1.0),
}
"""Seconds of each turn, and the mean size of clusters of errors."""


def _mixed_cells() -> tuple[Cell, ...]:
    return tuple(
        Cell(
            "mixed",
            f"{name}, {'promotion allowed' if promotes else 'held at 50 %'}",
            f"{100 * stable:g} % / {100 * candidate:g} %",
            ERRORS,
            World(candidate, stable, "alternating", (period, 0.003), burst),
            50,
            300,
            steps=(0.05, 0.25, 0.5),
            horizon=2 * HOUR,
            promotes=promotes,
            measured=burst > 1,
        )
        for name, (period, burst) in _MIXED.items()
        for promotes in (True, False)
        for stable, candidate in ((0.0005, 0.001), (0.0002, 0.001))
    )


def _write_mixed(table: Table, results: Results) -> list[str]:
    columns = list(dict.fromkeys(cell.column for cell in table.cells))
    rows = []
    for row in rows_of(table):
        of = [pick(table, results, row, column) for column in columns]
        rows.append([row, *(share_text(r.rolled_back, r.trials) for r in of)])
    return markdown(["course", *(f"stable / candidate {c}: rolled back %" for c in columns)], rows)


_REACTIONS = (
    # objective, stable, req/s, first step, candidates, trials
    (0.999, 0.0005, 50, 0.1, (0.05,), 2000),
    (0.999, 0.0005, 50, 0.05, (0.05,), 1000),
    (0.99, 0.0005, 50, 0.1, (0.0005, 0.05), 2000),
    (0.99, 0.0005, 50, 0.05, (0.0005, 0.05), 1000),
    (0.99, 0.0005, 1, 0.05, (0.0005, 0.05), 1000),
    (0.99, 0.005, 50, 0.1, (0.005, 0.05), 2000),
    (0.99, 0.005, 50, 0.05, (0.005, 0.05), 1000),
    (0.99, 0.005, 1, 0.05, (0.005, 0.05), 1000),
)


def _reaction_cells() -> tuple[Cell, ...]:
    return tuple(
        Cell(
            "reaction",
            f"objective {100 * target:g} %, {rate} req/s, stable at {100 * stable:g} %, "
            f"first step {100 * first:g} %",
            "bad" if candidate == 0.05 else "good",
            errors("errors", target),
            World(candidate, stable),
            rate,
            trials,
            steps=(first, 0.25, 0.5),
            horizon=24 * HOUR,
        )
        for target, stable, rate, first, candidates, trials in _REACTIONS
        for candidate in candidates
    )


def _write_reaction(table: Table, results: Results) -> list[str]:
    rows = []
    for cell in table.cells:
        result = results[cell.key]
        backs = cell.column == "bad"
        rows.append(
            [
                f"{cell.row}: "
                + ("5 % errors" if backs else f"{100 * cell.world.candidate:g} % errors"),
                share_text(result.rolled_back, result.trials),
                share_text(result.promoted, result.trials),
                time_text(result.rolled_back_seconds if backs else result.promoted_seconds),
                number_text(result.rolled_back_bad) if backs else "-",
            ]
        )
    return markdown(
        ["candidate", "rolled back %", "promoted %", "usual end: median / p95", "failed requests"],
        rows,
    )


AUTO = Table(
    "auto",
    "Auto: 0.1 % (bad limit 0.2 %), against the target and stable at once",
    "Steps 5, 25, 50 %; at most 12 h at 50 req/s and 24 h at 10 req/s. True rates of stable "
    "and of the candidate.",
    _auto_cells(),
    _write_auto,
)
MIXED = Table(
    "mixed",
    'Auto where one clause of "good" holds after the other',
    "50 req/s. In turns the candidate is worse than stable but inside the target (rates as "
    "given), and the service is degraded with both at 0.3 %. The promise covers turns of ten "
    "minutes and more.",
    _mixed_cells(),
    _write_mixed,
)
REACTION = Table(
    "reaction",
    "Auto: reaction to 5 % errors, and the objective of 99 %",
    "A look every 5 s, at least 60 s a step. The nearer stable is to its limit, the longer a "
    "candidate takes to be told from it.",
    _reaction_cells(),
    _write_reaction,
)
