"""Distance from what is possible."""

import dataclasses

from benchmarks.decision import oracle
from benchmarks.decision.cells import Cell
from benchmarks.decision.tables.common import ABSOLUTE, Results, Table, markdown
from benchmarks.decision.traffic import World

_STOPPED = ", of those that are not promoted before"


def _limit_cells() -> tuple[Cell, ...]:
    worse = [
        Cell(
            "limit",
            f"rollback at {100 * share:g} %",
            "",
            ABSOLUTE,
            World(share, 0.001),
            10,
            4000,
            scrape=1.0 if share > 0.01 else 5.0,
            horizon=1e6,
            promotes=False,
        )
        for share in (0.002, 0.005, 0.01, 0.05)
    ]
    stopped = dataclasses.replace(worse[0], row=f"{worse[0].row}{_STOPPED}", promotes=True)
    same = Cell("limit", "promotion at 0.1 %", "", ABSOLUTE, World(0.001, 0.001), 10, 4000)
    # 5 % of 10 req/s each second: a look at every second request.
    return (worse[0], stopped, *worse[1:], same)


def _write_limit(table: Table, results: Results) -> list[str]:
    rows = []
    for cell in table.cells:
        result = results[cell.key]
        share = cell.world.candidate
        ours, error = result.mean_requests, result.requests_error
        if cell.row.endswith(_STOPPED):
            ours, error = result.rolled_back_requests, result.rolled_back_requests_error
        mean = f"{ours:,.0f} ±{error:,.0f}"
        if share == cell.world.stable:
            limit = oracle.wald_promote(0.001, 0.002)
            rows.append([cell.row, f"{limit:,.0f}", "-", mean, f"{ours / limit:.2f}"])
            continue
        best, best_error = oracle.requests(share, 0.001)
        rows.append(
            [
                cell.row,
                f"{oracle.wald_roll_back(share, 0.001):,.0f}",
                f"{best:,.0f} ±{best_error:,.0f}",
                mean,
                f"{ours / best:.2f}",
            ]
        )
    return markdown(
        ["truth", "Wald's limit", "oracle", "absolute engine", "ratio to the oracle (limit)"], rows
    )


LIMIT = Table(
    "limit",
    "Distance from what is possible",
    "10 req/s, mean candidate requests until the end. Rollbacks are not interrupted by a "
    "promotion, except in the second row: there 5 % are, which would have taken longest. Wald: "
    "the smallest mean of any test with these error rates. Oracle: the likelihood ratio test that "
    "was told the true rate, 20,000 trials.",
    _limit_cells(),
    _write_limit,
)
