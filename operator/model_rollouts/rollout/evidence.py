"""`status.evidence`: what of the memory must outlive the operator, as compact text."""

from model_rollouts.decision import Rules
from model_rollouts.rollout.memory import Memory


def encode(memory: Memory) -> str | None:
    """Clocks, trial and dispersion as text of at most 4 kB; None when there is nothing to keep."""
    raise NotImplementedError


def decode(text: str | None, revision: str, attempt: int, judged_by: Rules) -> Memory:
    """The memory of the trial of `revision` at `attempt`; empty for what cannot be used.

    Evidence of another revision, attempt or other rules is no evidence. Clocks of the same
    revision and attempt are kept when only the rules differ. Never raises.
    """
    raise NotImplementedError
