"""The cost of one update, and the size of the evidence, with six objectives."""

import dataclasses
import time
from dataclasses import dataclass

from model_rollouts.decision import (
    INDEPENDENT,
    Counts,
    Dispersion,
    Interval,
    Judge,
    Objective,
    Rules,
    Sample,
    State,
    breaker,
    counters,
    encode,
    errors,
    explain,
    latency,
    restarts,
)
from model_rollouts.decision.objective import Role

_UPDATES = 120
_REPEATS = 300


@dataclass(frozen=True, slots=True)
class Speed:
    """Microseconds (the best of 300 repeats, medians beside it) and characters.

    `bursty` is where the errors of all objectives come in bursts.
    """

    update: float
    update_median: float
    bursty_update: float
    bursty_update_median: float
    decide: float
    explain: float
    evidence_characters: int
    bursty_evidence_characters: int


def measure() -> Speed:
    """Times a canary of two gates and four guards, all compared with target and stable."""
    edges = (0.1, 0.2, 0.3, 0.4, 0.5, 0.8, 1.0)
    objectives = (
        errors("errors", 0.999),
        latency("latency", 0.3, 0.99, edges),
        latency("slice", 0.4, 0.95, edges, role=Role.GUARD),
        counters("own", 0.01, 0.02),
        restarts(),
        breaker(),
    )
    independent, updates, decisions = _timed(objectives, INDEPENDENT)
    bursty, bursty_updates, _ = _timed(objectives, Dispersion(9.0, 9.0, plateau=15.0))
    judge, state = independent
    begun = time.perf_counter()
    explain(judge, state)
    explained = time.perf_counter() - begun
    return Speed(
        1e6 * updates[0],
        1e6 * updates[_REPEATS // 2],
        1e6 * bursty_updates[0],
        1e6 * bursty_updates[_REPEATS // 2],
        1e6 * decisions[0],
        1e6 * explained,
        len(encode(*independent)),
        len(encode(*bursty)),
    )


def best(one: Speed, other: Speed) -> Speed:
    """The smaller of each figure; sizes are the same in both."""
    pairs = zip(dataclasses.astuple(one), dataclasses.astuple(other), strict=True)
    return Speed(*(min(pair) for pair in pairs))


def _timed(
    objectives: tuple[Objective, ...], dispersion: Dispersion
) -> tuple[tuple[Judge, State], list[float], list[float]]:
    """The judge and its last state, with seconds of one update and one decision, ascending."""
    judge = Judge(Rules(objectives), {o.name: dispersion for o in objectives})
    # Errors so rare that it never fails: a rollout that has failed is cheaper to update.
    given = [_interval(5.0 * index, float(index == 99)) for index in range(_UPDATES)]
    updates, decisions = [], []
    state = judge.start()
    for _ in range(_REPEATS):
        state = judge.start()
        begun = time.perf_counter()
        for interval in given:
            state = judge.update(state, interval)
        updates.append((time.perf_counter() - begun) / _UPDATES)
        assert state.failed_at is None
        begun = time.perf_counter()
        for _ in range(_UPDATES):
            judge.decide(state)
        decisions.append((time.perf_counter() - begun) / _UPDATES)
    return (judge, state), sorted(updates), sorted(decisions)


def _interval(start: float, bad: float) -> Interval:
    answers = Sample(Counts.of(13, bad), Counts.of(237, 1))
    timed = Sample(Counts.timed(13, bad, bad, 0), Counts.timed(237, 2, 2, 1))
    pods = Sample(Counts.events(0.1, 0), Counts.events(0.5, 0))
    return Interval(
        start,
        start + 5,
        {
            "errors": answers,
            "latency": timed,
            "slice": timed,
            "own": answers,
            "restarts": pods,
            "breaker": answers,
        },
    )
