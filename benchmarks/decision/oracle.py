"""How many requests a decision needs at least."""

import math

import numpy as np

FALSE_ROLLBACK = 0.01
FALSE_PROMOTION = 0.05


def divergence(truth: float, other: float) -> float:
    """Kullback-Leibler divergence of two Bernoulli shares, in nats."""
    return truth * math.log(truth / other) + (1 - truth) * math.log((1 - truth) / (1 - other))


def _wald(miss: float, false_alarm: float) -> float:
    return (1 - miss) * math.log((1 - miss) / false_alarm) + miss * math.log(
        miss / (1 - false_alarm)
    )


def wald_roll_back(truth: float, good: float) -> float:
    """Smallest mean number of requests of any test that rolls `truth` back (Wald 1945)."""
    return _wald(FALSE_PROMOTION, FALSE_ROLLBACK) / divergence(truth, good)


def wald_promote(truth: float, bad: float) -> float:
    """Smallest mean number of requests of any test that promotes `truth`."""
    return _wald(FALSE_ROLLBACK, FALSE_PROMOTION) / divergence(truth, bad)


def requests(truth: float, good: float, trials: int = 20_000) -> tuple[float, float]:
    """Mean requests and its error of the likelihood ratio test that knows `truth`.

    It never misses: it runs until the ratio reaches 1 / FALSE_ROLLBACK, which happens at a bad
    request; gaps between bad requests are geometric.
    """
    rng = np.random.default_rng(7)
    hit, miss = math.log(truth / good), math.log((1 - truth) / (1 - good))
    needed = -math.log(FALSE_ROLLBACK)
    evidence, count = np.zeros(trials), np.zeros(trials)
    running = np.ones(trials, dtype=bool)
    while running.any():
        gaps = rng.geometric(truth, int(running.sum()))
        evidence[running] += hit + (gaps - 1) * miss
        count[running] += gaps
        running &= evidence < needed
    return float(count.mean()), float(count.std() / math.sqrt(trials))
