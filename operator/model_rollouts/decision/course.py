"""A canary goes on, look by look, from one share of users to the next.

The rules are functions that the operator's passes call too. `Course` plays them in a row where
pods are ready and routes are followed at once: for forecasts and simulations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from model_rollouts.decision.counts import Interval
from model_rollouts.decision.judge import Judge, State
from model_rollouts.decision.steps import Step, allowed_steps, next_step
from model_rollouts.decision.verdict import Decision

READ_AFTER = 0.5
"""Seconds after the end of an interval at which its counts are read. The route is written then."""


def is_whole(written: float, start: float, end: float) -> bool:
    """Whether an interval shows nothing but how users are split since a write of the route.

    The first one that begins after it does not: its counts begin at the scrapes before. All three
    are times in one unit.
    """
    return start - (end - start) >= written


def may_advance(judge: Judge, state: State, step: Step, lasted: float, least: float) -> bool:
    """Whether a candidate may go on to `step`, after `lasted` seconds of at least so many."""
    return lasted >= least and judge.decide(state, float(step.proof)) is Decision.PASS


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Where a canary is. Times in seconds since its first users.

    `least_step` is the least time on a step, which counts from the first look that shows how users
    are split, and `look` how long one look takes. Without `promotes` it stays on its last step.
    `came` are the candidate's requests in looks that show the split, the first of which began
    `split_since`; None before it has any.
    """

    judge: Judge
    steps: tuple[Step, ...]
    state: State
    step: Step
    look: float
    least_step: float
    promotes: bool = True
    written: float = READ_AFTER
    came: float = 0.0
    split_since: float | None = None

    @classmethod
    def begin(
        cls,
        judge: Judge,
        steps: Sequence[Step],
        *,
        look: float,
        least_step: float,
        promotes: bool = True,
    ) -> "Course":
        """On the first step, without evidence. No `steps` are those of one pod beside one."""
        if not steps:
            steps = allowed_steps((Fraction(str(step)) for step in judge.rules.steps), 1, None)
        return cls(
            judge=judge,
            steps=tuple(steps),
            state=judge.start(),
            step=steps[0],
            look=look,
            least_step=least_step,
            promotes=promotes,
        )

    def take(self, interval: Interval, requests: float) -> tuple["Course", Decision]:
        """After an interval with so many requests of the candidate: on the next step if it may be.

        Pass is the promotion. An interval may be several looks, where that gives the same evidence.
        """
        state = self.judge.update(self.state, interval)
        if state.failed_at is not None:
            return replace(self, state=state), Decision.FAIL
        later = next_step(self.steps, self.step.weight)
        if later.is_all:
            state = self.judge.enter_last_step(state)
        came, split_since = self.came, self.split_since
        if is_whole(self.written, interval.start, interval.start + self.look):
            came += requests
            if split_since is None and came >= 1:
                split_since = interval.start
        here = replace(self, state=state, came=came, split_since=split_since)
        if split_since is None or (later.is_all and not self.promotes):
            return here, Decision.INCONCLUSIVE
        lasted = interval.end - split_since
        if not may_advance(self.judge, state, later, lasted, self.least_step):
            return here, Decision.INCONCLUSIVE
        if later.is_all:
            return here, Decision.PASS
        if next_step(self.steps, later.weight).is_all:
            state = self.judge.enter_last_step(state)
        written = interval.end + READ_AFTER
        there = replace(self, state=state, step=later, written=written, came=0.0, split_since=None)
        return there, Decision.INCONCLUSIVE
