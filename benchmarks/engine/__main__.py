"""The command: measure, write benchmarks/results/engine.{json,md}."""

import json
import os
import platform
import signal
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from benchmarks.engine import measure, planning
from benchmarks.engine.page import page
from benchmarks.machine import cpu_model
from e2e.fixtures import api_server_in

RESULTS = Path(__file__).resolve().parents[1] / "results"


@click.command()
@click.option(
    "--models",
    "sizes",
    type=click.IntRange(0),
    multiple=True,
    default=(0, 100, 300, 1_000, 10_000),
    show_default=True,
    help="How many ModelDeployments, ascending; may be given several times.",
)
@click.option("--versions", type=click.IntRange(1), default=1, show_default=True)
@click.option(
    "--idle",
    type=float,
    multiple=True,
    default=(60.0, 60.0, 60.0, 630.0, 630.0),
    show_default=True,
    help="Seconds that nothing happens; once for each size. In 630 everything is listed once.",
)
@click.option(
    "--rate",
    "rates",
    type=float,
    multiple=True,
    default=(20.0, 50.0, 200.0),
    show_default=True,
    help="Changes per second; may be given several times.",
)
@click.option("--seconds", type=float, default=30.0, show_default=True, help="Of each rate.")
@click.option(
    "--canaries",
    type=click.IntRange(1),
    multiple=True,
    default=(100, 300),
    show_default=True,
    help="How many canaries plan in one tick; may be given several times.",
)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(
    sizes: tuple[int, ...],
    versions: int,
    idle: tuple[float, ...],
    rates: tuple[float, ...],
    seconds: float,
    canaries: tuple[int, ...],
    output: Path,
) -> None:
    """Measure the operator with many idle ModelDeployments, and with many that change."""
    if len(sizes) != len(idle):
        raise click.UsageError(
            f"found {len(sizes)} --models and {len(idle)} --idle, give as many of each"
        )
    # An end from outside must end the operator and the API server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(stderr=True)
    report: dict[str, Any] = {
        "conditions": conditions(versions, seconds),
        "imports_mib": round(measure.imports_mib(), 1),
        "ticks": [],
        "sizes": [],
    }
    for number in canaries:
        report["ticks"].append(asdict(planning.measure(number, ticks=8)))
        console.print(report["ticks"][-1])
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        audit_log = directory / "audit" / "audit.log"
        with api_server_in(directory / "server", audit_log) as server:
            bench = measure.Bench(server, audit_log, directory, versions, console.print)
            for size, nothing_s in zip(sizes, idle, strict=True):
                found = bench.size(size, nothing_s, rates, seconds)
                found["standby"] = bench.standby(min(nothing_s, 60.0))
                report["sizes"].append(found)
                write(report, output)
    click.echo((output / "engine.md").read_text())


def write(report: dict[str, Any], output: Path) -> None:
    """Write what was measured so far: the next size may take long, or fail."""
    output.mkdir(parents=True, exist_ok=True)
    (output / "engine.json").write_text(json.dumps(report, indent=2) + "\n")
    (output / "engine.md").write_text(page(report))


def conditions(versions: int, seconds: float) -> dict[str, Any]:
    """Where and with what it was measured."""
    return {
        "command": f"python -m benchmarks.engine {' '.join(sys.argv[1:])}".strip(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "kopf": version("kopf"),
        "kubernetes": version("kubernetes"),
        "versions": versions,
        "load_seconds": seconds,
        "load_average_at_start": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    main()
