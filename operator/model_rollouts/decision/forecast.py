"""How long a decision will take: a forecast before the first request.

The forecast is the judge itself, fed with expected counts instead of real ones: that is close to
the median rollout, needs no second set of formulas and knows steps, comparisons and bursts. It
never stops a rollout; it tells people what to expect and what the deadline can show.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from model_rollouts.decision.bound import upper_bound
from model_rollouts.decision.counts import Counts, Interval, Sample
from model_rollouts.decision.e_process import EProcess
from model_rollouts.decision.judge import Judge, State
from model_rollouts.decision.objective import Objective, Role, above_words
from model_rollouts.decision.verdict import Decision
from model_rollouts.text import about, duration, listed

_FIRST_INTERVAL = 5.0
_GROWTH = 0.01


@dataclass(frozen=True, slots=True)
class Excluded:
    """What a Gate can exclude by the deadline: this rate or a larger one, None for nothing."""

    objective: str
    rate: float | None
    words: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """What to expect of a rollout.

    `seconds` and `requests` (of the candidate) are until `decision`, or until the deadline when it
    is Inconclusive; then `underpowered` is true and `excluded` says what the deadline shows.
    """

    decision: Decision
    seconds: float
    requests: float
    underpowered: bool
    excluded: tuple[Excluded, ...]
    words: str


def forecast_decision(
    judge: Judge,
    requests_per_second: float,
    *,
    deadline: float,
    min_step: float = 60.0,
    comparable_from: float = 0.0,
    candidate: Mapping[str, float] = MappingProxyType({}),
    stable: Mapping[str, float] = MappingProxyType({}),
    weights: Sequence[float] = (),
) -> Forecast:
    """The expected course at a rate of requests, with guesses of the true bad rates by objective.

    `weights` are those that are really given on the steps and at the end, where they are smaller.
    Below the weight `comparable_from` a candidate's pods have less load than stable's. Times in
    seconds. A missing guess for stable is half the good limit, one for the candidate is
    stable's. Raises ValueError when the rate or the deadline is not positive, or when a guess is
    for no objective.
    """
    names = {objective.name for objective in judge.rules.objectives}
    if strangers := sorted({*candidate, *stable} - names):
        raise ValueError(
            f"guesses: found {strangers}, which are not objectives; write names of {sorted(names)}"
        )
    if not 0 < requests_per_second < float("inf"):
        raise ValueError(
            f"requests_per_second: found {requests_per_second:g}, write a rate above 0"
        )
    if not 0 < deadline < float("inf"):
        raise ValueError(f"deadline: found {deadline:g} s, write a time above 0 s")
    towards = (*judge.rules.steps, 1.0)
    weights = weights or towards
    if len(weights) != len(towards):
        raise ValueError(f"weights: found {len(weights)}, write one for each step of {[*towards]}")
    step, step_began = 0, 0.0
    state = judge.start()
    decision = Decision.INCONCLUSIVE
    while decision is Decision.INCONCLUSIVE and state.elapsed < deadline:
        length = max(_FIRST_INTERVAL, _GROWTH * state.elapsed)
        end = min(state.elapsed + length, deadline)
        state = judge.update(
            state,
            _expected(
                judge,
                state.elapsed,
                end,
                requests_per_second,
                weights[step],
                candidate,
                stable,
                comparable_load=weights[step] >= comparable_from,
            ),
        )
        toward = towards[step + 1]
        reached = judge.decide(state, toward)
        if reached is Decision.FAIL:
            decision = reached
        elif reached is Decision.PASS and end - step_began >= min_step:
            if toward == 1:
                decision = reached
            else:
                step, step_began = step + 1, end
    requests = max(
        (
            evidence.seen_total
            for process, evidence in zip(judge.processes, state.evidence, strict=True)
            if not process.objective.is_rate
        ),
        default=0.0,
    )
    gates = [o for o in judge.rules.objectives if o.role is Role.GATE]
    alike = Counter(gate.kind for gate in gates)
    excluded = tuple(
        _excluded(
            process,
            upper_bound(process, evidence, judge.pass_needed),
            is_named=alike[process.objective.kind] > 1,
        )
        for process, evidence in zip(judge.processes, state.evidence, strict=True)
        if process.objective.role is Role.GATE
    )
    return Forecast(
        decision,
        state.elapsed,
        requests,
        decision is Decision.INCONCLUSIVE,
        excluded,
        _words(decision, state, requests, requests_per_second, excluded),
    )


def _expected(
    judge: Judge,
    start: float,
    end: float,
    requests_per_second: float,
    weight: float,
    candidate: Mapping[str, float],
    stable: Mapping[str, float],
    *,
    comparable_load: bool,
) -> Interval:
    def sample(objective: Objective) -> Sample:
        total = requests_per_second * (end - start)
        if objective.is_rate:
            total = (end - start) / 60
        stable_rate = stable.get(objective.name, objective.good / 2)
        rate = candidate.get(objective.name, stable_rate)
        # The dual boundary is taken as half as often crossed as the threshold.
        return Sample(
            Counts(weight * total, *(weight * total * r for r in (rate, rate, rate / 2))),
            Counts(
                (1 - weight) * total,
                *((1 - weight) * total * r for r in (stable_rate, stable_rate, stable_rate / 2)),
            ),
        )

    samples = {o.name: sample(o) for o in judge.rules.objectives}
    return Interval(start, end, samples, comparable_load=comparable_load)


def _excluded(process: EProcess, rate: float | None, *, is_named: bool) -> Excluded:
    """`is_named`: the words name the objective, because another one has such a rate too."""
    objective = process.objective
    if rate is None:
        return Excluded(objective.name, None, f"nothing about {objective.name}")
    whose = f"{objective.kind.traits.rate_words}{f' of {objective.name}' if is_named else ''}"
    return Excluded(
        objective.name, rate, f"{whose} {above_words(objective, process.compare, rate)}"
    )


def _words(
    decision: Decision,
    state: State,
    requests: float,
    requests_per_second: float,
    excluded: tuple[Excluded, ...],
) -> str:
    at = f"At {requests_per_second:g} req/s"
    needs = f"about {duration(state.elapsed)} and {about(requests)} requests"
    if decision is Decision.PASS:
        return f"{at}, promotion needs {needs} to the candidate."
    if decision is Decision.FAIL:
        return f"{at}, the candidate is rolled back after {needs}."
    comes = f"{at}, the deadline of {duration(state.elapsed)} comes before a decision"
    ruled_out = [each.words for each in excluded if each.rate is not None]
    silent = [each.objective for each in excluded if each.rate is None]
    if not ruled_out:
        return f"{comes}. By then nothing can be ruled out about {listed(silent, 'or')}."
    rest = f", and nothing about {listed(silent, 'or')}" if silent else ""
    return f"{comes}. By then only {listed(ruled_out)} can be ruled out{rest}."
