"""How long a decision will take: a forecast before the first request.

The forecast is the judge itself, and the course that a canary takes with it, fed with expected
counts instead of real ones: that is close to the median rollout, needs no second set of formulas
and knows steps, pods, comparisons and bursts. It never stops a rollout; it tells people what to
expect and what the deadline can show.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from model_rollouts.decision.bound import upper_bound
from model_rollouts.decision.counts import Counts, Interval, Sample, is_comparable
from model_rollouts.decision.course import Course
from model_rollouts.decision.e_process import EProcess
from model_rollouts.decision.judge import Judge, State
from model_rollouts.decision.objective import Objective, above_words
from model_rollouts.decision.steps import Step
from model_rollouts.decision.verdict import Decision
from model_rollouts.text import about, duration, listed, observed

LOOK = 5.0
"""Seconds of a look unless the operator is told another scrape interval."""

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
    candidate: Mapping[str, float] = MappingProxyType({}),
    stable: Mapping[str, float] = MappingProxyType({}),
    steps: Sequence[Step] = (),
    shares: Mapping[str, float] = MappingProxyType({}),
) -> Forecast:
    """The expected course at a rate of requests, with guesses of the true bad rates by objective.

    `steps` are those that its pods allow, by default those of one pod beside one of stable. Times
    are in seconds. A missing guess for stable is half the good limit, one for the candidate is
    stable's. `shares` says which part of the requests each slice has, all of them where nothing is
    known. Raises ValueError when the rate or the deadline is not positive, or when a guess is
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
    course = Course.begin(judge, steps, look=LOOK, least_step=min_step)
    decision = Decision.INCONCLUSIVE
    while decision is Decision.INCONCLUSIVE and course.state.elapsed < deadline:
        start, weight = course.state.elapsed, float(course.step.weight)
        end = min(start + max(LOOK, _GROWTH * start), deadline)
        total = requests_per_second * (end - start)
        course, decision = course.take(
            _expected(
                judge,
                start,
                end,
                requests_per_second,
                weight,
                candidate,
                stable,
                shares,
                comparable_load=is_comparable(weight, 1 - weight, float(course.step.pods)),
            ),
            weight * total,
        )
    state = course.state
    requests = max(
        (
            evidence.seen_total
            for process, evidence in zip(judge.processes, state.evidence, strict=True)
            if not process.objective.is_rate
        ),
        default=0.0,
    )
    asked = judge.asked(state)
    alike = Counter(judge.rules.objectives[index].kind for index in asked)
    excluded = tuple(
        _excluded(
            process,
            upper_bound(process, evidence, judge.pass_needed),
            is_named=alike[process.objective.kind] > 1,
        )
        for process, evidence in ((judge.processes[i], state.evidence[i]) for i in asked)
    )
    is_undecided = decision is Decision.INCONCLUSIVE
    return Forecast(
        decision,
        state.elapsed,
        requests,
        is_undecided,
        excluded,
        _words(decision, state, requests, requests_per_second, excluded)
        + (_rare(judge, state, shares, requests_per_second) if is_undecided else ""),
    )


def _rare(
    judge: Judge, state: State, shares: Mapping[str, float], requests_per_second: float
) -> str:
    """Which slices have too few requests for a decision before the deadline, in sentences."""
    told = ""
    for index in judge.asked(state):
        objective = judge.rules.objectives[index]
        part = None if objective.slice is None else shares.get(objective.slice.name)
        if objective.slice is None or part is None or judge.passes(index, state.evidence[index], 0):
            continue
        told += (
            f" Slice {objective.slice.name} is too rare for {objective.name}: it has "
            f"{observed(part)} of requests, {part * requests_per_second:.2g} req/s."
        )
    return told


def _expected(
    judge: Judge,
    start: float,
    end: float,
    requests_per_second: float,
    weight: float,
    candidate: Mapping[str, float],
    stable: Mapping[str, float],
    shares: Mapping[str, float],
    *,
    comparable_load: bool,
) -> Interval:
    def sample(objective: Objective) -> Sample:
        part = 1.0 if objective.slice is None else shares.get(objective.slice.name, 1.0)
        total = part * requests_per_second * (end - start)
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

    # Users are expected: of what mirrored requests alone can show there is no more.
    objectives = (o for o in judge.rules.objectives if not o.kind.traits.is_of_copies)
    samples = {o.name: sample(o) for o in objectives}
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
