"""What a tick costs with slices and a stage, and in another tree of the operator, turn by turn.

    python -m benchmarks.intake.turns --rollouts 60 --rounds 12 --other /path/to/other/operator

Where others compute on the same cores, CPU time of the same code differs by half from one minute to
the next. So each tree has a process, they take turns tick by tick, and medians are compared.
Prometheus is made up within the process, and what that takes is not in the figures; neither is
receiving an answer.
"""

import asyncio
import gc
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click

from benchmarks.intake.exporter import namespace, pods, revisions
from benchmarks.intake.measure import rollout
from benchmarks.made_up_prometheus import MadeUpPrometheus, Scraped
from model_rollouts.metrics.counts import Counted
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.requests import Request
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.prometheus.reader import SampleReader

BEGAN_MS = 1_800_000_000_000
PARTS = ((0, 0), (2, 1))
"""Slices and stages of the two intakes that each process has."""

ROOT = Path(__file__).resolve().parents[2]


class Ticks:
    """So many rollouts, with so many slices and stages."""

    def __init__(self, rollouts: int, slices: int, stages: int) -> None:
        of = {
            revision: Scraped(namespace(number), tuple(pods(revision)), 50)
            for number in range(rollouts)
            for revision in revisions(number)
        }
        self._prometheus = MadeUpPrometheus(of, BEGAN_MS - 3_600_000)
        self._rollouts = [rollout(number, BEGAN_MS, slices, stages) for number in range(rollouts)]
        self._reader = SampleReader(self._prometheus.ask, Intake(Grid(5_000)))
        self._since: dict[str, Watermark] = {}
        self.is_behind = True

    async def tick(self, number: int) -> float:
        """CPU seconds of the tick of that number."""
        made_up, begun = self._prometheus.cpu_s, time.process_time()
        requests = [Request(each, self._since.get(each.key)) for each in self._rollouts]
        found = await self._reader.tick(requests, BEGAN_MS + 65_000 + 5_000 * number)
        self.is_behind = False
        for key, counted in found.items():
            assert isinstance(counted, Counted), counted
            self._since[key] = counted.watermark
            self.is_behind |= counted.behind
        return time.process_time() - begun - (self._prometheus.cpu_s - made_up)


async def _play(rollouts: int) -> None:
    """A tick of each for every line that comes, its CPU seconds in a line that goes."""
    # As `engine.wiring` has it.
    gc.set_threshold(50_000, 50, 50)
    each = [Ticks(rollouts, *parts) for parts in PARTS]
    for one in each:
        while one.is_behind:
            await one.tick(0)
    print("ready", flush=True)
    for number, _ in enumerate(sys.stdin, 1):
        gc.collect()
        print(*[await one.tick(number) for one in each], flush=True)


def _begin(tree: Path, rollouts: int) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.intake.turns", "--play", "--rollouts", str(rollouts)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{tree}:{ROOT}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _turn(process: "subprocess.Popen[str]") -> list[float]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return [1000 * float(each) for each in process.stdout.readline().split()]


@click.command()
@click.option("--rollouts", type=click.IntRange(1), default=60, show_default=True)
@click.option("--rounds", type=click.IntRange(3), default=12, show_default=True)
@click.option("--other", type=click.Path(path_type=Path, exists=True), help="Another operator/.")
@click.option("--play", is_flag=True, hidden=True)
def main(rollouts: int, rounds: int, other: Path | None, play: bool) -> None:
    """Measure ticks without and with two slices and a stage, tree by tree in turn."""
    if play:
        asyncio.run(_play(rollouts))
        return
    trees = {"this": ROOT / "operator", **({} if other is None else {"other": other.resolve()})}
    processes = {name: _begin(tree, rollouts) for name, tree in trees.items()}
    costs: dict[str, list[list[float]]] = {name: [] for name in trees}
    for _ in range(rounds):
        for name, process in processes.items():
            costs[name].append(_turn(process))
    for name, process in processes.items():
        process.communicate()
        without, both = (statistics.median(column) for column in zip(*costs[name], strict=True))
        click.echo(
            f"{name}: {without:.1f} ms without, {both:.1f} ms with both: {both / without:.2f}"
        )


if __name__ == "__main__":
    main()
