"""Many canaries of one scenario, for each assurance: how likely each end, and how soon."""

import dataclasses
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from model_rollouts.decision import (
    DISPERSION_BLOCK,
    LOOK,
    Assurance,
    Compare,
    DeadlineAction,
    DeadlinePolicy,
    Dispersion,
    Judge,
    Objective,
    Role,
    Rules,
    Slice,
    Step,
    allowed_steps,
    at_deadline,
    breaker,
    client_errors,
    errors,
    extra_pods,
    latency,
    latency_against_stable,
    restarts,
)
from model_rollouts.simulation.traffic import Sliced, draw_from
from model_rollouts.simulation.trial import End, Outcome, run_trial

ERRORS = "errors"
LATENCY = "latency"
IN_SLICE = "slice-errors"
SLOW_IN_SLICE = "slice-latency"
REFUSED = "client-errors"
TAIL = "latency-against-stable"

WARM_SECONDS = 60.0
"""How long nothing counts for latency, as with `canary.warmup` unless it is written."""

STABLE_TAIL = 0.01
"""The share of stable's requests that is slower than its own p99."""


@dataclass(frozen=True, kw_only=True)
class InSlice:
    """A part of the requests with an objective of its own, a Guard, and a guess of the truth.

    `share` of all requests are in it; `target` of them must succeed, and `errors` and
    `stable_errors` of them fail. They are among those of all requests. So are `slow` and
    `stable_slow`, with the promise of all requests' times; None where their times are not judged.
    """

    share: float
    target: float
    errors: float
    stable_errors: float
    slow: float | None = None
    stable_slow: float | None = None


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is promised, how much traffic there is, and a guess of the truth. Times in seconds.

    `slow` and `stable_slow` are the true shares slower than `within`; without `within` there is no
    latency objective, and the guard on the tail is on: `tail` is the candidate's true share slower
    than stable's p99. `refused` and `stable_refused` are the shares refused with 4xx. Errors are
    independent when `dispersion` is 1; a larger one is what the judge is told, with the shortest
    bursts; the simulated errors stay independent. `scrape` is how often is looked. `replicas` pods
    serve all users, and the candidate may have `max_extra` beyond them, None for no bound.
    """

    target: float
    within: float | None
    share: float
    requests_per_second: float
    errors: float
    stable_errors: float
    slow: float
    stable_slow: float
    steps: tuple[float, ...]
    min_step: float
    deadline: float
    on_deadline: DeadlinePolicy
    compare: Compare
    dispersion: float
    scrape: float = LOOK
    replicas: int = 1
    max_extra: int | None = None
    refused: float = 0.0
    stable_refused: float = 0.0
    tail: float = STABLE_TAIL
    in_slice: InSlice | None = None

    def outside(self, errors: float, in_slice: float) -> float:
        """The share of failed, or slow, requests outside of the slice, where `errors` of all are.

        Negative where the slice alone makes more, and above 1 where the rest cannot make as many.
        """
        share = 0.0 if self.in_slice is None else self.in_slice.share
        return (errors - share * in_slice) / (1 - share)

    @cached_property
    def given_steps(self) -> tuple[Step, ...]:
        """The steps that its pods allow, and all users at the end."""
        asked = (Fraction(str(step)) for step in self.steps)
        return allowed_steps(asked, self.replicas, extra_pods(self.max_extra))

    def objectives(self, assurance: Assurance) -> tuple[Objective, ...]:
        """The objectives, with the guards and the breaker that are on by default."""
        made = [
            errors(ERRORS, self.target, assurance=assurance, compare=self.compare),
            client_errors(REFUSED),
            restarts(),
            breaker(),
        ]
        if self.in_slice is not None:
            made.append(
                errors(
                    IN_SLICE,
                    self.in_slice.target,
                    assurance=assurance,
                    compare=self.compare,
                    role=Role.GUARD,
                    slice=Slice("slice"),
                )
            )
        within = 1.0 if self.within is None else self.within
        # The operator writes the edges of its own proxies at the thresholds.
        edges = (within, 1.25 * within)
        if self.within is None:
            made.append(latency_against_stable(TAIL, within, edges))
        else:
            made.append(
                latency(
                    LATENCY,
                    self.within,
                    self.share,
                    edges,
                    assurance=assurance,
                    compare=self.compare,
                )
            )
            if self.in_slice is not None and self.in_slice.slow is not None:
                made.append(
                    latency(
                        SLOW_IN_SLICE,
                        self.within,
                        self.share,
                        edges,
                        assurance=assurance,
                        compare=self.compare,
                        role=Role.GUARD,
                        slice=Slice("slice"),
                    )
                )
        return tuple(made)

    def judge(self, assurance: Assurance) -> Judge:
        """The judge of these objectives."""
        rules = Rules(self.objectives(assurance), steps=self.steps)
        dispersion = Dispersion(self.dispersion, self.dispersion, plateau=DISPERSION_BLOCK)
        promised = (o.name for o in rules.objectives if o.role is not Role.GUARD)
        return Judge(rules, dict.fromkeys(promised, dispersion))


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and 95th percentile."""

    median: float
    p95: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread | None":
        """None without values."""
        if not values:
            return None
        ordered = sorted(values)
        last = len(ordered) - 1
        return cls(ordered[round(0.5 * last)], ordered[round(0.95 * last)])


@dataclass(frozen=True, slots=True)
class Summary:
    """What came out for one assurance. Times in seconds, `bad` are bad answers to users."""

    assurance: Assurance
    bad_limits: Mapping[str, float]
    trials: int
    ends: Mapping[End, int]
    promotion_seconds: Spread | None
    rollback_seconds: Spread | None
    bad: Spread
    seconds_by_end: Mapping[End, tuple[float, ...]]

    def share(self, end: End) -> float:
        """How likely an end is."""
        return self.ends[end] / self.trials


def simulate(
    scenario: Scenario,
    assurance: Assurance,
    *,
    trials: int,
    seed: int,
    progress: Callable[[], None] = lambda: None,
) -> Summary:
    """Plays `trials` canaries; the same seed gives the same numbers. `progress` after each."""
    outcomes = []
    for outcome in _outcomes(scenario, scenario.judge(assurance), trials, seed):
        outcomes.append(outcome)
        progress()
    by_end = {
        end: tuple(outcome.seconds for outcome in outcomes if outcome.end is end) for end in End
    }
    bad = Spread.of([outcome.bad for outcome in outcomes])
    assert bad is not None
    return Summary(
        assurance=assurance,
        bad_limits={
            o.name: o.bad for o in scenario.objectives(assurance) if o.role is not Role.GUARD
        },
        trials=trials,
        ends={end: len(seconds) for end, seconds in by_end.items()},
        promotion_seconds=Spread.of(list(by_end[End.PROMOTED])),
        rollback_seconds=Spread.of(list(by_end[End.ROLLED_BACK])),
        bad=bad,
        seconds_by_end=by_end,
    )


def _outcomes(scenario: Scenario, judge: Judge, trials: int, seed: int) -> Iterator[Outcome]:
    rng = random.Random(seed)  # noqa: S311 - a simulation, no secret
    candidate = {
        ERRORS: scenario.errors,
        "breaker": scenario.errors,
        LATENCY: scenario.slow,
        REFUSED: scenario.refused,
        TAIL: scenario.tail,
    }
    stable = {
        ERRORS: scenario.stable_errors,
        "breaker": scenario.stable_errors,
        LATENCY: scenario.stable_slow,
        REFUSED: scenario.stable_refused,
        TAIL: STABLE_TAIL,
    }
    sliced: tuple[Sliced, ...] = ()
    if (part := scenario.in_slice) is not None:
        failed = Sliced(IN_SLICE, part.share, (ERRORS, "breaker"))
        late = Sliced(SLOW_IN_SLICE, part.share, (LATENCY,))
        sliced = (failed,) if part.slow is None else (failed, late)
        for each, shares, of_all, inside in (
            (failed, candidate, scenario.errors, part.errors),
            (failed, stable, scenario.stable_errors, part.stable_errors),
            (late, candidate, scenario.slow, part.slow),
            (late, stable, scenario.stable_slow, part.stable_slow),
        ):
            if inside is not None:
                shares |= dict.fromkeys(each.whole, scenario.outside(of_all, inside))
                shares[each.name] = inside
    for _ in range(trials):
        outcome = run_trial(
            judge,
            draw_from(
                rng,
                judge.rules.objectives,
                scenario.requests_per_second,
                scenario.scrape,
                candidate,
                stable,
                sliced,
            ),
            look=scenario.scrape,
            min_step=scenario.min_step,
            horizon=scenario.deadline,
            steps=scenario.given_steps,
            warm_after=WARM_SECONDS,
            independent=True,
        )
        if outcome.end is End.UNDECIDED:
            action = at_deadline(judge, outcome.state, scenario.on_deadline).action
            outcome = dataclasses.replace(outcome, end=_DEADLINE_ENDS[action])
        yield outcome


_DEADLINE_ENDS = {
    DeadlineAction.PROMOTE: End.PROMOTED,
    DeadlineAction.PROMOTE_WITH_BOUND: End.PROMOTED_WITH_BOUND,
    DeadlineAction.HOLD: End.UNDECIDED,
    DeadlineAction.END_UNDECIDED: End.UNDECIDED,
    DeadlineAction.ROLL_BACK: End.ROLLED_BACK,
}
