"""What status tells of a situation: conditions, the sentence, and when it is worth a write."""

from model_rollouts.api.status import Status
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.situation import Situation


def tell(situation: Situation, memory: Memory, before: Status, now: float) -> Status:
    """The status of `situation`; `before` is the one that the object has."""
    raise NotImplementedError


def due(status: Status, memory: Memory, now: float) -> float | None:
    """When (Unix seconds, `now` or later) `status` should be written; None when it says nothing new.

    A transition is due at once. Counts and words that only moved on wait: 30 s at first, half as
    long again each time, 30 minutes at most.
    """
    raise NotImplementedError
