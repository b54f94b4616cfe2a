"""What becomes of a version that is undecided when its deadline comes."""

from typing import assert_never

from model_rollouts.api.conditions import Reason
from model_rollouts.api.phase import Phase
from model_rollouts.decision import DeadlineAction, DeadlinePolicy, at_deadline
from model_rollouts.rollout.policies import advance, protect
from model_rollouts.rollout.policies.policy import NextMove, PolicyInput
from model_rollouts.routes.record import RecordedVerdict

_PROMOTES = (DeadlineAction.PROMOTE, DeadlineAction.PROMOTE_WITH_BOUND)

_UNFAIR = {
    Reason.ARMS_DIFFER: "The deadline came while both versions had different users.",
    Reason.SPLIT_NOT_OBSERVED: "The deadline came while the Gateway split requests otherwise than "
    "the route says.",
}
"""What was counted meanwhile does not say how the version serves everybody, and may never."""

_EXPECTED = frozenset(
    {Reason.LOW_LOAD, Reason.NO_TRAFFIC, Reason.WRITE_REFUSED, Reason.ROUTE_CHANGED}
)
"""Few requests are what a deadline is for, and the next write may be one that is not refused."""


def deadline(given: PolicyInput) -> NextMove | None:
    """What `strategy.onDeadline` says, once the deadline has come without a decision."""
    state, trial = given.state, given.trial
    if trial is None or not state.past_deadline:
        return None
    outcome = at_deadline(
        trial.judge, trial.state, DeadlinePolicy(state.spec.strategy.on_deadline.value)
    )
    if state.phase.mirrors and outcome.action in _PROMOTES:
        # Mirrored requests alone never give users to a version that has not met one.
        words = "The deadline came while it was still in shadow."
        return protect.back(given, RecordedVerdict.DEADLINE, words, Phase.UNDECIDED)
    if outcome.action in _PROMOTES:
        held = {hold.reason for hold in given.holds}
        for reason, words in _UNFAIR.items():
            if reason in held:
                return protect.back(given, RecordedVerdict.DEADLINE, words, Phase.UNDECIDED)
        if held - _EXPECTED:
            return None
    match outcome.action:
        case DeadlineAction.PROMOTE:
            return advance.promoted(given, RecordedVerdict.PASS, outcome.words)
        case DeadlineAction.PROMOTE_WITH_BOUND:
            return advance.promoted(given, RecordedVerdict.PASS_WITH_BOUND, outcome.words)
        case DeadlineAction.ROLL_BACK:
            return protect.back(given, RecordedVerdict.DEADLINE, outcome.words)
        case DeadlineAction.END_UNDECIDED:
            return protect.back(given, RecordedVerdict.DEADLINE, outcome.words, Phase.UNDECIDED)
        case DeadlineAction.HOLD:
            return None
        case _:
            assert_never(outcome.action)
