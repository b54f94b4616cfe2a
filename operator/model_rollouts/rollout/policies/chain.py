"""The one next move of the route: an ordered chain, in which what protects users comes first.

Each policy is a pure function of what was found. The first that has a move decides.
"""

from model_rollouts.api.conditions import Reason
from model_rollouts.api.status import Phase
from model_rollouts.decision import DeadlineAction, DeadlinePolicy, at_deadline
from model_rollouts.rollout.policies import advance as going_on
from model_rollouts.rollout.policies import protect as taking_back
from model_rollouts.rollout.policies.policy import At, Next, Policy
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


def _deadline(at: At) -> Next | None:
    found, trial = at.found, at.trial
    if trial is None or not found.past_deadline:
        return None
    if any(hold.reason in _BLIND_OR_FROZEN for hold in at.holds):
        return None
    policy = DeadlinePolicy(found.spec.strategy.on_deadline.value)
    outcome = at_deadline(trial.judge, trial.state, policy)
    if found.phase is Phase.SHADOW and outcome.action in _PROMOTES:
        # Copies alone never give users to a version that has not met one.
        words = "The deadline came while it was still in shadow."
        return taking_back.back(at, "Deadline", words, Phase.UNDECIDED)
    match outcome.action:
        case DeadlineAction.PROMOTE | DeadlineAction.PROMOTE_WITH_BOUND:
            verdict = PASS if outcome.action is DeadlineAction.PROMOTE else PASS_WITH_BOUND
            return going_on.promoted(at, verdict, outcome.words)
        case DeadlineAction.ROLL_BACK:
            return taking_back.back(at, "Deadline", outcome.words)
        case DeadlineAction.END_UNDECIDED:
            return taking_back.back(at, "Deadline", outcome.words, Phase.UNDECIDED)
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
    taking_back.by_hand,
    taking_back.dropped,
    taking_back.failed,
    taking_back.burns,
    taking_back.unready,
    taking_back.goes_on,
    taking_back.reduced,
    taking_back.eased,
    taking_back.refused,
    taking_back.lowered,
    _deadline,
)
_NOT_WHILE_HELD: tuple[Policy, ...] = (
    going_on.by_hand,
    going_on.goes_on,
    going_on.first,
    going_on.reverted,
    going_on.immediate,
    going_on.mirrors,
    going_on.begins,
    going_on.advances,
    going_on.settles,
)


def find(at: At) -> Next | None:
    """The next move, None when everything stays."""
    if (protects := _first_of(_PROTECTS, at)) is not None:
        return protects
    if not at.admitted or _is_held(at):
        return None
    return _first_of(_NOT_WHILE_HELD, at)


def _first_of(policies: tuple[Policy, ...], at: At) -> Next | None:
    return next((found for policy in policies if (found := policy(at)) is not None), None)


def _is_held(at: At) -> bool:
    passing = {Reason.WRITE_REFUSED}
    if at.found.goes_all_the_way:
        passing |= _ABOUT_JUDGING
    if at.found.phase is Phase.SHADOW and not at.found.shadows:
        passing |= _ABOUT_COPIES
    if at.found.mirror:
        # It is judged on fewer copies, which stable bears.
        passing.add(Reason.SHADOW_HURTS_STABLE)
    if at.found.decided is not None:
        # Ready pods of the candidate relieve a stable that lacks some.
        passing |= {Reason.EXCHANGING, Reason.STABLE_UNAVAILABLE}
    return any(hold.reason not in passing for hold in at.holds)
