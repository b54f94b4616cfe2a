"""The plan of one pass: what should be true now, and the one next move."""

from dataclasses import dataclass, field

from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.measured import Request
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.rollout.actions import Action, Need
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.seen import Seen


@dataclass(frozen=True, slots=True)
class Settings:
    """What the administrator configured for every rollout. `release` is the operator's own."""

    proxy: ProxySettings
    release: str
    grid: Grid = field(default_factory=Grid)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass found to do.

    `actions` in the order of their commits. `needs` are asked first, and then planned again.
    `measures` is what the ticker has to count for this rollout, with the watermark to go on from;
    None when nothing is counted. `wake_at` (Unix seconds) is when to plan again although nothing
    changed, None for never.
    """

    actions: tuple[Action, ...]
    memory: Memory
    needs: frozenset[Need] = frozenset()
    measures: Request | None = None
    wake_at: float | None = None


def plan(seen: Seen, memory: Memory, now: float, settings: Settings) -> Plan:
    """The next move of the rollout that is `seen`, at `now` (Unix seconds)."""
    raise NotImplementedError
