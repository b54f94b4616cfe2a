"""What a policy about the next move looks at, and what it answers."""

from dataclasses import dataclass

from model_rollouts.rollout.actions import Move, Severity
from model_rollouts.rollout.memory import Trial
from model_rollouts.rollout.standing import Hold, Roles
from model_rollouts.rollout.state.state import RolloutState


@dataclass(frozen=True, slots=True)
class NextMove:
    """A write of the route: the roles after it, what is said about it, and why it happens."""

    move: Move
    roles: Roles
    reason: str
    note: str
    why: str
    severity: Severity = Severity.NORMAL

    @property
    def protects(self) -> bool:
        """Whether the route is written before anything else, depending on no other write."""
        return self.move in (Move.ROLL_BACK, Move.EASE, Move.DROP, Move.REPAIR)


@dataclass(frozen=True, slots=True)
class PolicyInput:
    """What a policy looks at."""

    state: RolloutState
    holds: tuple[Hold, ...]
    admitted: bool

    @property
    def trial(self) -> Trial | None:
        """The trial of what is judged now, None before it has begun."""
        trial = self.state.memory.trial
        return trial if trial is not None and trial.revision == self.state.judged else None

    def version(self, revision: str | None) -> str:
        """How messages name a revision: by its version, where that tells it from all others."""
        revisions = self.state.revisions
        known = revisions.get(revision or "")
        if known is None:
            return f"revision {revision}"
        same = [each for each in revisions.values() if each.version == known.version]
        return f"version {known.version}" + ("" if len(same) == 1 else f" ({revision})")
