"""The command: judge versions by their answers, write benchmarks/results/disagreement.{json,md}.

Every draw is fixed by the seed: the same code gives the same table on every machine.
"""

import json
import random
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from model_rollouts.decision import (
    NO_COUNTS,
    Counts,
    Interval,
    Judge,
    Rules,
    Sample,
    State,
    Traffic,
    breaker,
    disagreement,
    errors,
)
from model_rollouts.simulation.traffic import binomial, poisson
from model_rollouts.text import count, duration, percent

RESULTS = Path(__file__).resolve().parents[1] / "results"

GOOD, BAD = 0.01, 0.05
SECONDS = 5.0
PAIRS = 25.0
"""Pairs of answers in a second."""
MINUTES = 5
"""How long a version is in shadow at most."""


@dataclass(frozen=True, slots=True)
class Situation:
    """A version: the share of its answers that differ, in bursts of `burst` on the average."""

    what: str
    share: float
    burst: int = 1
    itself: float | None = None
    """The share of requests on which only stable's second answer differs, where it is asked twice;
    `share` is then that on which only the candidate's does."""


SITUATIONS = (
    Situation("half of the good limit", GOOD / 2),
    Situation("the good limit", GOOD),
    Situation("the good limit, two at once", GOOD, burst=2),
    Situation("between the limits", 0.03),
    Situation("the bad limit", BAD),
    Situation("hours in UTC: 18 %", 0.18),
    Situation("classes in another order: 90 %", 0.9),
)
AGAINST_ITSELF = (
    Situation("stable once more, which never differs", 0.0, itself=0.0),
    Situation("stable once more, which differs on 2 %", 0.02, itself=0.02),
    Situation("stable once more, which differs on 20 %", 0.2, itself=0.2),
    Situation("stable once more, which differs on 40 %", 0.4, itself=0.4),
    Situation("a quarter more often than stable's 20 %", 0.25, itself=0.2),
    Situation("twice as often as stable's 5 %", 0.1, itself=0.05),
    Situation("twice as often as stable's 20 %", 0.4, itself=0.2),
    Situation("10 %, and stable never", 0.1, itself=0.0),
)
ITSELF = 0.1
"""The share of pairs to which stable answered twice."""


@dataclass(frozen=True, slots=True)
class Found:
    """How it ended: seconds and pairs of each rollout until its rollback, sorted."""

    what: str
    seconds: list[float]
    pairs: list[int]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--trials", default=2_000, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=1, show_default=True, help="Of the first rollout; +1 for each.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(trials: int, seed: int, output: Path) -> None:
    """Measure how often, and how soon, versions are rolled back by their answers."""
    found = [_played(each, trials, seed) for each in (*SITUATIONS, *AGAINST_ITSELF)]
    command = f"python -m benchmarks.disagreement {' '.join(sys.argv[1:])}".strip()
    report: dict[str, Any] = {
        "conditions": {
            "command": command,
            "trials": trials,
            "seed": seed,
            "interval_s": SECONDS,
            "pairs_per_s": PAIRS,
            "limits": {"good": GOOD, "bad": BAD},
        },
        "situations": [
            {
                "what": each.what,
                "rolled_back": len(each.seconds),
                "median_s": statistics.median(each.seconds) if each.seconds else None,
                "longest_s": each.seconds[-1] if each.seconds else None,
                "median_pairs": statistics.median(each.pairs) if each.pairs else None,
            }
            for each in found
        ],
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "disagreement.json").write_text(json.dumps(report, indent=2) + "\n")
    (output / "disagreement.md").write_text(page(command, trials, found))
    click.echo((output / "disagreement.md").read_text())


def _played(situation: Situation, trials: int, seed: int) -> Found:
    rules = Rules(
        (
            errors("errors", 0.99),
            breaker(),
            disagreement(
                "answers",
                GOOD,
                BAD,
                comparison="00000000",
                against_itself=situation.itself is not None,
            ),
        )
    )
    by, ends = Judge(rules), []
    for number in range(trials):
        # A simulation, no secret.
        end = _shadow(by, situation, random.Random(seed + number))  # noqa: S311
        if end is not None:
            ends.append(end)
        click.echo(f"\r{situation.what}: {number + 1} of {trials}", err=True, nl=False)
    click.echo("", err=True)
    return Found(situation.what, sorted(at for at, _ in ends), sorted(pairs for _, pairs in ends))


def _shadow(by: Judge, situation: Situation, rng: random.Random) -> tuple[float, int] | None:
    """When and after how many pairs a version is rolled back; None when it is not."""
    state: State = by.start()
    seen = 0
    for index in range(round(MINUTES * 60 / SECONDS)):
        at, asked = index * SECONDS, poisson(rng, PAIRS * SECONDS)
        pairs = asked
        # Neighbours that share their fate: half as many draws, each for two answers.
        draws, rest = divmod(pairs, situation.burst)
        differing = situation.burst * binomial(rng, draws, situation.share)
        differing += binomial(rng, rest, situation.share)
        itself = NO_COUNTS
        if situation.itself is not None:
            pairs = poisson(rng, ITSELF * PAIRS * SECONDS)
            differing = binomial(rng, pairs, situation.share)
            # Never both of one request.
            left = situation.itself / (1 - situation.share)
            itself = Counts.of(pairs, binomial(rng, pairs - differing, left))
        seen += pairs
        good = Sample(
            Counts.of(asked, binomial(rng, asked, 0.001)),
            Counts.of(2 * asked, binomial(rng, 2 * asked, 0.001)),
        )
        samples = {
            "errors": good,
            "breaker": good,
            "answers": Sample(Counts.of(pairs, differing), itself),
        }
        state = by.update(state, Interval(at, at + SECONDS, samples, Traffic.SHADOW))
        if state.failed_at is not None:
            return state.failed_at, seen
    return None


def page(command: str, trials: int, found: list[Found]) -> str:
    """The results as a page."""
    lines = [
        "# Answers that differ: how often a version is rolled back, and how soon",
        "",
        f"Command: `{command}`; the same code gives the same figures on every machine."
        f" {count(trials)} rollouts of each version, {MINUTES} min of shadow in simulated time,"
        f" {PAIRS:g} pairs of answers per second, a look every {SECONDS:g} s. An objective on"
        " errors at 99 %, the breaker, and a guard of type Disagreement with the limits"
        f" {percent(GOOD)} and {percent(BAD)} judge together.",
        "",
        *_HEAD,
        *_rows(found[: len(SITUATIONS)], trials),
        "",
        f"With `against: Self` stable answers {percent(ITSELF)} of them twice, and the share is of"
        " those requests on which only the candidate's answer differs, beside the share on which"
        " only stable's second one does.",
        "",
        *_HEAD,
        *_rows(found[len(SITUATIONS) :], trials),
    ]
    return "\n".join([*lines, ""])


_HEAD = (
    "| answers that differ | rolled back | after: median, longest | pairs until then |",
    "|---|---|---|---|",
)


def _rows(found: list[Found], trials: int) -> Iterator[str]:
    for each in found:
        rolled = f"{count(len(each.seconds))} of {count(trials)}"
        when = pairs = ""
        if each.seconds:
            longest = duration(each.seconds[-1])
            when = f"{duration(statistics.median(each.seconds))}, {longest}"
            pairs = count(statistics.median(each.pairs))
        yield f"| {each.what} | {rolled} | {when} | {pairs} |"


if __name__ == "__main__":
    main()
