"""Errors that come in bursts."""

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
from benchmarks.decision.worlds import World
from model_rollouts.decision.wording import duration

_BURSTS = {
    "clusters of 5": ("steady", 5.0, 4 * HOUR),
    "own outages": ("outages", 1.0, 3 * HOUR),
    "shared outages": ("shared outages", 1.0, 3 * HOUR),
}
_BURST_SHARES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.05)


def _burst_cells() -> tuple[Cell, ...]:
    cells = []
    for name, (kind, burst, horizon) in _BURSTS.items():
        for rate in (100, 1000):
            for engine, objective in {**ENGINES, "auto": ERRORS}.items():
                if (kind, engine) == ("shared outages", "absolute"):
                    continue
                if (rate, engine) == (1000, "auto"):
                    continue
                for share in _BURST_SHARES:
                    cells.append(
                        Cell(
                            "bursts",
                            f"{name}, {rate} req/s, {engine}",
                            f"{share}",
                            objective,
                            World(share, min(share, 0.001), kind, burst=burst),
                            rate,
                            300 if kind == "outages" or engine == "auto" else 600,
                            horizon=horizon,
                            measured=True,
                        )
                    )
    return tuple(cells)


def _write_bursts(table: Table, results: Results) -> list[str]:
    rows = []
    for row in rows_of(table):
        of = {share: pick(table, results, row, f"{share}") for share in _BURST_SHARES}
        good = of[0.001]
        rows.append(
            [
                row,
                f"{good.trials:,}",
                *(share_text(of[s].rolled_back, of[s].trials) for s in (0.0005, 0.001)),
                *(share_text(of[s].promoted, of[s].trials) for s in (0.002, 0.005)),
                duration(of[0.01].rolled_back_seconds.median) if of[0.01].rolled_back else "-",
                duration(of[0.05].rolled_back_seconds.median) if of[0.05].rolled_back else "-",
                (duration(good.promoted_seconds.median) if good.promoted else "-")
                + f" ({100 * good.promoted / good.trials:.0f} %)",
            ]
        )
    return markdown(
        [
            "errors",
            "trials",
            "rolled back at 0.05 %",
            "at 0.1 %",
            "promoted at 0.2 %",
            "at 0.5 %",
            "rollback of 1 %: median",
            "of 5 %",
            "promotion at 0.1 % (how many)",
        ],
        rows,
    )


BURSTS = Table(
    "bursts",
    "Errors in bursts, dispersion measured on a day of history",
    "Clusters: geometric sizes, mean 5, at most 4 h. Outages: half of the errors come in "
    "outages of 20 s on average at 5 %, at most 3 h.",
    _burst_cells(),
    _write_bursts,
)
