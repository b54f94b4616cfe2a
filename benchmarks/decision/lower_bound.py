"""What no test can do, and what the best ones reach, for rates above a good limit of 0.1 %.

    python -m benchmarks.decision.lower_bound

Requests are independent. Only those that fail are drawn, with the numbers between them: between two
of them no test of these can end.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import click
import numpy as np

GOOD = 0.001
RATES = (0.05, 0.01, 0.005, 0.002)
ORACLE = (44, 394, 1_279, 12_484)
"""Mean requests of the likelihood ratio test that is told the rate, by `benchmarks.decision`."""
GOALS = (1.22, 1.18, 1.15, 1.05)
FALSE_ROLLBACK = 0.01
RARE, A_DAY = 0.003, 8_640
"""A version, and the requests of a day at 1 req/s of which it gets a tenth."""
THRESHOLDS = {
    "all of the 1 %": 100.0,
    "without breaker and guards": 130.0,
    "also fresh starts": 186.0,
}


class Ended(NamedTuple):
    """Mean and standard error of the requests until the end; what is not known then, in nats."""

    mean: float
    error: float
    unsure: float


def rows(trials: int, seed: int) -> Iterator[str]:
    """What is printed."""
    draw = np.random.default_rng(seed)
    nats = [each * _divergence(rate) for each, rate in zip(ORACLE, RATES, strict=True)]
    terms = [math.exp(-goal * each) for goal, each in zip(GOALS, nats, strict=True)]
    spent = sum(terms)
    yield f"oracle: {_shown(nats)} nats; with the goals {_shown([100 * each for each in terms])} %"
    yield f"together, where the rates are told apart for sure: {spent:.2%}"
    for name, weights in (
        ("weights of the goals", [each / spent for each in terms]),
        ("equal weights", [1 / len(RATES)] * len(RATES)),
    ):
        ended = [_mixture(rate, weights, draw, trials) for rate in RATES]
        ratios = [each.mean / oracle for each, oracle in zip(ended, ORACLE, strict=True)]
        worst = max(each.error / oracle for each, oracle in zip(ended, ORACLE, strict=True))
        unsure = sum(weight * each.unsure for weight, each in zip(weights, ended, strict=True))
        yield (
            f"mixture, {name}: {_shown(ratios)} of the oracle (± {worst:.3f}), {unsure:.2f} nats "
            f"unsure; a test as unsure at the goals spends {spent * math.exp(-unsure):.2%}"
        )
    for name, threshold in THRESHOLDS.items():
        found = sum(_finds(threshold, draw) for _ in range(trials)) / trials
        yield f"{RARE:.1%} in {A_DAY:,} requests, oracle, {name}: {found:.1%} found"
    yield f"{RARE:.1%} in {A_DAY:,} requests, any test: at most {_most_found():.1%} found"


def _divergence(rate: float) -> float:
    return rate * math.log(rate / GOOD) + (1 - rate) * math.log((1 - rate) / (1 - GOOD))


def _log_ratio(rate: float, failed: int, requests: int) -> float:
    good = (requests - failed) * math.log((1 - rate) / (1 - GOOD))
    return failed * math.log(rate / GOOD) + good


def _failures(rate: float, draw: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Failed requests and all of them, at each one that fails, without end."""
    failed = requests = 0
    while True:
        requests += int(math.log(1 - draw.random()) / math.log1p(-rate)) + 1
        failed += 1
        yield failed, requests


def _mixture(
    rate: float, weights: Sequence[float], draw: np.random.Generator, trials: int
) -> Ended:
    """The test whose evidence is the weighted mean of the ratios of all rates."""
    ends, unsure = [], 0.0
    for _ in range(trials):
        for failed, requests in _failures(rate, draw):
            logs = [
                math.log(weight) + _log_ratio(each, failed, requests)
                for weight, each in zip(weights, RATES, strict=True)
            ]
            whole = max(logs) + math.log(sum(math.exp(each - max(logs)) for each in logs))
            if whole >= -math.log(FALSE_ROLLBACK):
                ends.append(requests)
                unsure += whole - logs[RATES.index(rate)]
                break
    mean = sum(ends) / trials
    spread = math.sqrt(sum((each - mean) ** 2 for each in ends) / trials)
    return Ended(mean, spread / math.sqrt(trials), unsure / trials)


def _finds(threshold: float, draw: np.random.Generator) -> bool:
    """Whether the test that is told RARE ends within a day."""
    for failed, requests in _failures(RARE, draw):
        if requests > A_DAY:
            return False
        if _log_ratio(RARE, failed, requests) >= math.log(threshold):
            return True
    raise AssertionError("failures do not end")


def _most_found() -> float:
    """By Neyman and Pearson, of the test that looks once, at the end; Poisson counts.

    The count at which it is between its two sides is decided by chance, so that it spends all.
    """
    left, found = FALSE_ROLLBACK, 0.0
    for count in range(200, -1, -1):
        chance = _poisson(GOOD * A_DAY, count)
        share = min(1.0, left / chance) if chance > 0 else 1.0
        found += share * _poisson(RARE * A_DAY, count)
        left -= share * chance
        if left <= 0:
            break
    return found


def _poisson(mean: float, count: int) -> float:
    return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))


def _shown(numbers: Sequence[float]) -> str:
    return " / ".join(f"{each:.2f}" for each in numbers)


@click.command()
@click.option("--trials", type=click.IntRange(100), default=20_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def main(trials: int, seed: int) -> None:
    """Print what the goals would cost, and what tests that are told the rate reach."""
    for row in rows(trials, seed):
        click.echo(row)


if __name__ == "__main__":
    main()
