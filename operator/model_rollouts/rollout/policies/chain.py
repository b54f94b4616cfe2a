"""The one next move of the route: an ordered chain, in which what protects users comes first.

Each policy is a pure function of what was found. The first that has a move decides.
"""

from model_rollouts.api.conditions import Reason
from model_rollouts.api.status import Phase
from model_rollouts.decision import DeadlineAction, DeadlinePolicy, at_deadline
from model_rollouts.rollout.policies import advance, protect
from model_rollouts.rollout.policies.policy import NextMove, Policy, PolicyInput
from model_rollouts.rollout.state.state import PASS, PASS_WITH_BOUND

_BLIND_OR_FROZEN = frozenset(
    {
        Reason.PAUSED,
        Reason.OVERRIDDEN,
        Reason.GATEWAY_NOT_ACCEPTED,
        Reason.METRICS_UNAVAILABLE,
        Reason.SCRAPE_MISSING,
        Reason.DUPLICATE_TARGETS,
        Reason.STABLE_UNAVAILABLE,
    }
)
"""What a deadline waits for. It does not wait for traffic: that may never come."""

_PROMOTES = (DeadlineAction.PROMOTE, DeadlineAction.PROMOTE_WITH_BOUND)

_ABOUT_JUDGING = frozenset(
    {
        Reason.STABLE_UNAVAILABLE,
        Reason.METRICS_UNAVAILABLE,
        Reason.SCRAPE_MISSING,
        Reason.DUPLICATE_TARGETS,
        Reason.NO_TRAFFIC,
        Reason.SPLIT_NOT_OBSERVED,
        Reason.MIRROR_NOT_OBSERVED,
        Reason.SHADOW_HURTS_STABLE,
        Reason.LOW_LOAD,
        Reason.CAPACITY_PENDING,
    }
)
"""What does not hold a version that gets all users without being judged: it may be the remedy."""


def _deadline(given: PolicyInput) -> NextMove | None:
    state, trial = given.state, given.trial
    if trial is None or not state.past_deadline:
        return None
    if any(hold.reason in _BLIND_OR_FROZEN for hold in given.holds):
        return None
    policy = DeadlinePolicy(state.spec.strategy.on_deadline.value)
    outcome = at_deadline(trial.judge, trial.state, policy)
    if state.phase is Phase.SHADOW and outcome.action in _PROMOTES:
        # Copies alone never give users to a version that has not met one.
        words = "The deadline came while it was still in shadow."
        return protect.back(given, "Deadline", words, Phase.UNDECIDED)
    match outcome.action:
        case DeadlineAction.PROMOTE | DeadlineAction.PROMOTE_WITH_BOUND:
            verdict = PASS if outcome.action is DeadlineAction.PROMOTE else PASS_WITH_BOUND
            return advance.promoted(given, verdict, outcome.words)
        case DeadlineAction.ROLL_BACK:
            return protect.back(given, "Deadline", outcome.words)
        case DeadlineAction.END_UNDECIDED:
            return protect.back(given, "Deadline", outcome.words, Phase.UNDECIDED)
        case DeadlineAction.HOLD:
            return None


_ABOUT_COPIES = frozenset(
    {
        Reason.NO_TRAFFIC,
        Reason.MIRROR_NOT_OBSERVED,
        Reason.SHADOW_HURTS_STABLE,
        Reason.GATEWAY_INCAPABLE,
    }
)
"""What does not hold a version whose shadow a person ends: its first users are judged."""

_PROTECTS: tuple[Policy, ...] = (
    protect.by_hand,
    protect.dropped,
    protect.failed,
    protect.burns,
    protect.unready,
    protect.goes_on,
    protect.reduced,
    protect.eased,
    protect.refused,
    protect.lowered,
    _deadline,
)
_NOT_WHILE_HELD: tuple[Policy, ...] = (
    advance.by_hand,
    advance.goes_on,
    advance.first,
    advance.reverted,
    advance.immediate,
    advance.mirrors,
    advance.begins,
    advance.advances,
    advance.settles,
)


def next_move(given: PolicyInput) -> NextMove | None:
    """The next move, None when everything stays."""
    if (protects := _first_of(_PROTECTS, given)) is not None:
        return protects
    if not given.admitted or _is_held(given):
        return None
    return _first_of(_NOT_WHILE_HELD, given)


def _first_of(policies: tuple[Policy, ...], given: PolicyInput) -> NextMove | None:
    return next((found for policy in policies if (found := policy(given)) is not None), None)


def _is_held(given: PolicyInput) -> bool:
    passing = {Reason.WRITE_REFUSED}
    if given.state.skips_judging:
        passing |= _ABOUT_JUDGING
    if given.state.phase is Phase.SHADOW and not given.state.shadows:
        passing |= _ABOUT_COPIES
    if given.state.mirror_percent:
        # It is judged on fewer copies, which stable bears.
        passing.add(Reason.SHADOW_HURTS_STABLE)
    if given.state.promotion_verdict is not None:
        # Ready pods of the candidate relieve a stable that lacks some.
        passing |= {Reason.EXCHANGING, Reason.STABLE_UNAVAILABLE}
    return any(hold.reason not in passing for hold in given.holds)
