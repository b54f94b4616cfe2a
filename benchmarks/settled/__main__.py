"""The command: measure, write benchmarks/results/settled.{json,md}."""

import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks.machine import cpu_model
from benchmarks.settled.measure import PODS, measure

RESULTS = Path(__file__).resolve().parents[1] / "results"


@click.command()
@click.option(
    "--services",
    "sizes",
    type=click.IntRange(1),
    multiple=True,
    default=(100, 1_000, 10_000),
    show_default=True,
    help="How many settled services; may be given several times.",
)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(sizes: tuple[int, ...], output: Path) -> None:
    """Measure what a version costs after its watch: memory, and the CPU of a minute."""
    report = {
        "conditions": {
            "command": f"python -m benchmarks.settled {' '.join(sys.argv[1:])}".strip(),
            "cpu": cpu_model(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "sizes": [asdict(measure(size, lambda line: click.echo(line, err=True))) for size in sizes],
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "settled.json").write_text(json.dumps(report, indent=2) + "\n")
    (output / "settled.md").write_text(page(report))
    click.echo((output / "settled.md").read_text())


def page(report: dict[str, Any]) -> str:
    """The results as a page."""
    where, sizes = report["conditions"], report["sizes"]
    counts = [f"{size['services']:,}" for size in sizes]
    rows = [
        ("memory that counting adds to one, after a minute", lambda s: f"{s['counted_bytes']:,} B"),
        ("after six hours, and for ever", lambda s: f"{s['full_bytes']:,} B"),
        ("memory while a group of them is read", lambda s: f"{s['reading_mib']} MiB"),
        ("CPU of a minute", lambda s: f"{s['cpu_s']} s"),
        ("queries in a minute", lambda s: f"{s['queries']}"),
        ("answers in a minute", lambda s: f"{s['answers_mib']} MiB"),
        ("passes in a minute", lambda s: f"{s['passes']}"),
    ]
    lines = [
        "# Settled: what a version costs after its watch",
        "",
        f"Command: `{where['command']}`, on {where['cores']} shared cores ({where['cpu']}), Python"
        f" {where['python']}. Each service has {PODS} pods, scraped every 5 s, and two objectives,"
        " on errors and on latency. Its answers are made up in the process; the time for that, and"
        " that of Prometheus and the network, is not in the figures.",
        "",
        f"| settled services | {' | '.join(counts)} |",
        f"|---|{'---|' * len(sizes)}",
        *(f"| {name} | {' | '.join(map(value, sizes))} |" for name, value in rows),
        "",
        "The memory is beside that of the objects that the operator watches"
        " (`benchmarks/results/engine.md`). Nothing is written for counts: a pass follows only when"
        " `Available` or `ServiceDegraded` begins or ends.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
