"""Runs make targets one after the other and says what each took beside what it may take.

The budgets keep the whole of CI in view: a stage that grows is seen before the limit is reached. A
stage over its budget is marked, not failed: machines differ, and noise is no defect.
"""

import subprocess
import sys
import time

import click
from rich.console import Console
from rich.table import Table

console = Console(soft_wrap=True)


@click.command()
@click.argument("stages", nargs=-1, required=True, metavar="TARGET=MINUTES...")
def main(stages: tuple[str, ...]) -> None:
    """Run each make TARGET in order and stop at the first that fails."""
    table = Table("stage", "budget", "took", "result")
    budgets = dict(_parsed(stage) for stage in stages)
    failed = False
    for target, minutes in budgets.items():
        if failed:
            table.add_row(target, f"{minutes:g} min", "", "not run")
            continue
        console.rule(f"make {target}")
        begun = time.monotonic()
        failed = subprocess.run(["make", "--no-print-directory", target]).returncode != 0
        took = (time.monotonic() - begun) / 60
        result = "failed" if failed else "over budget" if took > minutes else "ok"
        table.add_row(target, f"{minutes:g} min", f"{took:.1f} min", result)
    console.print(table)
    sys.exit(1 if failed else 0)


def _parsed(stage: str) -> tuple[str, float]:
    target, _, minutes = stage.partition("=")
    try:
        return target, float(minutes)
    except ValueError:
        raise click.BadParameter(f"{stage!r}: write TARGET=MINUTES, as in lint=3") from None


if __name__ == "__main__":
    main()
