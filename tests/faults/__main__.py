"""`python -m tests.faults`: many histories held against every promise, or the story of one."""

import gc
import json
import multiprocessing
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import click

from tests.faults import story
from tests.faults.examine import Examined, examine
from tests.faults.summary import Summary

EVERY = 50
"""Histories between two lines of progress."""


@click.group()
def main() -> None:
    """Histories of a rollout with faults, in virtual time. A seed always gives the same one."""


@main.command()
@click.option("--from", "first", default=0, show_default=True, help="The first seed.")
@click.option("--count", default=10_000, show_default=True, help="How many histories.")
@click.option("--workers", default=os.cpu_count() or 1, show_default=True, help="Processes.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write the results here.")
def run(first: int, count: int, workers: int, target: Path | None) -> None:
    """Play many seeds; exit code 1 when a promise was not kept."""
    summary, everything = Summary(), []
    for examined in _all(range(first, first + count), workers):
        summary.add(examined)
        everything.append(examined)
        if summary.histories % EVERY == 0 or examined.found:
            failed = ", ".join(examined.found)
            click.echo(
                f"{summary.histories:6} of {count}  {failed and f'{examined.seed}: {failed}'}"
            )
    for line in summary.lines():
        click.echo(line)
    if target is not None:
        histories = [each.to_json() for each in everything]
        target.write_text(json.dumps({"summary": summary.to_json(), "histories": histories}))
    sys.exit(0 if summary.is_sound else 1)


@main.command()
@click.argument("seeds", metavar="SEED...", type=int, nargs=-1, required=True)
def replay(seeds: tuple[int, ...]) -> None:
    """Print the story of a seed, and what was not kept; exit code 1 when something was not."""
    kept = [_tell(seed) for seed in seeds]
    sys.exit(0 if all(kept) else 1)


def _tell(seed: int) -> bool:
    """Print the story of a seed; whether everything was kept."""
    examined, history = examine(seed)
    click.echo(f"seed {seed}: {examined.script}")
    for each in examined.trouble:
        click.echo(f"  {each}")
    for line in () if history is None else story.lines(history):
        click.echo(line)
    for oracle, found in examined.found.items():
        for at, words in found:
            click.echo(f"{at:8.2f}  NOT KEPT     {oracle}: {words}")
    return not examined.found


def _all(seeds: range, workers: int) -> Iterator[Examined]:
    if workers == 1:
        yield from map(_examined, seeds)
        return
    with multiprocessing.Pool(workers, _settle_down) as pool:
        yield from pool.imap_unordered(_examined, seeds, chunksize=4)


def _settle_down() -> None:
    # Histories leave hardly a cycle: looking for them is a tenth of the time.
    gc.set_threshold(50_000, 50, 50)


def _examined(seed: int) -> Examined:
    try:
        return examine(seed)[0]
    except Exception:
        # Not every exception finds its way between processes.
        raise RuntimeError(f"seed {seed}: {traceback.format_exc()}") from None


if __name__ == "__main__":
    main()
