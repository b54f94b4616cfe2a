"""Rollouts under guards, played: what happens to a version whose true rates are given."""

import random
from collections.abc import Callable, Mapping

from model_rollouts.decision import (
    INDEPENDENT,
    Counts,
    Interval,
    Judge,
    Rules,
    Sample,
    breaker,
    client_errors,
    errors,
    latency_against_stable,
    restarts,
)
from model_rollouts.simulation.traffic import binomial, poisson
from tests.decision.made_up import EDGES

SLOW = "latency-against-stable"
GUARDS = (client_errors(), restarts(), latency_against_stable(SLOW, EDGES[0], EDGES))
GUARDED = Rules((errors("errors", 0.99), breaker(), *GUARDS))
SECONDS = 5.0

Shares = Callable[[float], tuple[float, float]]
"""True rates of the candidate and of stable, by the time in seconds."""


def always(candidate: float, stable: float) -> Shares:
    """The same rates at any time."""
    return lambda at: (candidate, stable)


GOOD: dict[str, Shares] = {
    "errors": always(0.001, 0.001),
    "client-errors": always(0.02, 0.02),
    SLOW: always(0.007, 0.007),
    "restarts": always(0.0, 0.0),
}


def judge(rules: Rules = GUARDED) -> Judge:
    """The judge of requests that fail one by one."""
    return Judge(rules, {each.name: INDEPENDENT for each in rules.objectives})


def play(
    rng: random.Random,
    truth: Mapping[str, Shares],
    *,
    judged_by: Judge | None = None,
    minutes: float = 10,
    candidate: float = 25,
    stable: float = 225,
    pods: tuple[int, int] = (1, 9),
    by_chance: bool = False,
) -> tuple[float, float] | None:
    """When and after how many requests a version is rolled back; None when it is not.

    `candidate` and `stable` are requests in `SECONDS`, with `by_chance` as a mean; `pods` are those
    of both.
    """
    by = judged_by or judge()
    shares = {**GOOD, **truth}
    state, requests = by.start(), 0
    for index in range(round(minutes * 60 / SECONDS)):
        at = index * SECONDS
        asked = [poisson(rng, each) if by_chance else round(each) for each in (candidate, stable)]
        samples = {}
        for objective in by.rules.objectives:
            name = "errors" if objective.kind.traits.is_breaker else objective.name
            rates = shares[name](at)
            if objective.is_rate:
                lived = [each * SECONDS / 60 for each in pods]
                made = [
                    Counts.events(minutes, poisson(rng, rate * minutes))
                    for minutes, rate in zip(lived, rates, strict=True)
                ]
            else:
                pairs = zip(asked, rates, strict=True)
                made = [Counts.of(total, binomial(rng, total, rate)) for total, rate in pairs]
            samples[objective.name] = Sample(made[0], made[1])
        if "errors" in samples:
            samples["breaker"] = samples["errors"]
        state = by.update(state, Interval(at, at + SECONDS, samples))
        requests += asked[0]
        if state.failed_at is not None:
            return state.failed_at, requests
    return None
