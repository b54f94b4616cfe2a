"""Many canaries of one scenario, for each assurance: how likely each end, and how soon."""

import dataclasses
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from model_rollouts.decision import (
    COMPARABLE_WEIGHT,
    DISPERSION_BLOCK,
    Assurance,
    Compare,
    DeadlineAction,
    DeadlinePolicy,
    Dispersion,
    Judge,
    Objective,
    Rules,
    at_deadline,
    breaker,
    errors,
    latency,
)
from model_rollouts.simulation.traffic import draw_from
from model_rollouts.simulation.trial import End, Outcome, run_trial

ERRORS = "errors"
LATENCY = "latency"

LONGEST_SCRAPE = 60.0
SHORTEST_SCRAPE = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is promised, how much traffic there is, and a guess of the truth. Times in seconds.

    `slow` and `stable_slow` are the true shares slower than `within`; without `within` there is no
    latency objective. Errors are independent when `dispersion` is 1; a larger one is what the
    judge is told, with the shortest bursts; the simulated errors stay independent.
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
    scrape: float | None

    @property
    def interval(self) -> float:
        """Seconds between two looks: the given ones, or about one request to the candidate.

        The guarantees hold for any interval; a longer one only makes simulating faster.
        """
        if self.scrape is not None:
            return self.scrape
        one = 1 / (self.requests_per_second * self.steps[0])
        return min(max(one, SHORTEST_SCRAPE), LONGEST_SCRAPE)

    def objectives(self, assurance: Assurance) -> tuple[Objective, ...]:
        """The objectives, with the breaker that is always on."""
        made = [
            errors(ERRORS, self.target, assurance=assurance, compare=self.compare),
            breaker(),
        ]
        if self.within is not None:
            # The operator writes the edges of its own proxies at the thresholds.
            edges = (self.within, 1.25 * self.within)
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
        return tuple(made)

    def judge(self, assurance: Assurance) -> Judge:
        """The judge of these objectives."""
        rules = Rules(self.objectives(assurance), steps=self.steps)
        dispersion = Dispersion(self.dispersion, self.dispersion, plateau=DISPERSION_BLOCK)
        return Judge(rules, {o.name: dispersion for o in rules.objectives if o.name != "breaker"})


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
        bad_limits={o.name: o.bad for o in scenario.objectives(assurance) if o.name != "breaker"},
        trials=trials,
        ends={end: len(seconds) for end, seconds in by_end.items()},
        promotion_seconds=Spread.of(list(by_end[End.PROMOTED])),
        rollback_seconds=Spread.of(list(by_end[End.ROLLED_BACK])),
        bad=bad,
        seconds_by_end=by_end,
    )


def _outcomes(scenario: Scenario, judge: Judge, trials: int, seed: int) -> Iterator[Outcome]:
    rng = random.Random(seed)  # noqa: S311 - a simulation, no secret
    candidate = {ERRORS: scenario.errors, "breaker": scenario.errors, LATENCY: scenario.slow}
    stable = {
        ERRORS: scenario.stable_errors,
        "breaker": scenario.stable_errors,
        LATENCY: scenario.stable_slow,
    }
    for _ in range(trials):
        outcome = run_trial(
            judge,
            draw_from(
                rng,
                judge.rules.objectives,
                scenario.requests_per_second,
                scenario.interval,
                candidate,
                stable,
            ),
            scrape=scenario.interval,
            min_step=scenario.min_step,
            horizon=scenario.deadline,
            comparable_from=COMPARABLE_WEIGHT,
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
