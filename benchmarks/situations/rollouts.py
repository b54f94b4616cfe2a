"""Whole rollouts by steps, of versions and services that change while they are judged."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.situations.play import judge_of
from benchmarks.situations.world import STEP
from model_rollouts.decision import INDEPENDENT, UNKNOWN, Counts, Dispersion, Sample
from model_rollouts.simulation.trial import End, run_trial

MINIMUM_STEP = 60.0
RETRIES = 50
CLIENT = Dispersion(RETRIES + 1.0, RETRIES + 1.0, plateau=15.0)
"""What a history shows whose failed requests are each repeated so often."""

Shares = Callable[[float, float], tuple[float, float]]
"""Second and weight -> share of failed requests of the candidate and of stable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """`requests` per second by the second; each failed request is repeated `retries` times.

    `finds` says that the version is bad, from second `bad_from` on: what counts is how often it is
    promoted then. A promotion before is right, and what comes after it is for the watch.
    """

    name: str
    requests: Callable[[float], float]
    shares: Shares
    retries: int = 0
    dispersion: Dispersion = INDEPENDENT
    hours: float = 24.0
    finds: bool = False
    bad_from: float = 0.0


def _always(candidate: float, stable: float) -> Shares:
    return lambda _at, _weight: (candidate, stable)


def _at_last(candidate: float, stable: float) -> Shares:
    return lambda _at, weight: (candidate if weight >= 0.5 else stable, stable)


def _growing(requests: float, at: float) -> float:
    return requests * (1 + 9 * min(at / 3600, 1))


def _with_it(candidate: float, stable: float) -> Shares:
    def shares(at: float, _weight: float) -> tuple[float, float]:
        times = 1 + 5 * min(at / 3600, 1)
        return candidate * times, stable * times

    return shares


def _steady(requests: float, _at: float) -> float:
    return requests


def rollouts() -> Iterator[Rollout]:
    """Good ones, then bad ones."""
    for share, known, words in (
        (0.0005, CLIENT, "known"),
        (0.001, UNKNOWN, "unknown"),
        (0.001, INDEPENDENT, "taken for none"),
    ):
        yield Rollout(
            name=f"{share:.2%} errors, all of clients that retry 50 times, {words}",
            requests=partial(_steady, 50.0),
            shares=_always(share, share),
            retries=RETRIES,
            dispersion=known,
            hours=12.0,
        )
    for requests in (50.0, 500.0):
        yield Rollout(
            name=f"0.05 % errors, 0.2 % at the last weight, {requests:g} req/s",
            requests=partial(_steady, requests),
            shares=_at_last(0.002, 0.0005),
            finds=True,
        )
    for candidate, words in ((0.0005, "equal"), (0.001, "twice as many, bad from minute 12")):
        # Twice as many errors as 0.1 % of requests, the bad limit, after a fifth of the hour.
        yield Rollout(
            name=f"traffic times 10 in an hour, errors times 6: {words}",
            requests=partial(_growing, 50.0),
            shares=_with_it(candidate, 0.0005),
            finds=candidate > 0.0005,
            bad_from=720.0 if candidate > 0.0005 else 0.0,
        )


def play_rollout(row: Rollout, rng: np.random.Generator) -> tuple[End, float]:
    """How one ends, and after how many seconds."""
    judge = judge_of(dispersion=row.dispersion)
    names = {
        each.name: each.kind.traits.has_client_errors
        for each in judge.rules.objectives
        if not each.is_rate
    }
    left = np.zeros(2, dtype=int)

    def arm(index: int, requests: float, share: float) -> Counts:
        # Those that are repeated are fewer, so that the share is the one of all requests.
        first = share / (1 + row.retries)
        total = int(rng.poisson(requests))
        bad = int(rng.binomial(total, first))
        if row.retries:
            here = int(rng.binomial(bad * row.retries, rng.random()))
            repeated = int(left[index]) + here
            left[index] = bad * row.retries - here
            total, bad = total + repeated, bad + repeated
        return Counts.of(total, bad)

    def draw(at: float, weight: float) -> dict[str, Sample]:
        requests = row.requests(at) * STEP
        candidate, stable = row.shares(at, weight)
        mine = arm(0, requests * weight, candidate)
        theirs = arm(1, requests * (1 - weight), stable)
        none = Sample(Counts.of(mine.total, 0), Counts.of(theirs.total, 0))
        both = Sample(mine, theirs)
        return {name: none if refused else both for name, refused in names.items()}

    outcome = run_trial(
        judge, draw, look=STEP, min_step=MINIMUM_STEP, horizon=math.floor(row.hours * 3600)
    )
    return outcome.end, outcome.seconds
