"""The command: measure, write benchmarks/results/intake.{json,md}."""

import json
import platform
import signal
import statistics
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from benchmarks.intake.measure import measure, series
from benchmarks.machine import cpu_model

RESULTS = Path(__file__).resolve().parents[1] / "results"
SETTLED = 4
"""Ticks left out of the figures: the first reads a lookback, the next ones catch up."""


@click.command()
@click.option(
    "--rollouts",
    "sizes",
    type=click.IntRange(1),
    multiple=True,
    default=(1_000, 10_000),
    show_default=True,
    help="How many rollouts; may be given several times.",
)
@click.option(
    "--ticks",
    type=click.IntRange(SETTLED + 4),
    multiple=True,
    default=(132, 24),
    show_default=True,
    help="How many ticks; once for each size. 132 of 5 s outlive the series cache twice.",
)
@click.option(
    "--interval",
    "intervals",
    type=click.IntRange(1),
    multiple=True,
    default=(5, 15),
    show_default=True,
    help="Seconds between two scrapes and two ticks; once for each size.",
)
@click.option(
    "--slices",
    "sliced",
    type=click.IntRange(0, 8),
    multiple=True,
    default=(0, 0),
    show_default=True,
    help="How many slices have objectives on errors and latency; once for each size.",
)
@click.option(
    "--stages",
    "staged",
    type=click.IntRange(0, 3),
    multiple=True,
    help="How many stages of the model server have an objective; 0, or once for each size.",
)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(
    sizes: tuple[int, ...],
    ticks: tuple[int, ...],
    intervals: tuple[int, ...],
    sliced: tuple[int, ...],
    staged: tuple[int, ...],
    output: Path,
) -> None:
    """Measure the intake against a real Prometheus on loopback."""
    staged = staged or (0,) * len(sizes)
    if not len(sizes) == len(ticks) == len(intervals) == len(sliced) == len(staged):
        raise click.UsageError(
            f"found {len(sizes)} --rollouts, {len(ticks)} --ticks, {len(intervals)} --interval, "
            f"{len(sliced)} --slices and {len(staged)} --stages, give as many of each"
        )
    # An end from outside must end Prometheus and the exporter too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    runs = []
    with Progress(console=Console(stderr=True)) as progress:
        each = zip(sizes, ticks, intervals, sliced, staged, strict=True)
        for size, number, step, slices, stages in each:
            task = progress.add_task(f"{size} rollouts", total=number)
            advance = partial(progress.advance, task)
            measured = measure(size, number, step, advance, slices, stages)
            if measured["counted"] != measured["truth"]:
                raise click.ClickException(
                    f"counted {measured['counted']}, but the truth is {measured['truth']}"
                )
            runs.append(measured)
            write(runs, output)
    click.echo((output / "intake.md").read_text())


def write(runs: list[dict[str, Any]], output: Path) -> None:
    """Write what was measured so far: the next size may take long, or fail."""
    report = {"conditions": conditions(runs), "runs": [figures(run) for run in runs]}
    output.mkdir(parents=True, exist_ok=True)
    (output / "intake.json").write_text(json.dumps(report, indent=2) + "\n")
    (output / "intake.md").write_text(page(report))


def conditions(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Where and with what it was measured."""
    return {
        "cpu": cpu_model(),
        "python": platform.python_version(),
        "prometheus": runs[0]["prometheus"],
        "aiohttp": version("aiohttp"),
        "msgspec": version("msgspec"),
        "command": f"python -m benchmarks.intake {' '.join(sys.argv[1:])}".strip(),
    }


def figures(run: dict[str, Any]) -> dict[str, Any]:
    """The summary of one run; ticks after the first few."""
    costs = run["costs"][SETTLED:]

    def spread(name: str) -> dict[str, float]:
        values = sorted(cost[name] for cost in costs)
        return {
            "median": round(statistics.median(values), 4),
            "p95": round(values[int(0.95 * (len(values) - 1))], 4),
            "max": round(values[-1], 4),
        }

    rss = [cost["rss_mib"] for cost in costs]
    half = len(rss) // 2
    return {
        "rollouts": run["rollouts"],
        "tick_s": run["step_s"],
        "pods": run["rollouts"] * 4,
        "slices": run["slices"],
        "stages": run["stages"],
        "series": series(run["rollouts"], run["slices"], run["stages"]),
        "ticks": len(costs),
        "intervals_counted": sum(cost["intervals"] for cost in costs),
        "queries_per_tick": statistics.median(cost["queries"] for cost in costs),
        "mb_per_tick": round(statistics.median(cost["bytes"] for cost in costs) / 1e6, 2),
        "cpu_s": spread("cpu_s"),
        "wall_s": spread("wall_s"),
        "prometheus_cpu_s": spread("prometheus_cpu_s"),
        "first_tick_cpu_s": round(run["costs"][0]["cpu_s"], 2),
        "rss_mib": {
            "median_first_half": round(statistics.median(rss[:half]), 1),
            "median_second_half": round(statistics.median(rss[half:]), 1),
            "last": round(rss[-1], 1),
            "each_minute": [round(value, 1) for value in rss[:: max(1, 60 // run["step_s"])]],
            "peak_of_process": round(run["peak_rss_mib"], 1),
        },
        "requests_counted": run["counted"]["total"],
        "truth": run["truth"]["total"],
        "findings": run["findings"],
    }


def page(report: dict[str, Any]) -> str:
    """The result as Markdown."""
    where = report["conditions"]
    runs = report["runs"]
    rows: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("rollouts, 2 arms of 2 pods each", lambda r: f"{r['rollouts']:,}"),
        ("slices with two objectives each", lambda r: str(r["slices"])),
        ("stages with an objective each", lambda r: str(r["stages"])),
        ("a scrape and a tick every", lambda r: f"{r['tick_s']} s"),
        ("series read per tick", lambda r: f"{r['series']:,}"),
        ("queries per tick", lambda r: f"{r['queries_per_tick']:g}"),
        ("answers per tick", lambda r: f"{r['mb_per_tick']:g} MB"),
        ("intake, CPU per tick: median", lambda r: f"{r['cpu_s']['median']:.2f} s"),
        ("intake, CPU per tick: p95", lambda r: f"{r['cpu_s']['p95']:.2f} s"),
        ("share of one core", lambda r: f"{100 * r['cpu_s']['median'] / r['tick_s']:.0f} %"),
        ("wall time per tick: median", lambda r: f"{r['wall_s']['median']:.2f} s"),
        ("wall time per tick: p95", lambda r: f"{r['wall_s']['p95']:.2f} s"),
        (
            "Prometheus, CPU during the tick: median",
            lambda r: f"{r['prometheus_cpu_s']['median']:.2f} s",
        ),
        ("first tick (reads a lookback), CPU", lambda r: f"{r['first_tick_cpu_s']:.2f} s"),
        (
            "resident memory, first half of the ticks",
            lambda r: f"{r['rss_mib']['median_first_half']:g} MiB",
        ),
        (
            "resident memory, second half",
            lambda r: f"{r['rss_mib']['median_second_half']:g} MiB",
        ),
        ("resident memory, last tick", lambda r: f"{r['rss_mib']['last']:g} MiB"),
        ("ticks measured", lambda r: str(r["ticks"])),
        ("requests counted", lambda r: f"{r['requests_counted']:,}"),
        ("requests that the exporter wrote down", lambda r: f"{r['truth']:,}"),
    ]
    lines = [
        "# Intake: what reading the samples of many rollouts costs",
        "",
        f"Command: `{where['command']}`. One process for the intake, one core; "
        f"Prometheus {where['prometheus']} and the exporter on the same "
        f"machine ({where['cpu']}, shared). Python {where['python']}, aiohttp {where['aiohttp']}, "
        f"msgspec {where['msgspec']}.",
        "",
        "Each rollout has three objectives: errors, client errors, latency at two edges; beside "
        "them errors and latency at two edges of each slice, and latency at two edges of each "
        "stage. All columns are measured, none is extrapolated. Memory is that of the whole "
        "process, which runs the sizes one after the other.",
        "",
        "| figure |" + " |" * len(runs),
        "|---|" + "---|" * len(runs),
    ]
    lines += [f"| {name} | " + " | ".join(show(run) for run in runs) + " |" for name, show in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
