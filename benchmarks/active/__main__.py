"""The command: measure, write benchmarks/results/active.{json,md}."""

import gc
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks.active import latency
from benchmarks.active.fleet import SETTLED, Fleet, Tick
from benchmarks.machine import cpu_model, reference_s

RESULTS = Path(__file__).resolve().parents[1] / "results"


@click.command()
@click.option("--canaries", type=click.IntRange(1), default=1_000, show_default=True)
@click.option("--ticks", type=click.IntRange(2), default=48, show_default=True, help="Measured.")
@click.option("--beside", default=1_000, show_default=True, help="Settled ones, which change.")
@click.option("--rate", default=50.0, show_default=True, help="Changes per second.")
@click.option("--seconds", default=60.0, show_default=True, help="Of the changes.")
@click.option(
    "--before",
    type=click.Path(path_type=Path, exists=True),
    help="What an earlier release showed, as this command wrote it.",
)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(
    canaries: int,
    ticks: int,
    beside: int,
    rate: float,
    seconds: float,
    before: Path | None,
    output: Path,
) -> None:
    """Measure what many canaries cost at once, and how long others wait beside them."""
    # As `engine.wiring` has it.
    gc.set_threshold(50_000, 50, 50)
    report: dict[str, Any] = {"tick": tick(canaries, ticks), "changes": []}
    for number in (0, canaries):
        report["changes"].append(latency.measure(number, beside, rate, seconds))
        click.echo(report["changes"][-1], err=True)
    report["conditions"] = {
        "command": f"python -m benchmarks.active {' '.join(sys.argv[1:])}".strip(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 1),
        "rate": rate,
        "seconds": seconds,
        "beside": beside,
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "active.json").write_text(json.dumps(report, indent=2) + "\n")
    earlier = None if before is None else json.loads(before.read_text())
    (output / "active.md").write_text(page(report, earlier))
    click.echo((output / "active.md").read_text())


def tick(canaries: int, ticks: int) -> dict[str, Any]:
    """What ticks of so many canaries cost, and a fixed piece of work beside them."""
    fleet = Fleet(canaries)
    for _ in range(SETTLED):
        fleet.tick()
    measured: list[Tick] = []
    references: list[float] = []
    for _ in range(ticks):
        measured.append(fleet.tick())
        references.append(reference_s())
    parts = {
        name: round(statistics.mean(asdict(each)[name] for each in measured), 4)
        for name in ("read_s", "taken_s", "planned_s")
    }
    found = {
        "canaries": canaries,
        "ticks": ticks,
        **parts,
        "whole_s": spread([each.whole_s for each in measured]),
        "passes": statistics.mean(each.passes for each in measured),
        "reference_ms": round(1000 * statistics.median(references), 2),
    }
    click.echo(found, err=True)
    return found


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, median and largest."""
    return {
        "mean": round(statistics.mean(values), 4),
        "median": round(statistics.median(values), 4),
        "max": round(max(values), 4),
    }


def page(report: dict[str, Any], before: dict[str, Any] | None) -> str:
    """The result as Markdown."""
    where = report["conditions"]
    shown = [report] if before is None else [before, report]
    head = "| |" if before is None else "| before | now |"
    of: tuple[tuple[str, Callable[[dict[str, Any]], float]], ...] = (
        ("reading samples and counting, mean of a tick", lambda t: t["read_s"]),
        ("counts to evidence, and whether a pass follows", lambda t: t["taken_s"]),
        ("passes", lambda t: t["planned_s"]),
        ("**together**, mean", lambda t: t["whole_s"]["mean"]),
        ("together, the longest tick", lambda t: t["whole_s"]["max"]),
    )
    rows = [(name, [f"{of_tick(each['tick']):.2f} s" for each in shown]) for name, of_tick in of]
    rows.append(("passes in a tick, mean", [f"{each['tick']['passes']:.0f}" for each in shown]))
    reference = [f"{each['tick']['reference_ms']:.0f} ms" for each in shown]
    rows.append(("a fixed piece of work beside it", reference))
    waits = [
        (words, [f"{each['changes'][index][key]:g} ms" for each in shown])
        for index, whom in ((0, "without canaries"), (1, "beside the canaries"))
        for key, words in (
            ("median_ms", f"event to write {whom}: median"),
            ("p99_ms", f"event to write {whom}: p99"),
            ("max_ms", f"event to write {whom}: longest"),
        )
    ]
    canaries = report["tick"]["canaries"]
    lines = [
        "# Active: what many canaries cost at once",
        "",
        f"Command: `{where['command']}`, on {where['cores']} shared cores ({where['cpu']}, load"
        f" average {where['load_average']}), Python {where['python']}. {canaries:,} canaries at"
        " their first step, 2 pods of each version, two objectives and the guards, 20 requests per"
        " second each; a scrape and a tick every 5 s. Store, queue, intake, judge, plans and passes"
        " are the operator's own. Prometheus and the API server are in the process, and what they"
        " take is not in the figures.",
        "",
        "Figures are CPU time, because others compute on the same cores; with them CPU time grows"
        f" too. {report['tick']['ticks']} ticks were measured, {SETTLED} before them left out.",
        "",
        f"| CPU of one core {head}",
        "|---" * (len(shown) + 1) + "|",
        *(f"| {name} | {' | '.join(values)} |" for name, values in rows),
        "",
        f"Changes: `spec.paused` of {where['beside']:,} settled ModelDeployments,"
        f" {where['rate']:g} in a second at random moments for {where['seconds']:g} s. Time passes"
        " as it would on a quiet machine: while the process works it is the CPU time that it takes,"
        f" and a write is answered after {1000 * latency.ANSWER_S:g} ms. It runs from the event to"
        " the answer.",
        "",
        f"| event to write {head}",
        "|---" * (len(shown) + 1) + "|",
        *(f"| {name} | {' | '.join(values)} |" for name, values in waits),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
