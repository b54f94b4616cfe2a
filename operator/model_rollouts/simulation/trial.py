"""One simulated canary: the real judge, made-up counts.

The loop is what the operator does with a healthy cluster: count, judge, move the weight when the
gate is open and the step has lasted long enough.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from model_rollouts.decision import Decision, Interval, Judge, Sample, State

Draw = Callable[[float, float], Mapping[str, Sample]]
"""Counts of the interval that begins at a time in seconds, at a canary weight."""


class End(StrEnum):
    """How a simulated rollout ends."""

    PROMOTED = "Promoted"
    PROMOTED_WITH_BOUND = "PromotedWithBound"
    """At the deadline, with an upper bound that is acceptable."""
    ROLLED_BACK = "RolledBack"
    UNDECIDED = "Undecided"
    """Time was over."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trial: its end, when in seconds, and what the candidate served until then.

    `bad` is the largest number of bad answers over the objectives that count requests.
    """

    end: End
    seconds: float
    requests: float
    bad: float
    state: State


def run_trial(
    judge: Judge,
    draw: Draw,
    *,
    scrape: float,
    min_step: float,
    horizon: float,
    promotes: bool = True,
    comparable_from: float = 0.0,
) -> Outcome:
    """Plays one canary. All times in seconds; `draw` makes the counts of each interval.

    Without `promotes` the canary stays at its last step and is judged for Fail until the horizon.
    Below the weight `comparable_from` its pods have less load than stable's.
    """
    weights = [*judge.rules.steps, 1.0]
    last = len(weights) - 1 if promotes else len(weights) - 2
    step, step_began, now = 0, 0.0, 0.0
    state = judge.start()
    end = End.UNDECIDED
    while now < horizon and end is End.UNDECIDED:
        weight = weights[step]
        load = weight >= comparable_from
        interval = Interval(now, now + scrape, draw(now, weight), comparable_load=load)
        state = judge.update(state, interval)
        now = interval.end
        if state.failed_at is not None:
            end = End.ROLLED_BACK
        elif (
            step < last
            and now - step_began >= min_step
            and judge.decide(state, weights[step + 1]) is Decision.PASS
        ):
            step, step_began = step + 1, now
            if weights[step] == 1:
                end = End.PROMOTED
    of_requests = [
        evidence
        for evidence, objective in zip(state.evidence, judge.rules.objectives, strict=True)
        if not objective.is_rate
    ]
    return Outcome(
        end,
        now,
        max((e.seen_total for e in of_requests), default=0.0),
        max((e.seen_bad for e in of_requests), default=0.0),
        state,
    )
