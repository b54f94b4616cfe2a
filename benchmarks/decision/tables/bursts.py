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
from benchmarks.decision.traffic import World
from model_rollouts.text import duration

_EVERY = ("absolute", "relative", "auto")
_WORLDS = (
    # Name, kind, mean burst, requests per second, hours, engines.
    ("clusters of 5", "steady", 5.0, 100, 6, _EVERY),
    ("clusters of 5", "steady", 5.0, 1000, 6, ("absolute", "relative")),
    ("clusters of 1.15", "steady", 1.15, 1, 24, ("absolute",)),
    ("own outages", "outages", 1.0, 100, 6, _EVERY),
    ("own outages", "outages", 1.0, 1000, 3, ("absolute", "relative")),
    ("shared outages", "shared outages", 1.0, 100, 3, ("relative", "auto")),
    ("shared outages", "shared outages", 1.0, 1000, 3, ("relative",)),
)
_BURST_SHARES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.05)


def _burst_cells() -> tuple[Cell, ...]:
    objectives = {**ENGINES, "auto": ERRORS}
    return tuple(
        Cell(
            "bursts",
            f"{name}, {rate} req/s, {engine}",
            f"{share}",
            objectives[engine],
            World(share, min(share, 0.001), kind, burst=burst),
            rate,
            300 if kind == "outages" or engine == "auto" else 600,
            scrape=15.0 if rate == 1 else 5.0,
            horizon=hours * HOUR,
            measured=True,
        )
        for name, kind, burst, rate, hours, engines in _WORLDS
        for engine in engines
        for share in _BURST_SHARES
    )


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
    "Clusters: geometric sizes of the mean given; those of 1.15 at 1 req/s are so small that a "
    "day of 86 errors shows them four times in five. Outages: half of the errors come in "
    "outages of 20 s on average at 5 %. At most 6 h; outages that are shared or "
    "at 1000 req/s 3 h, 1 req/s 24 h.",
    _burst_cells(),
    _write_bursts,
)
