"""Runs make targets one after the other and says what each took beside what it may take.

The budgets keep the whole of CI in view: a stage that grows is seen before the limit is reached. A
stage over its budget is marked, not failed: machines differ, and noise is no defect.

Targets joined by a plus run side by side. That is for downloads and builds only, where one waits
for the network while the other computes; what measures time bears no company.

What plays whole stories on a cluster may be told to try again (`--again`): a story that went wrong
once cannot be played again within one run of pytest.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import click
from rich.console import Console
from rich.table import Table

console = Console(soft_wrap=True)

_ONLY_FAILED = ("--last-failed", "--last-failed-no-failures=none")


@dataclass(frozen=True)
class Stage:
    """What runs together, and the minutes that it may take."""

    targets: tuple[str, ...]
    budget: float

    @property
    def name(self) -> str:
        """As it is written on the command line."""
        return "+".join(self.targets)


@click.command()
@click.argument("stages", nargs=-1, required=True, metavar="TARGET[+TARGET]...=MINUTES...")
@click.option("--dry-run", is_flag=True, help="Show the budgets and stop.")
@click.option(
    "--again",
    metavar="PREFIX",
    help="Run a target whose name begins so once more if it fails, with the tests that failed.",
)
def main(stages: tuple[str, ...], dry_run: bool, again: str | None) -> None:
    """Run each make TARGET in order and stop at the first that fails."""
    table = Table("stage", "budget", "took", "result")
    planned = [parsed(stage) for stage in stages]
    begun = time.monotonic()
    failed = False
    for stage in planned:
        if failed or dry_run:
            table.add_row(stage.name, f"{stage.budget:g} min", "", "not run")
            continue
        console.rule(f"make {' '.join(stage.targets)}")
        started = time.monotonic()
        failed, tried = not _succeeds(stage), 1
        if failed and again is not None and stage.name.startswith(again):
            console.rule(f"make {stage.name}, what failed once more")
            failed, tried = not _succeeds(stage, only_failed=True), 2
        took = (time.monotonic() - started) / 60
        result = "failed" if failed else "over budget" if took > stage.budget else "ok"
        if tried > 1:
            result += ", tried twice"
        table.add_row(stage.name, f"{stage.budget:g} min", f"{took:.1f} min", result)
    table.add_section()
    took_in_all = "" if dry_run else f"{(time.monotonic() - begun) / 60:.1f} min"
    table.add_row("all", f"{sum(stage.budget for stage in planned):g} min", took_in_all, "")
    console.print(table)
    sys.exit(1 if failed else 0)


def parsed(stage: str) -> Stage:
    """Return the stage that a word of the command line describes.

    Raises click.BadParameter when it has no number of minutes.
    """
    targets, _, minutes = stage.partition("=")
    try:
        return Stage(tuple(targets.split("+")), float(minutes))
    except ValueError:
        raise click.BadParameter(f"{stage!r}: write TARGET=MINUTES, as in lint=3") from None


def _succeeds(stage: Stage, *, only_failed: bool = False) -> bool:
    if len(stage.targets) == 1:
        options = [os.environ.get("PYTEST_ADDOPTS", ""), *(_ONLY_FAILED if only_failed else ())]
        environment = {**os.environ, "PYTEST_ADDOPTS": " ".join(options)}
        return subprocess.run(_make(*stage.targets), env=environment).returncode == 0
    with ThreadPoolExecutor(len(stage.targets)) as threads:
        # A list, because `all` alone would leave the others running when one fails.
        return all(list(threads.map(_succeeds_in_company, stage.targets)))


def _succeeds_in_company(target: str) -> bool:
    command = _make(target)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    ) as process:
        assert process.stdout is not None  # because of PIPE
        for line in process.stdout:
            click.echo(f"{target}: {line}", nl=False)
    return process.returncode == 0


def _make(target: str) -> list[str]:
    return ["make", "--no-print-directory", target]


if __name__ == "__main__":
    main()
