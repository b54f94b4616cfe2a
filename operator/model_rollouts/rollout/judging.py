"""Counts of a tick become evidence."""

from model_rollouts.metrics.records import Counted, Unavailable
from model_rollouts.rollout.memory import Memory


def take(memory: Memory, counted: Counted | Unavailable, now: float) -> Memory:
    """The memory after a tick of the samples that `Plan.measures` asked for."""
    raise NotImplementedError
