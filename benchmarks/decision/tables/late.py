"""Regressions that begin late."""

from benchmarks.decision.cells import Cell, share_text
from benchmarks.decision.tables.common import (
    ENGINES,
    HOUR,
    Results,
    Table,
    markdown,
    number_text,
    pick,
    rows_of,
)
from benchmarks.decision.traffic import World


def _late_cells() -> tuple[Cell, ...]:
    return tuple(
        Cell(
            "late",
            f"{100 * share:g} %",
            engine,
            objective,
            World(share, 0.0005, "late", (2 * HOUR,)),
            100,
            1000 if engine == "absolute" else 500,
            steps=(0.25,),
            horizon=3 * HOUR,
            promotes=False,
        )
        for share in (0.005, 0.01, 0.05)
        for engine, objective in ENGINES.items()
    )


def _write_late(table: Table, results: Results) -> list[str]:
    rows = []
    for row in rows_of(table):
        line = [row]
        for engine in ENGINES:
            result = pick(table, results, row, engine)
            line += [
                number_text(result.rolled_back_seconds),
                share_text(result.rolled_back_early, result.trials),
            ]
        rows.append(line)
    header = ["change to"]
    for engine in ENGINES:
        header += [f"{engine}: s after the change, median / p95", "rolled back before, %"]
    return markdown(header, rows)


LATE = Table(
    "late",
    "A regression that begins after two hours",
    "100 req/s at 25 %, 0.05 % errors for two hours, never promoted.",
    _late_cells(),
    _write_late,
)
