"""The command: play bad versions under the guards, write benchmarks/results/guards.{json,md}.

It renews the table in docs/guards.md too. Every draw is fixed by the seed: the same code gives the
same table on every machine.
"""

import json
import random
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from model_rollouts.text import count, duration
from tests.decision.guarded import SECONDS, SLOW, Shares, always, judge, play

RESULTS = Path(__file__).resolve().parents[1] / "results"
DOCS = Path(__file__).resolve().parents[2] / "docs" / "guards.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

HOURS = 2
"""How long a version is played at most."""


@dataclass(frozen=True, slots=True)
class Situation:
    """A version that a guard finds: its true rates, and the requests or pods of each version.

    `candidate` and `stable` are the mean number of requests in `SECONDS`, `pods` those of both.
    """

    what: str
    truth: Mapping[str, Shares]
    candidate: float = 25
    stable: float = 225
    pods: tuple[int, int] = (1, 9)
    counts_requests: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """How it ended: `seconds` and `requests` of each rollout until its rollback, sorted."""

    what: str
    missed: int
    seconds: list[float] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)


CRASHING = {"restarts": always(1.0, 0.0)}
SITUATIONS = (
    Situation("answers 422 to everybody", {"client-errors": always(1.0, 0.0)}),
    Situation(
        "the same at 1 request per second and 5 %",
        {"client-errors": always(1.0, 0.0)},
        candidate=0.25,
        stable=4.75,
    ),
    Situation(
        "answers 422 to everybody, while stable refuses 30 %",
        {"client-errors": always(1.0, 0.3)},
    ),
    Situation("answers 422 to 5 %", {"client-errors": always(0.05, 0.0)}),
    Situation("5 % of requests over stable's p99", {SLOW: always(0.05, 0.007)}),
    Situation(
        "12 % of requests over it, as when all take twice as long", {SLOW: always(0.12, 0.007)}
    ),
    *(
        Situation(
            f"crashes each minute: {judged} {'pod' if judged == 1 else 'pods'} beside {stable} of"
            " stable",
            CRASHING,
            pods=(judged, stable),
            counts_requests=False,
        )
        for judged, stable in ((1, 9), (5, 5), (1, 1))
    ),
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--trials", default=200, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=1, show_default=True, help="Of the first rollout; +1 for each.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
@click.option("--docs", type=click.Path(path_type=Path), default=DOCS, show_default=True)
def main(trials: int, seed: int, output: Path, docs: Path) -> None:
    """Measure how soon each guard rolls a bad version back."""
    found = [_played(each, trials, seed) for each in SITUATIONS]
    command = f"python -m benchmarks.guards {' '.join(sys.argv[1:])}".strip()
    report: dict[str, Any] = {
        "conditions": {"command": command, "trials": trials, "seed": seed, "interval_s": SECONDS},
        "situations": [_summary(each) for each in found],
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "guards.json").write_text(json.dumps(report, indent=2) + "\n")
    (output / "guards.md").write_text(page(command, trials, found))
    before, _, rest = docs.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    docs.write_text(f"{before}{BEGIN}\n{table(found)}\n{END}{after}")
    click.echo((output / "guards.md").read_text())


def _played(situation: Situation, trials: int, seed: int) -> Found:
    """All rollouts of a situation, with requests that come by chance."""
    by = judge()
    ends = []
    for number in range(trials):
        ends.append(
            play(
                random.Random(seed + number),  # noqa: S311 - a simulation, no secret
                situation.truth,
                judged_by=by,
                minutes=60 * HOURS,
                candidate=situation.candidate,
                stable=situation.stable,
                pods=situation.pods,
                by_chance=True,
            )
        )
        click.echo(f"\r{situation.what}: {number + 1} of {trials}", err=True, nl=False)
    click.echo("", err=True)
    found = [end for end in ends if end is not None]
    requests = [end[1] for end in found] if situation.counts_requests else []
    return Found(
        situation.what, trials - len(found), sorted(end[0] for end in found), sorted(requests)
    )


def _summary(found: Found) -> dict[str, Any]:
    def of(values: list[float]) -> dict[str, float] | None:
        return {"median": statistics.median(values), "longest": values[-1]} if values else None

    return {
        "what": found.what,
        "not_rolled_back": found.missed,
        "seconds": of(found.seconds),
        "requests": of(found.requests),
    }


def table(found: list[Found]) -> str:
    """The table of the page: a row for each situation."""
    lines = [
        "| version | rolled back after: median, longest | its requests until then |",
        "|---|---|---|",
    ]
    for each in found:
        median, longest = duration(statistics.median(each.seconds)), duration(each.seconds[-1])
        requests = ""
        if each.requests:
            requests = f"{count(statistics.median(each.requests))}, {count(each.requests[-1])}"
        lines.append(f"| {each.what} | {median}, {longest} | {requests} |")
    return "\n".join(lines)


def page(command: str, trials: int, found: list[Found]) -> str:
    """The results as a page."""
    missed = sum(each.missed for each in found)
    return "\n".join(
        [
            "# Guards: how soon a bad version is rolled back",
            "",
            f"Command: `{command}`; the same code gives the same figures on every machine."
            f" {trials} rollouts of each version, in simulated time: 50 requests per second,"
            f" 10 % at the candidate, and a look every {SECONDS:g} s, unless the row says otherwise"
            ". An objective on errors at 99 %, the breaker and all three guards judge together.",
            "",
            table(found),
            "",
            f"Not rolled back within {HOURS} h: {missed} of {len(found) * trials:,}.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
