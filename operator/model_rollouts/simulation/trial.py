"""One simulated canary: the real judge and the operator's own course, made-up counts.

The loop is what the operator does with a healthy cluster: look, judge, move the weight when the
gate is open and the step has lasted long enough. Pods are ready at once, and those of both versions
are scraped at the same moments.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from model_rollouts.decision import Course, Decision, Judge, State, Step
from model_rollouts.simulation.looks import Draw, Looks


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

    `bad` is the largest number of bad answers over the objectives that count requests, but for
    those that hold them against stable alone.
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
    look: float,
    min_step: float,
    horizon: float,
    steps: Sequence[Step] = (),
    promotes: bool = True,
    warm_after: float = 0.0,
    independent: bool = False,
) -> Outcome:
    """Plays one canary. All times in seconds; `draw` makes the counts of each look.

    `steps` are those that its pods allow, by default those of one pod beside one of stable. Without
    `promotes` the canary stays at its last step and is judged for Fail until the horizon. Latency
    has no counts in the first `warm_after` seconds, in which all pods of the candidate are cold;
    the pods that later steps add are taken for warm, as those that have its users already are.
    Counts of looks that are `independent` of each other may be drawn in advance: then those that
    give the same evidence together are judged together, which is faster and changes nothing.
    """
    course = Course.begin(judge, steps, look=look, least_step=min_step, promotes=promotes)
    looks = Looks(draw, judge, look, warm_after)
    decision = Decision.INCONCLUSIVE
    while looks.now < horizon and decision is Decision.INCONCLUSIVE:
        together = looks.alike(course, horizon) if independent else 1
        after, decision = course.take(*looks.interval(course.step, together))
        if together > 1 and (decision, after.step) != (Decision.INCONCLUSIVE, course.step):
            # It went on, or ended, in the midst of them.
            looks.judge_singly(together)
            together = 1
            after, decision = course.take(*looks.interval(course.step, together))
        looks.pass_by(together, redraw=after.step is not course.step)
        course = after
    ends = {Decision.PASS: End.PROMOTED, Decision.FAIL: End.ROLLED_BACK}
    pairs = list(zip(course.state.evidence, judge.rules.objectives, strict=True))
    of_requests = [evidence for evidence, objective in pairs if not objective.is_rate]
    promised = [
        evidence
        for evidence, objective in pairs
        if not (objective.is_rate or objective.kind.traits.needs_stable)
    ]
    return Outcome(
        ends.get(decision, End.UNDECIDED),
        looks.now,
        max((e.seen_total for e in of_requests), default=0.0),
        max((e.seen_bad for e in promised), default=0.0),
        course.state,
    )
