"""What is told of the service as users get it: once, when it begins, and then until it is over.

Counts that only move on are no news: thousands of objects would be written for them for ever.
"""

from collections.abc import Sequence

from model_rollouts.api.conditions import Condition, ConditionType, Reason, find_condition
from model_rollouts.rollout.observed import Failure
from model_rollouts.rollout.state import second_chances
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.rollout.trial import service
from model_rollouts.text import capitalized, cut

ADVICE_FAILING = "Check the pods of stable, or apply another version."
ADVICE_UNSEEN = (
    "Changes by others may be seen late or not at all. Rollouts and rollbacks continue with what "
    "is known, and the operator tries again within 30 s. Check the permissions of the operator and "
    "the load of the API server."
)

RELIEVED = (
    "That is what the model did itself: the fallback gives users answers in its place, and most "
    "get no error. FallbackActive has the share."
)
"""Without numbers, so that it is told once."""

_MOST_UNSEEN = 3
"""Requests that one message names."""

_LONGEST_ANSWER = 200
"""Characters of each answer: what can be done about it has a place in the message too."""


def failing(state: RolloutState) -> str | None:
    """That most requests of users fail, as a sentence; None while they do not."""
    known = state.memory.service
    if known is None or not known.failing:
        return None
    told = find_condition(state.deployment.status.conditions, ConditionType.AVAILABLE)
    if told is not None and told.reason != Reason.NOT_ANSWERING:
        told = None
    return _as_told(told, ADVICE_FAILING) or service.failing(known)


def degraded(state: RolloutState) -> str | None:
    """How stable misses its objectives, as a sentence, where there is no way back from it."""
    known = state.memory.service
    if known is None or not known.degraded or state.roles.previous is not None:
        return None
    told = find_condition(state.deployment.status.conditions, ConditionType.SERVICE_DEGRADED)
    words = _as_told(told, service.ADVICE_DEGRADED)
    words = service.degraded(known) if words is None else words.removesuffix(f" {RELIEVED}")
    return f"{words} {RELIEVED}" if second_chances.relieves(state) else words


def unseen(failed: Sequence[Failure]) -> str | None:
    """Which objects are not listed or watched, and why; None where all are."""
    if not failed:
        return None
    told = sorted(f"cannot {each.what}: {cut(each.answer, _LONGEST_ANSWER)}" for each in failed)
    return f"{capitalized('; '.join(told[:_MOST_UNSEEN]))}. {ADVICE_UNSEEN}"


def _as_told(condition: Condition | None, advice: str) -> str | None:
    """What a condition says besides the advice; None where it has another one."""
    if condition is None or not condition.message.endswith(f" {advice}"):
        return None
    return condition.message.removesuffix(f" {advice}")
