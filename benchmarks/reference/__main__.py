"""The command: measure `reference make` and `diff`, write results/reference.{json,md}."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from benchmarks.machine import cpu_model
from e2e.cluster.paths import REPOSITORY
from model_rollouts.text import count

RESULTS = Path(__file__).resolve().parents[1] / "results"
NUMBERS, CATEGORIES = 17, 3
"""Columns of the files."""
PART = 250_000
"""Rows that are made up at once."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rows", default=1_000_000, show_default=True, help="Of each format.")
@click.option("--many", default=8_000_000, show_default=True, help="Of a larger Parquet file.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(rows: int, many: int, output: Path) -> None:
    """Measure how long references take, and the most memory that the process had."""
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made = root / "reference.json"
        for suffix, number in (
            ("parquet", rows),
            ("csv", rows),
            ("arrow", rows),
            ("parquet", many),
        ):
            path = root / f"train.{suffix}"
            _write(path, number)
            what = {"format": suffix, "rows": number, "mib": round(path.stat().st_size / 2**20)}
            runs.append({**what, "command": "make", **_ran("make", path, "--write", made)})
            runs.append({**what, "command": "diff", **_ran("diff", made, path)})
            path.unlink()
        size = made.stat().st_size
    conditions = {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "load_average": [round(each, 1) for each in os.getloadavg()],
        "python": platform.python_version(),
        "pyarrow": version("pyarrow"),
        "columns": NUMBERS + CATEGORIES,
        "reference_bytes": size,
    }
    report = {"conditions": conditions, "runs": runs}
    (output / "reference.json").write_text(json.dumps(report, indent=2) + "\n")
    (output / "reference.md").write_text(_page(report))
    click.echo((output / "reference.md").read_text())


def _write(path: Path, rows: int) -> None:
    """Made-up rows, a part at a time, so that the files have row groups and batches."""
    parts = (_part(first // PART, min(PART, rows - first)) for first in range(0, rows, PART))
    schema = _part(0, 1).schema
    if path.suffix == ".parquet":
        with pyarrow.parquet.ParquetWriter(path, schema) as parquet:
            for each in parts:
                parquet.write_table(each)
    elif path.suffix == ".csv":
        with pyarrow.csv.CSVWriter(path, schema) as csv:
            for each in parts:
                csv.write_table(each)
    else:
        with pa.ipc.new_file(path, schema) as arrow:
            for each in parts:
                arrow.write_table(each)


def _part(seed: int, rows: int) -> Any:
    rng = np.random.default_rng(seed)
    columns = {f"number_{index}": rng.normal(index, 1, rows) for index in range(NUMBERS)}
    names = np.array([f"value {index}" for index in range(40)])
    for index in range(CATEGORIES):
        columns[f"category_{index}"] = names[rng.geometric(0.2, rows) % 40]
    return pa.table(columns)


def _ran(command: str, *arguments: Path | str) -> dict[str, Any]:
    """Seconds, CPU seconds and the most memory of a process of its own."""
    words: Sequence[str] = [
        *(sys.executable, "-m", "model_rollouts.cli.main", "reference", command),
        *map(str, arguments),
    ]
    begun = time.monotonic()
    process = subprocess.Popen(
        words,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "operator")},
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"{' '.join(words)}: exit code {process.returncode}")
    return {
        "seconds": round(time.monotonic() - begun, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_mib": round(used.ru_maxrss / 1024),
    }


def _page(report: dict[str, Any]) -> str:
    told = ", ".join(f"{name} {value}" for name, value in report["conditions"].items())
    lines = [
        "# References of data files",
        "",
        f"`make bench-reference`. Files with {NUMBERS} columns of numbers and {CATEGORIES} of",
        "texts; a process for each command, with its start. Arrow files are mapped into memory,",
        "so theirs includes what the system keeps of the file.",
        "",
        f"{told}.",
        "",
        "| command | file | rows | time | CPU | most memory |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{each['command']}` | {each['format']}, {count(each['mib'])} MiB | "
        f"{count(each['rows'])} | {each['seconds']:.1f} s | {each['cpu_seconds']:.1f} s | "
        f"{each['peak_mib']} MiB |"
        for each in report["runs"]
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
