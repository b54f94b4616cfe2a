"""What a policy about the next move looks at, and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass

from model_rollouts.rollout.actions import Move, Severity
from model_rollouts.rollout.memory import Trial
from model_rollouts.rollout.state.state import Found
from model_rollouts.rollout.status.summary import Hold, Roles


@dataclass(frozen=True, slots=True)
class Next:
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
class At:
    """What a policy looks at."""

    found: Found
    holds: tuple[Hold, ...]
    admitted: bool

    @property
    def trial(self) -> Trial | None:
        """The trial of what is judged now, None before it has begun."""
        trial = self.found.memory.trial
        return trial if trial is not None and trial.revision == self.found.judged else None

    def version(self, revision: str | None) -> str:
        """How messages name a revision."""
        known = self.found.revisions.get(revision or "")
        return f"{known.version} ({revision})" if known else str(revision)


Policy = Callable[[At], Next | None]
