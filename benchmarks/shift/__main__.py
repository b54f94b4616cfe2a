"""The command: play rollouts whose inputs move, write benchmarks/results/shift.{json,md,png}.

Every draw is fixed by the seed: the same code gives the same table on every machine.
"""

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.shift.picture import draw
from model_rollouts.decision import (
    SHARE_TOLERANCE,
    TOLERANCE,
    AgainstBaseline,
    AgainstReference,
    ShareAbove,
)
from model_rollouts.text import count, duration, percent

RESULTS = Path(__file__).resolve().parents[1] / "results"

LOOKS = 120
SECONDS = 5.0
REQUESTS = 100
"""Of one look."""
BEATS = 20
"""Looks at two versions, each of six of these intervals: `AgainstBaseline` costs more."""
SPLIT = (60, 540)
"""Requests of the candidate and of stable in one of them."""

CHI_SQUARE = 30.144
"""The 95th percentile of its distribution with 19 degrees of freedom."""
KOLMOGOROV = 1.358
"""The same of Kolmogorov's, to be divided by the root of the number of requests."""
PSI = 0.1
LEAST = 1e-4
"""The share that PSI takes in place of none, as is usual."""

_BINS = np.arange(20)
REFERENCE: NDArray[np.float64] = np.exp(-(((_BINS - 8.5) / 5.0) ** 2)) + 0.08
REFERENCE /= REFERENCE.sum()
"""A day: most requests about noon, some at night."""

Floats = NDArray[np.float64]


def tilted(distance: float) -> Floats:
    """The reference with this part of the requests later in the day."""
    bend = np.tanh((_BINS - 8.5) / 3)
    direction = REFERENCE * (bend - (REFERENCE * bend).sum())
    return np.asarray(REFERENCE + direction * distance / (np.abs(direction).sum() / 2))


def later(bins: int) -> Floats:
    """The reference with a clock that is wrong."""
    return np.asarray(np.roll(REFERENCE, bins))


@dataclass(frozen=True, slots=True)
class Situation:
    """What requests are drawn from: in each look of one rollout."""

    what: str
    moved: Floats
    wanders: bool = False
    """Whether requests change between the reference and `moved`, an hour each."""


ALONE = (
    Situation("as in training", REFERENCE),
    Situation("within the tolerance: up to 5 % elsewhere, to and fro", tilted(0.05), wanders=True),
    Situation("at the tolerance: 5 % elsewhere", tilted(0.05)),
    Situation("8 % elsewhere", tilted(0.08)),
    Situation("10 % elsewhere", tilted(0.10)),
    Situation("15 % elsewhere", tilted(0.15)),
    Situation("20 % elsewhere", tilted(0.20)),
    Situation("30 % elsewhere", tilted(0.30)),
    Situation("another time zone", later(4)),
    Situation("always the same value", np.eye(20)[8]),
)
STEP, STEP_BOTH = "step by step", "step by step, against stable"
CLASSIC: dict[str, Callable[[Floats, Floats], Floats]] = {}


def _classic(name: str) -> Callable[[Callable[[Floats, Floats], Floats]], Any]:
    def keep(of: Callable[[Floats, Floats], Floats]) -> Callable[[Floats, Floats], Floats]:
        CLASSIC[name] = of
        return of

    return keep


@_classic("chi-square < 0.05 at each look")
def chi_square(sums: Floats, _: Floats) -> Floats:
    """How far it is beyond its limit, after each look."""
    expected = sums.sum(axis=1, keepdims=True) * REFERENCE
    return np.asarray(((sums - expected) ** 2 / expected).sum(axis=1) - CHI_SQUARE)


@_classic("KS < 0.05 at each look")
def kolmogorov_smirnov(sums: Floats, _: Floats) -> Floats:
    """The same, of binned values: it alarms less often than with the values themselves."""
    totals = sums.sum(axis=1)
    apart = np.abs((sums / totals[:, None]).cumsum(axis=1) - REFERENCE.cumsum()).max(axis=1)
    return np.asarray(apart * np.sqrt(totals) - KOLMOGOROV)


@_classic("PSI > 0.1 of all so far")
def psi_of_all(sums: Floats, _: Floats) -> Floats:
    """The same."""
    return psi(sums) - PSI


@_classic("PSI > 0.1 of each look")
def psi_of_each(_: Floats, counts: Floats) -> Floats:
    """The same."""
    return psi(counts) - PSI


def psi(counts: Floats) -> Floats:
    """The population stability index of each row of counts."""
    found = np.maximum(counts / counts.sum(axis=1, keepdims=True), LEAST)
    return np.asarray(((found - REFERENCE) * np.log(found / REFERENCE)).sum(axis=1))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--trials", default=2_000, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=1, show_default=True, help="Of the draws.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(trials: int, seed: int, output: Path) -> None:
    """Measure how often, and how soon, each test says that an input moved."""
    alone = {each.what: _alone(each, trials, seed) for each in ALONE}
    both = {what: _both(what, *pair, trials, seed) for what, pair in PAIRS.items()}
    missing = {share: _missing(share, trials, seed) for share in MISSING}
    command = f"python -m benchmarks.shift {' '.join(sys.argv[1:])}".strip()
    report: dict[str, Any] = {
        "conditions": {
            "command": command,
            "trials": trials,
            "seed": seed,
            "looks": LOOKS,
            "requests_of_a_look": REQUESTS,
            "tolerance": TOLERANCE,
            "reference": [round(float(each), 6) for each in REFERENCE],
        },
        "against_reference": _summary(alone, REQUESTS),
        "against_stable": _summary(both, sum(SPLIT)),
        "missing": _summary({percent(share): {STEP: each} for share, each in missing.items()}, 1),
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "shift.json").write_text(json.dumps(report, indent=2) + "\n")
    (output / "shift.md").write_text(page(report))
    draw(alone, trials, LOOKS, REQUESTS, output / "shift.png")
    click.echo((output / "shift.md").read_text())


Ends = dict[str, list[int]]
"""By test: at which look it alarmed, of each rollout in which it did, from 1."""


def _alone(situation: Situation, trials: int, seed: int) -> Ends:
    test = AgainstReference(tuple(map(float, REFERENCE)))
    ends: Ends = {STEP: [], **{name: [] for name in CLASSIC}}
    for number in range(trials):
        rng = np.random.default_rng((seed, number))
        counts = _counts(rng, situation)
        evidence = test.start()
        for look in range(LOOKS):
            evidence = test.update(evidence, counts[look].tolist())
            if evidence.has_shifted:
                ends[STEP].append(look + 1)
                break
        sums = counts.cumsum(axis=0)
        for name, beyond in CLASSIC.items():
            _first(ends[name], beyond(sums, counts))
        _tell(situation.what, number, trials)
    return ends


def _counts(rng: np.random.Generator, situation: Situation) -> Floats:
    if not situation.wanders:
        return rng.multinomial(REQUESTS, situation.moved, size=LOOKS).astype(float)
    parts = (1 - np.cos(np.arange(LOOKS) * 2 * np.pi / 24)) / 2
    rows = [rng.multinomial(REQUESTS, (1 - p) * REFERENCE + p * situation.moved) for p in parts]
    return np.array(rows, dtype=float)


def _first(ends: list[int], beyond: Floats) -> None:
    if (beyond > 0).any():
        ends.append(int(np.argmax(beyond > 0)) + 1)


CANDIDATE_MOVED = tilted(0.30)
PAIRS: dict[str, tuple[Floats, Floats, bool]] = {
    "both as in training": (REFERENCE, REFERENCE, False),
    "the day moves both, by 30 %": (CANDIDATE_MOVED, CANDIDATE_MOVED, True),
    "the candidate's differ by 10 %": (tilted(0.10), REFERENCE, False),
    "the candidate's differ by 15 %": (tilted(0.15), REFERENCE, False),
    "the candidate's differ by 20 %": (tilted(0.20), REFERENCE, False),
    "the candidate's differ by 30 %": (CANDIDATE_MOVED, REFERENCE, False),
}
"""Of candidate and stable, and whether the day moves them from the reference to there."""


def _both(
    what: str, candidate: Floats, stable: Floats, wanders: bool, trials: int, seed: int
) -> Ends:
    test, alone = AgainstBaseline(20), AgainstReference(tuple(map(float, REFERENCE)))
    two_samples = "chi-square of two samples < 0.05 at each look"
    ends: Ends = {STEP_BOTH: [], STEP: [], two_samples: []}
    for number in range(trials):
        rng = np.random.default_rng((seed, number))
        evidence, only = test.start(), alone.start()
        sums = np.zeros((2, 20))
        found: dict[str, int] = {}
        for look in range(BEATS):
            part = look / (BEATS - 1) if wanders else 1.0
            one = rng.multinomial(SPLIT[0], (1 - part) * REFERENCE + part * candidate)
            other = rng.multinomial(SPLIT[1], (1 - part) * REFERENCE + part * stable)
            if not evidence.has_shifted:
                evidence = test.update(evidence, one.tolist(), other.tolist())
            only = alone.update(only, one.tolist())
            sums += (one, other)
            expected = np.outer(sums.sum(axis=1), sums.sum(axis=0)) / sums.sum()
            apart = ((sums - expected) ** 2 / np.maximum(expected, 1e-9)).sum()
            alarms = (evidence.has_shifted, only.has_shifted, apart > CHI_SQUARE)
            for name, alarmed in zip(ends, alarms, strict=True):
                if alarmed:
                    found.setdefault(name, look + 1)
            if len(found) == len(ends):
                break
        for name, look in found.items():
            ends[name].append(look)
        _tell(what, number, trials)
    return ends


MISSING = (0.002, SHARE_TOLERANCE, 0.01, 0.02, 0.1)


def _missing(share: float, trials: int, seed: int) -> list[int]:
    """After how many requests missing values are found; a look at each 10."""
    test, ends = ShareAbove(), []
    for number in range(trials):
        rng = np.random.default_rng((seed, number))
        evidence = test.start()
        for look in range(LOOKS * REQUESTS // 10):
            missing = int(rng.binomial(10, share))
            evidence = test.update(evidence, (missing, 10 - missing))
            if evidence.has_shifted:
                ends.append(10 * (look + 1))
                break
        _tell(f"{percent(share)} missing", number, trials)
    return ends


def _tell(what: str, number: int, trials: int) -> None:
    click.echo(f"\r{what}: {number + 1} of {trials}", err=True, nl=number + 1 == trials)


def _summary(found: dict[str, Ends], requests: int) -> dict[str, Any]:
    return {
        what: {
            name: {
                "alarms": len(looks),
                "median_requests": requests * statistics.median(looks) if looks else None,
            }
            for name, looks in ends.items()
        }
        for what, ends in found.items()
    }


def page(report: dict[str, Any]) -> str:
    """The results as a page."""
    conditions = report["conditions"]
    trials = conditions["trials"]
    missing = {
        what: {"requests with missing values": each[STEP]}
        for what, each in report["missing"].items()
    }
    lines = [
        "# Inputs that moved: how often a test says so, and how soon",
        "",
        f"Command: `{conditions['command']}`; the same code gives the same figures on every"
        f" machine. {count(trials)} rollouts of each row, {duration(LOOKS * SECONDS)} each, with"
        f" {REQUESTS} requests in a look every {SECONDS:g} s. One input in 20 bins, most of it in"
        f" the middle. Each cell: rollouts in which the test alarmed at any look, and requests"
        " until then (median).",
        "",
        f"The step-wise test allows {percent(TOLERANCE)} of requests elsewhere, and at most 5 % of"
        " rollouts within that may alarm, however often it looks. The others ask whether anything"
        " changed at all, and their 5 % are of one look: in the first row all of their alarms are"
        " false, and so they are in the second and third for whom allows 5 %.",
        "",
        "![Alarms over time: nothing changed, and 15 % of requests are elsewhere](shift.png)",
        "",
        *_table(report["against_reference"], trials),
        "",
        "## A candidate against stable at the same time",
        "",
        f"The same with two versions: {SPLIT[0]} requests of the candidate and {SPLIT[1]} of stable"
        " in a look every 30 s. Requests are those of both.",
        "",
        *_table(report["against_stable"], trials),
        "",
        "## Missing values",
        "",
        f"The share of missing values, with {percent(SHARE_TOLERANCE)} allowed, looked at after"
        " each 10 requests.",
        "",
        *_table(missing, trials),
    ]
    return "\n".join([*lines, ""])


def _table(rows: dict[str, dict[str, Any]], trials: int) -> Sequence[str]:
    names = list(next(iter(rows.values())))
    lines = [f"| | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for what, cells in rows.items():
        shown = [
            f"{count(cell['alarms'])} of {count(trials)}"
            + (f", {count(cell['median_requests'])}" if cell["alarms"] else "")
            for cell in (cells[name] for name in names)
        ]
        lines.append(f"| {what} | {' | '.join(shown)} |")
    return lines


if __name__ == "__main__":
    main()
