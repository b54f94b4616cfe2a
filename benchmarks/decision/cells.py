"""One cell of a table: an engine in a world, played many times."""

import dataclasses
import functools
import math
import zlib
from dataclasses import dataclass

import numpy as np

from benchmarks.decision.traffic import World, draw_from, history
from model_rollouts.decision import (
    INDEPENDENT,
    Compare,
    Dispersion,
    Judge,
    Objective,
    Rules,
    measure,
)
from model_rollouts.simulation.trial import End, Outcome, run_trial


@dataclass(frozen=True, slots=True)
class Cell:
    """What is played. `trials` is the number for the full run; times are in seconds.

    `measured` draws a day of history for every trial and measures the dispersion on it.
    """

    table: str
    row: str
    column: str
    objective: Objective
    world: World
    requests_per_second: float
    trials: int
    steps: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5)
    scrape: float = 5.0
    min_step: float = 60.0
    horizon: float = 86_400.0
    promotes: bool = True
    measured: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """Where the result belongs."""
        return self.table, self.row, self.column


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Median and 95th percentile over the trials that ended this way, NaN when none did."""

    median: float
    p95: float


@dataclass(frozen=True, slots=True)
class Result:
    """What came out of a cell."""

    trials: int
    promoted: int
    rolled_back: int
    rolled_back_early: int
    """Before the moment at which a late regression begins."""
    promoted_seconds: Quantiles
    rolled_back_seconds: Quantiles
    rolled_back_bad: Quantiles
    mean_requests: float
    requests_error: float
    """Standard error of the mean."""
    rolled_back_requests: float
    rolled_back_requests_error: float
    """The same over the trials that were rolled back, NaN when none was."""

    @property
    def undecided(self) -> int:
        """Trials that reached the horizon."""
        return self.trials - self.promoted - self.rolled_back


def share_text(hits: int, trials: int) -> str:
    """Per cent with its standard error, e.g. '0.43 ±0.10'."""
    share = hits / trials
    # Laplace's rule: no hit in 4,000 is no proof of zero.
    smoothed = (hits + 1) / (trials + 2)
    error = math.sqrt(smoothed * (1 - smoothed) / trials)
    return f"{100 * share:.2f} ±{100 * error:.2f}"


def comparing(objective: Objective, compare: Compare, slack: float | None = None) -> Objective:
    """The objective with another comparison; `slack` as a share of the good limit."""
    return dataclasses.replace(
        objective, compare=compare, slack=objective.slack if slack is None else slack
    )


def run(cell: Cell, trials: int, seed: int) -> Result:
    """Plays the cell; the seed and the cell's place fix every draw."""
    rng = np.random.default_rng([seed, zlib.crc32(" / ".join(cell.key).encode())])
    rules = Rules((cell.objective,), steps=cell.steps)
    name = cell.objective.name
    judge = Judge(rules, {name: INDEPENDENT})
    days: tuple[Dispersion, ...] = ()
    if cell.measured:
        whole_only = cell.objective.compare is Compare.TARGET
        stable = dataclasses.replace(cell.world, candidate=cell.world.stable)
        days = _days(stable, cell.requests_per_second, whole_only, trials, seed)
    outcomes = []
    for trial in range(trials):
        if days:
            judge = Judge(rules, {name: days[trial]})
        draw = draw_from(rng, cell.world, name, cell.requests_per_second, cell.scrape, cell.horizon)
        outcome = run_trial(
            judge,
            draw,
            look=cell.scrape,
            min_step=cell.min_step,
            horizon=cell.horizon,
            promotes=cell.promotes,
        )
        outcomes.append(dataclasses.replace(outcome, state=judge.start()))
    return _summary(cell, outcomes)


@functools.lru_cache(maxsize=2)
def _days(
    stable: World, requests_per_second: float, whole_only: bool, trials: int, seed: int
) -> tuple[Dispersion, ...]:
    """The dispersion on a day of history for each trial: the same whatever the candidate."""
    place = f"{stable} {requests_per_second}"
    rng = np.random.default_rng([seed, zlib.crc32(place.encode())])
    days = (history(rng, stable, requests_per_second) for _ in range(trials))
    # Halves take as long as the whole and say nothing about a fixed target.
    return tuple(measure(whole, None if whole_only else halves) for whole, halves in days)


def _summary(cell: Cell, outcomes: list[Outcome]) -> Result:
    late = cell.world.numbers[0] if cell.world.kind == "late" else 0.0
    promoted = [o for o in outcomes if o.end is End.PROMOTED]
    rolled_back = [o for o in outcomes if o.end is End.ROLLED_BACK and o.seconds > late]
    early = [o for o in outcomes if o.end is End.ROLLED_BACK and o.seconds <= late]
    requests, requests_error = _mean([o.requests for o in outcomes])
    back_requests, back_requests_error = _mean([o.requests for o in rolled_back])
    return Result(
        trials=len(outcomes),
        promoted=len(promoted),
        rolled_back=len(rolled_back) + len(early),
        rolled_back_early=len(early),
        promoted_seconds=_quantiles([o.seconds for o in promoted]),
        rolled_back_seconds=_quantiles([o.seconds - late for o in rolled_back]),
        rolled_back_bad=_quantiles([o.bad for o in rolled_back]),
        mean_requests=requests,
        requests_error=requests_error,
        rolled_back_requests=back_requests,
        rolled_back_requests_error=back_requests_error,
    )


def _mean(values: list[float]) -> tuple[float, float]:
    """Mean and its standard error."""
    if not values:
        return math.nan, math.nan
    return float(np.mean(values)), float(np.std(values) / math.sqrt(len(values)))


def _quantiles(values: list[float]) -> Quantiles:
    if not values:
        return Quantiles(math.nan, math.nan)
    median, p95 = np.quantile(values, [0.5, 0.95])
    return Quantiles(float(median), float(p95))
