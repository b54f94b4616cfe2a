"""Drift of the whole service."""

from benchmarks.decision.cells import Cell, share_text
from benchmarks.decision.tables.common import (
    ENGINES,
    ERRORS,
    HOUR,
    Results,
    Table,
    markdown,
    pick,
    rows_of,
)
from benchmarks.decision.traffic import World

_DRIFTS = {
    "±50 % a day": (0.5, 24 * HOUR),
    "±90 % in 2 h": (0.9, 2 * HOUR),
    "±90 % in 30 min": (0.9, HOUR / 2),
}


def _drift_cells() -> tuple[Cell, ...]:
    return tuple(
        Cell(
            "drift",
            f"{rate} req/s, {drift}",
            engine,
            objective,
            World(0.001, 0.001, "drift", numbers),
            rate,
            2000,
        )
        for rate in (100, 1000)
        for drift, numbers in _DRIFTS.items()
        for engine, objective in {**ENGINES, "auto": ERRORS}.items()
    )


def _write_drift(table: Table, results: Results) -> list[str]:
    engines = [*ENGINES, "auto"]
    rows = []
    for row in rows_of(table):
        of = [pick(table, results, row, engine) for engine in engines]
        rows.append([row, *(share_text(r.rolled_back, r.trials) for r in of)])
    return markdown(["traffic, drift", *engines], rows)


DRIFT = Table(
    "drift",
    "A service that drifts: candidate equal to stable, mean 0.1 %, rolled back %",
    "Sinusoid with random phase. Absolute is not wrong to object: for half of the time the "
    "service is above its limit.",
    _drift_cells(),
    _write_drift,
)
