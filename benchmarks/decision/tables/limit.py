"""Distance from what is possible."""

from benchmarks.decision import oracle
from benchmarks.decision.cells import Cell
from benchmarks.decision.tables.common import ABSOLUTE, Results, Table, markdown
from benchmarks.decision.worlds import World


def _limit_cells() -> tuple[Cell, ...]:
    worse = [
        Cell(
            "limit",
            f"rollback at {100 * share:g} %",
            "",
            ABSOLUTE,
            World(share, 0.001),
            10,
            2000 if share < 0.005 else 4000,
            scrape=1.0 if share > 0.01 else 5.0,
            horizon=1e6,
            promotes=False,
        )
        for share in (0.002, 0.005, 0.01, 0.05)
    ]
    same = Cell("limit", "promotion at 0.1 %", "", ABSOLUTE, World(0.001, 0.001), 10, 4000)
    # 5 % of 10 req/s each second: a look at every second request.
    return (*worse, same)


def _write_limit(table: Table, results: Results) -> list[str]:
    rows = []
    for cell in table.cells:
        result = results[cell.key]
        share = cell.world.candidate
        mean = f"{result.mean_requests:,.0f} ±{result.requests_error:,.0f}"
        if cell.promotes:
            limit = oracle.wald_promote(0.001, 0.002)
            rows.append(
                [cell.row, f"{limit:,.0f}", "-", mean, f"{result.mean_requests / limit:.2f}"]
            )
            continue
        best, error = oracle.requests(share, 0.001)
        rows.append(
            [
                cell.row,
                f"{oracle.wald_roll_back(share, 0.001):,.0f}",
                f"{best:,.0f} ±{error:,.0f}",
                mean,
                f"{result.mean_requests / best:.2f}",
            ]
        )
    return markdown(
        ["truth", "Wald's limit", "oracle", "absolute engine", "ratio to the oracle (limit)"], rows
    )


LIMIT = Table(
    "limit",
    "Distance from what is possible",
    "10 req/s, mean candidate requests until the end; rollbacks are never interrupted by a "
    "promotion. Wald: the smallest mean of any test with these error rates. Oracle: the "
    "likelihood ratio test that was told the true rate, 20,000 trials.",
    _limit_cells(),
    _write_limit,
)
