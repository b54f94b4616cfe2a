"""Latency with exact and with missing bucket edges."""

from benchmarks.decision import latency_laws
from benchmarks.decision.cells import Cell, Result
from benchmarks.decision.tables.common import (
    HOUR,
    Results,
    Table,
    markdown,
    pick,
    rows_of,
    time_text,
)
from benchmarks.decision.traffic import World
from model_rollouts.decision import Compare, latency


def _latency_cells() -> tuple[Cell, ...]:
    cells = []
    for edges_name, edges in latency_laws.EDGES.items():
        objective = latency("latency", 0.3, 0.99, edges, compare=Compare.TARGET)
        assert objective.latency is not None
        for truth, law in latency_laws.LAWS.items():
            shares = law.shares(objective.latency.edges)
            cells.append(
                Cell(
                    "latency",
                    truth,
                    edges_name,
                    objective,
                    World(shares.lower, shares.lower, upper=shares.upper, far=shares.far),
                    100,
                    1000,
                    horizon=HOUR,
                )
            )
    return tuple(cells)


def _ends(result: Result) -> str:
    return " / ".join(
        f"{100 * ends / result.trials:.1f}"
        for ends in (result.rolled_back, result.promoted, result.undecided)
    )


def _write_latency(table: Table, results: Results) -> list[str]:
    rows = []
    for row in rows_of(table):
        line = [row]
        for edges in latency_laws.EDGES:
            result = pick(table, results, row, edges)
            line += [
                _ends(result),
                time_text(result.rolled_back_seconds)
                if result.rolled_back > result.promoted
                else time_text(result.promoted_seconds),
            ]
        rows.append(line)
    header = ["true p99 (share over 300 ms)"]
    for edges in latency_laws.EDGES:
        header += [f"{edges} edges: rolled back / promoted / undecided %", "usual end"]
    return markdown(header, rows)


LATENCY = Table(
    "latency",
    "Latency: 99 % within 300 ms (bad limit 1.5 %)",
    "100 req/s, absolute engine with dual boundary, at most one hour. Fine edges contain 300,"
    " 350 and 400 ms; the default edges of client_python have none between 250 and 500 ms, so"
    " the bracket rule applies.",
    _latency_cells(),
    _write_latency,
)
