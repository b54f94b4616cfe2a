"""Plays every table and writes `benchmarks/results/decision.md` and `.json`.

A run with all trials also renews the tables in `docs/decisions.md`. With `--only`, the other tables
stay as they were recorded: every draw is fixed by the seed, so that they would come out the same as
long as what they measure has not changed.
"""

import concurrent.futures
import dataclasses
import json
import math
import os
import platform
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from benchmarks.decision import cells, speed
from benchmarks.decision.cells import Cell, Quantiles, Result
from benchmarks.decision.tables import TABLES
from benchmarks.decision.tables.common import Results, Table

RESULTS = Path(__file__).parents[1] / "results"
DOCS = Path(__file__).parents[2] / "docs" / "decisions.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
QUICK_TRIALS = 30
DEFAULT_SEED = 20260101


def _play(cell: Cell, trials: int, seed: int) -> tuple[tuple[str, str, str], Result, float]:
    begun = time.process_time()
    return cell.key, cells.run(cell, trials, seed), time.process_time() - begun


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--trials", type=click.IntRange(1), help="At most this many trials a cell.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice([*(table.id for table in TABLES), "speed"]),
    help="Play only this table and keep the others as recorded; may be given several times.",
)
@click.option("--processes", default=os.cpu_count() or 1, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=DEFAULT_SEED, show_default=True)
@click.option("--quick", is_flag=True, help=f"{QUICK_TRIALS} trials a cell: does it run?")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=RESULTS,
    show_default=True,
    help="Where decision.md and decision.json go.",
)
def main(
    trials: int | None,
    only: tuple[str, ...],
    processes: int,
    seed: int,
    quick: bool,
    output: Path,
) -> None:
    """Measures the decision engine in simulated rollouts."""
    playing = tables = [table for table in TABLES if not only or table.id in only]
    most = QUICK_TRIALS if quick else trials
    begun = time.monotonic()
    # Before the machine is busy with trials, and after: others may use it too.
    timed = not only or "speed" in only
    measured = speed.measure() if timed else None
    results, seconds = _play_all(playing, most, processes, seed)
    if measured:
        measured = speed.best(measured, speed.measure())
    recorded = output / "decision.json"
    if only and most is None and recorded.exists():
        kept, kept_seconds, kept_speed = _recorded(recorded, seed)
        tables = list(TABLES)
        results, seconds = {**kept, **results}, {**kept_seconds, **seconds}
        measured = measured or kept_speed
    conditions: dict[str, object] = {
        "seed": seed,
        "trials a cell": most or "as stated",
        **({"played": ", ".join(only)} if only else {}),
        "processes": processes,
        "wall seconds": round(time.monotonic() - begun),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }
    output.mkdir(parents=True, exist_ok=True)
    report = _report(tables, results, measured, conditions)
    (output / "decision.md").write_text(f"# Decision engine: measured\n\n{report}")
    if output == RESULTS and tables == list(TABLES) and most is None:
        before, rest = DOCS.read_text().split(BEGIN)
        deeper = report.replace("\n## ", "\n### ")
        DOCS.write_text(f"{before}{BEGIN}\n{deeper}{END}{rest.split(END)[1]}")
    (output / "decision.json").write_text(
        _json(tables, results, seconds, measured, conditions) + "\n"
    )
    click.echo(f"wrote {output / 'decision.md'} and decision.json beside it")


def _play_all(
    tables: list[Table], most: int | None, processes: int, seed: int
) -> tuple[Results, dict[tuple[str, str, str], float]]:
    todo = [cell for table in tables for cell in table.cells]
    results: dict[tuple[str, str, str], Result] = {}
    seconds = {}
    progress = Progress(
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
    with progress, concurrent.futures.ProcessPoolExecutor(processes) as pool:
        task = progress.add_task("cells", total=len(todo))
        futures = [
            pool.submit(_play, cell, min(cell.trials, most or cell.trials), seed) for cell in todo
        ]
        for future in concurrent.futures.as_completed(futures):
            key, result, used = future.result()
            results[key], seconds[key] = result, used
            progress.advance(task)
    return results, seconds


def _recorded(
    path: Path, seed: int
) -> tuple[Results, dict[tuple[str, str, str], float], speed.Speed | None]:
    """Results, seconds and speed of an earlier run. Raises ClickException for another seed."""
    read = json.loads(path.read_text())
    conditions = read["conditions"]
    if conditions["seed"] != seed or conditions["trials a cell"] != "as stated":
        raise click.ClickException(
            f"{path}: found seed {conditions['seed']} and trials {conditions['trials a cell']}; "
            "play all tables, or give another --output"
        )
    results, seconds = {}, {}
    for cell in read["cells"]:
        key = cell.pop("table"), cell.pop("row"), cell.pop("column")
        seconds[key] = cell.pop("cpu seconds")
        values = _with_nan(cell)
        for name in ("promoted_seconds", "rolled_back_seconds", "rolled_back_bad"):
            values[name] = Quantiles(**values[name])
        results[key] = Result(**values)
    timed = speed.Speed(**read["speed"]) if read["speed"] else None
    return results, seconds, timed


def _report(
    tables: list[Table],
    results: Results,
    measured: speed.Speed | None,
    conditions: dict[str, object],
) -> str:
    lines = [
        "Written by `make bench-decision` (`python -m benchmarks.decision`); do not edit. "
        f"Conditions: {', '.join(f'{name} {value}' for name, value in conditions.items())}.",
        "",
        "Every trial is a rollout judged by `model_rollouts.decision`; numpy draws the counts "
        "(Poisson arrivals, a scrape every 5 s, every 15 s at 1 req/s). False rollback at most "
        "1 %, false promotion at most 5 %. ± is one standard error. Times are until the verdict, "
        "without the delay of scraping.",
        "",
    ]
    for table in tables:
        lines += [f"## {table.title}", "", table.note, "", *table.write(table, results), ""]
    if measured:
        lines += [
            "## Cost",
            "",
            "Six objectives: errors and latency as gates, four guards, all compared with target "
            "and stable. The best of 300 repeats before the trials and 300 after, on a shared "
            "machine.",
            "",
            "| figure | value |",
            "|---|---|",
            f"| one update | {measured.update:.0f} µs (median {measured.update_median:.0f}) |",
            f"| one update, all errors in bursts | {measured.bursty_update:.0f} µs "
            f"(median {measured.bursty_update_median:.0f}) |",
            f"| one decision | {measured.decide:.0f} µs |",
            f"| one explanation | {measured.explain:.0f} µs |",
            f"| evidence as text | {measured.evidence_characters:,} characters, "
            f"with bursts {measured.bursty_evidence_characters:,} |",
            "",
        ]
    return "\n".join(lines)


def _json(
    tables: list[Table],
    results: Results,
    seconds: Mapping[tuple[str, str, str], float],
    measured: speed.Speed | None,
    conditions: dict[str, object],
) -> str:
    played = [
        {
            "table": cell.table,
            "row": cell.row,
            "column": cell.column,
            "cpu seconds": round(seconds[cell.key], 1),
            **_without_nan(dataclasses.asdict(results[cell.key])),
        }
        for table in tables
        for cell in table.cells
    ]
    return json.dumps(
        {
            "conditions": conditions,
            "cells": played,
            "speed": dataclasses.asdict(measured) if measured else None,
        },
        indent=1,
        allow_nan=False,
    )


def _without_nan(values: dict[str, object]) -> dict[str, object]:
    return {
        name: _without_nan(value)
        if isinstance(value, dict)
        else (None if isinstance(value, float) and math.isnan(value) else value)
        for name, value in values.items()
    }


def _with_nan(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _with_nan(value) if isinstance(value, dict) else math.nan if value is None else value
        for name, value in values.items()
    }


if __name__ == "__main__":
    main()
