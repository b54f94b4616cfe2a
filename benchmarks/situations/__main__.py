"""The command: play every situation, write benchmarks/results/situations.{json,md}."""

import json
import math
import os
import platform
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.machine import cpu_model
from benchmarks.situations.play import Played, judge_of, play, play_seldom
from benchmarks.situations.rollouts import Rollout, play_rollout, rollouts
from benchmarks.situations.rows import Row, Seldom, bad, good, seldom
from model_rollouts.simulation.trial import End

RESULTS = Path(__file__).resolve().parents[1] / "results"


@dataclass(frozen=True, slots=True)
class Result:
    """What came out of one situation; times in seconds, median and 95th percentile."""

    name: str
    trials: int
    rolled_back: int
    seconds: float | None
    seconds_p95: float | None
    failed_requests: float | None
    finds: bool


@dataclass(frozen=True, slots=True)
class Ends:
    """How whole rollouts of one situation ended; the median of all, in seconds.

    `promoted_before` are those that were promoted while the version was still good.
    """

    name: str
    trials: int
    promoted: int
    promoted_before: int
    rolled_back: int
    seconds: float
    finds: bool


@click.command()
@click.option("--trials", type=click.IntRange(1), default=200, show_default=True)
@click.option("--seed", default=20261129, show_default=True)
@click.option(
    "--before",
    type=click.Path(path_type=Path, exists=True),
    default=RESULTS / "situations-before.json",
    help="What an earlier release showed, as this command wrote it.",
)
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
@click.option("--rollouts", "of_rollouts", type=click.IntRange(1), help="Whole ones; as --trials.")
def main(trials: int, seed: int, before: Path, output: Path, of_rollouts: int | None) -> None:
    """Play rollouts as services show them: false rollbacks, and how soon bad versions are found."""
    rows: list[Row | Seldom] = [*good(), *bad(), *seldom()]
    results = [_result(row, trials, seed) for row in rows]
    report = {
        "conditions": {
            "command": f"python -m benchmarks.situations {' '.join(sys.argv[1:])}".strip(),
            "cpu": cpu_model(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "seed": seed,
        },
        "results": [asdict(result) for result in results],
        "rollouts": [asdict(_ends(row, of_rollouts or trials, seed)) for row in rollouts()],
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "situations.json").write_text(json.dumps(report, indent=2) + "\n")
    (output / "situations.md").write_text(page(report, json.loads(before.read_text())))
    click.echo((output / "situations.md").read_text())


def _result(row: Row | Seldom, trials: int, seed: int) -> Result:
    run: Callable[[np.random.Generator], Played]
    if isinstance(row, Row):
        judge, of_row = judge_of(row.target), row
        run = lambda rng: play(of_row.world(rng), judge, rng)  # noqa: E731
    else:
        judge, seldom_row = judge_of(), row
        run = lambda rng: play_seldom(seldom_row, judge, rng)  # noqa: E731
        trials = max(trials // 2, 1)
    played = [run(np.random.default_rng((seed, n))) for n in range(trials)]
    ended = [each for each in played if each.rolled_back_after is not None]
    times = sorted(each.rolled_back_after or 0.0 for each in ended)
    click.echo(f"{row.name}: {len(ended)} of {trials}", err=True)
    return Result(
        row.name,
        trials,
        len(ended),
        statistics.median(times) if times else None,
        times[round(0.95 * (len(times) - 1))] if times else None,
        statistics.median(each.failed_requests for each in ended) if ended else None,
        row.finds,
    )


def _ends(row: Rollout, trials: int, seed: int) -> Ends:
    played = [play_rollout(row, np.random.default_rng((seed, n))) for n in range(trials)]
    rolled_back = sum(end is End.ROLLED_BACK for end, _ in played)
    promoted_at = [at for end, at in played if end is End.PROMOTED]
    before = sum(at < row.bad_from for at in promoted_at)
    promoted = len(promoted_at) - before
    click.echo(f"{row.name}: {promoted} promoted, {rolled_back} rolled back", err=True)
    median = statistics.median(seconds for _, seconds in played)
    return Ends(row.name, trials, promoted, before, rolled_back, median, row.finds)


def page(report: dict[str, Any], before: dict[str, Any]) -> str:
    """The results as a page, beside those of before."""
    where = report["conditions"]
    earlier = {each["name"]: each for each in before["results"]}
    results = report["results"]
    whole = {each["name"]: each for each in before["rollouts"]}
    lines = [
        "# Situations: what services show beside clean samples",
        "",
        f"Command: `{where['command']}`, on {where['cores']} shared cores ({where['cpu']}), Python"
        f" {where['python']}, numpy {where['numpy']}, seed {where['seed']}. Made-up counters of the"
        " proxies go through the operator's own intake and judge with the objective of 99.9 %"
        " (unless said), its guards and the breaker; errors are known to be independent, scrapes"
        " come every 5 s, the candidate has 10 % of the requests. 'Skewed', and where nothing is"
        " said: stable's three pods are scraped 1, 2 and 4 s before the candidate's. 'Before' is"
        f" `{before['conditions']['commit']}`. ± is one standard error.",
        "",
        "## Good versions: rolled back",
        "",
        "An outage of both comes at a random time. Of all these trials together"
        f" {_together(before['results'])} were rolled back before, and {_together(results)} now.",
        "",
        "| situation | before | now | n |",
        "|---|---|---|---|",
        *(
            f"| {each['name']} | {_share(earlier.get(each['name']))} | {_share(each)} |"
            f" {each['trials']} |"
            for each in results
            if not each["finds"]
        ),
        "",
        "## Bad versions: rolled back, median and 95th percentile, failed requests until then",
        "",
        "| situation | before | now | n |",
        "|---|---|---|---|",
        *(
            f"| {each['name']} | {_found(earlier.get(each['name']))} | {_found(each)} |"
            f" {each['trials']} |"
            for each in results
            if each["finds"]
        ),
        "",
        "## Whole rollouts, by steps of 5, 25 and 50 %",
        "",
        "Counts for the judge, every 5 s, with stable scraped at the same moments; at least 60 s a"
        " step. Clients that retry repeat each failed request 50 times at the same version, any"
        " part of them in the next interval. What is wrong is to roll a good version back,"
        " and to promote a bad one while it is bad. 'Before' is"
        f" `{before['conditions']['commit_of_rollouts']}`, which told promotions at any time.",
        "",
        "| situation | wrong before | wrong now | median end before, now | n |",
        "|---|---|---|---|---|",
        *(
            f"| {each['name']} | {_wrong(whole.get(each['name']))} | {_wrong(each)} |"
            f" {_time(whole[each['name']]['seconds'])}, {_time(each['seconds'])} |"
            f" {each['trials']} |"
            for each in report["rollouts"]
        ),
        "",
    ]
    return "\n".join(lines)


def _together(results: list[dict[str, Any]]) -> str:
    of_good = [each for each in results if not each["finds"]]
    ended, trials = (sum(each[key] for each in of_good) for key in ("rolled_back", "trials"))
    return f"{ended:,} of {trials:,}"


def _share(each: dict[str, Any] | None) -> str:
    if each is None:
        return "-"
    share, trials = each["rolled_back"] / each["trials"], each["trials"]
    # Laplace's estimate, so that none of n has an error too.
    smooth = (each["rolled_back"] + 1) / (trials + 2)
    return f"{100 * share:.1f} ±{100 * math.sqrt(smooth * (1 - smooth) / trials):.1f} %"


def _wrong(each: dict[str, Any] | None) -> str:
    if each is None:
        return "-"
    which = "promoted" if each["finds"] else "rolled_back"
    wrong = f"{which.replace('_', ' ')} {_share(each | {'rolled_back': each[which]})}"
    before = each.get("promoted_before", 0) / each["trials"]
    return f"{wrong}, and {before:.0%} while it was good" if before else wrong


def _found(each: dict[str, Any] | None) -> str:
    if each is None:
        return "-"
    how_many = f"{each['rolled_back']} of {each['trials']}"
    if each["seconds"] is None:
        return how_many
    median, p95 = _time(each["seconds"]), _time(each["seconds_p95"])
    return f"{how_many}; {median} / {p95}; {each['failed_requests']:.0f} failed"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


if __name__ == "__main__":
    main()
