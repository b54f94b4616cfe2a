"""Errors at four request rates."""

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
    time_text,
)
from benchmarks.decision.traffic import World
from model_rollouts.text import duration

_RATES = {1000: (4000, 4000), 100: (4000, 4000), 10: (4000, 1000), 1: (1500, 600)}
_SHARES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.05)


def _error_cells() -> tuple[Cell, ...]:
    cells = []
    for rate, trials in _RATES.items():
        for (engine, objective), number in zip(ENGINES.items(), trials, strict=True):
            for share in _SHARES:
                cells.append(
                    Cell(
                        "errors",
                        f"{rate} req/s, {engine}",
                        f"{share}",
                        objective,
                        World(share, min(share, 0.001)),
                        rate,
                        number,
                        scrape=15.0 if rate == 1 else 5.0,
                        horizon=1e6 / rate + HOUR,
                    )
                )
    return tuple(cells)


def _write(table: Table, results: Results) -> list[str]:
    rows = []
    for row in rows_of(table):
        of = {share: pick(table, results, row, f"{share}") for share in _SHARES}
        rows.append(
            [
                row,
                f"{of[0.001].trials:,}",
                *(share_text(of[s].rolled_back, of[s].trials) for s in (0.0005, 0.001)),
                *(share_text(of[s].promoted, of[s].trials) for s in (0.002, 0.005, 0.01)),
                time_text(of[0.005].rolled_back_seconds),
                number_text(of[0.005].rolled_back_bad),
                time_text(of[0.05].rolled_back_seconds),
                number_text(of[0.05].rolled_back_bad),
                duration(of[0.001].promoted_seconds.median),
            ]
        )
    return markdown(
        [
            "traffic, engine",
            "trials",
            "rolled back at 0.05 %",
            "at 0.1 %",
            "promoted at 0.2 %",
            "at 0.5 %",
            "at 1 %",
            "rollback of 0.5 %: median / p95",
            "failed requests",
            "rollback of 5 %",
            "failed requests",
            "promotion at 0.1 %: median",
        ],
        rows,
    )


ERROR_RATES = Table(
    "errors",
    "Errors against 0.1 % (bad limit 0.2 %)",
    "Steps 5, 10, 25, 50 %, at least 60 s each. A candidate worse than 0.1 % meets a stable "
    "at 0.1 %, a better one its equal. The relative engine is without slack here, so that 0.2"
    " % is exactly its bad limit.",
    _error_cells(),
    _write,
)
