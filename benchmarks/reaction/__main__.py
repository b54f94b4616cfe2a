"""The command: measure, write benchmarks/results/reaction.{json,md}."""

import json
import os
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
from rich.console import Console

from benchmarks.reaction.measure import TARGETS, Case, Reaction, measure
from benchmarks.reaction.page import conditions, page
from e2e.cluster import addons, progress
from e2e.cluster.provider import choose
from e2e.fixtures import Cluster
from e2e.scenes.stage import Stage
from e2e.scenes.surroundings import world

RESULTS = Path(__file__).resolve().parents[1] / "results"


@click.command()
@click.option("--runs", type=click.IntRange(1), default=10, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(runs: int, output: Path) -> None:
    """Roll out bad versions one after the other, under two objectives at the same time.

    A service with history takes RUNS of them, a young one half as many.
    """
    # An end from outside must end the operators too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(stderr=True)
    provider = choose()
    progress.run([*provider.create(), *addons.install(provider)], console)
    cluster = Cluster(provider)
    loads = [os.getloadavg()[0]]

    with (
        world(cluster.kubectl) as chronicles,
        tempfile.TemporaryDirectory() as logs,
        ThreadPoolExecutor() as pool,
    ):

        def play(case: Case) -> list[Reaction]:
            title = case.target.replace("%", "").replace(".", "-")
            with Stage(cluster, chronicles, title, Path(logs)) as stage:
                found = []
                wanted = runs if case.history else -(-runs // 2)
                for reaction in measure(stage, case, wanted):
                    found.append(reaction)
                    loads.append(os.getloadavg()[0])
                    console.print(f"{case}, run {reaction.run}: {reaction}")
                return found

        reactions: dict[Case, list[Reaction]] = {}
        for history in (True, False):
            playing = [Case(target, history) for target in TARGETS]
            reactions |= zip(playing, pool.map(play, playing), strict=True)
    report = {
        "conditions": conditions(runs, loads),
        "cases": [
            {**vars(case), "runs": [vars(each) for each in found]}
            for case, found in reactions.items()
        ],
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "reaction.json").write_text(json.dumps(report, indent=2) + "\n")
    (output / "reaction.md").write_text(page(report))
    click.echo((output / "reaction.md").read_text())


if __name__ == "__main__":
    main()
