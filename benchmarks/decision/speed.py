"""The cost of one update, and the size of the evidence, with six objectives."""

import time
from dataclasses import dataclass

from model_rollouts.decision import (
    INDEPENDENT,
    Counts,
    Interval,
    Judge,
    Rules,
    Sample,
    breaker,
    counters,
    encode,
    errors,
    explain,
    latency,
    restarts,
)
from model_rollouts.decision.objective import Role

_UPDATES = 400
_REPEATS = 25


@dataclass(frozen=True, slots=True)
class Speed:
    """Microseconds (the best of 25 repeats, medians beside it) and characters."""

    update: float
    update_median: float
    decide: float
    explain: float
    evidence_characters: int


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
    judge = Judge(Rules(objectives), {o.name: INDEPENDENT for o in objectives})
    given = [_interval(5.0 * index, float(index % 7 == 0)) for index in range(_UPDATES)]
    updates, decisions = [], []
    state = judge.start()
    for _ in range(_REPEATS):
        state = judge.start()
        begun = time.perf_counter()
        for interval in given:
            state = judge.update(state, interval)
        updates.append((time.perf_counter() - begun) / _UPDATES)
        undecided = state._replace(failed_at=None)
        begun = time.perf_counter()
        for _ in range(_UPDATES):
            judge.decide(undecided)
        decisions.append((time.perf_counter() - begun) / _UPDATES)
    begun = time.perf_counter()
    explain(judge, state)
    explained = time.perf_counter() - begun
    return Speed(
        1e6 * min(updates),
        1e6 * sorted(updates)[_REPEATS // 2],
        1e6 * min(decisions),
        1e6 * explained,
        len(encode(judge, state)),
    )


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
