"""What the room above asks to have counted: a rollout, its arms, its pods, its objectives."""

from collections.abc import Sequence
from dataclasses import dataclass

from model_rollouts.metrics.errors import InputError, require_name, require_unique
from model_rollouts.metrics.objectives import CountedObjective
from model_rollouts.metrics.pods import KnownPods
from model_rollouts.metrics.sources import Listener
from model_rollouts.metrics.watermark import Watermark

DEFAULT_WARMUP_MS = 60_000
LONGEST_WARMUP_MS = 120_000
"""Whether a pod is warm has to follow from its samples in one lookback."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One stream of requests, counted apart: a revision and the listener they came in by.

    `compared_with` is the revision in whose seconds its counts are needed too, None for no other.
    """

    name: str
    revision: str
    listener: Listener = Listener.LIVE
    compared_with: str | None = None

    def __post_init__(self) -> None:
        require_name("arm.name", self.name)
        require_name(f"arm '{self.name}', revision", self.revision)
        if not isinstance(self.listener, Listener):
            raise InputError(
                f"arm '{self.name}', listener", self.listener, "a Listener, live or shadow"
            )


@dataclass(frozen=True, slots=True)
class MeasuredRollout:
    """One rollout to be counted. Times are Unix milliseconds.

    `key` names it towards the caller. Counting begins at `started_ms`. In the first `warmup_ms` in
    which a pod is asked, copies do not count, and of users' requests not how long they took. What
    is `sparing` is counted at the slow pace. `pods` are those whose samples count, None where
    nobody knows: then all do.
    """

    key: str
    namespace: str
    arms: tuple[Arm, ...]
    objectives: tuple[CountedObjective, ...]
    started_ms: int
    pods: KnownPods | None = None
    warmup_ms: int = DEFAULT_WARMUP_MS
    sparing: bool = False

    def __post_init__(self) -> None:
        require_name("rollout.key", self.key)
        field = f"rollout '{self.key}'"
        require_name(f"{field}, namespace", self.namespace)
        if not self.arms:
            raise InputError(f"{field}, arms", (), "at least one arm")
        if not self.objectives:
            raise InputError(f"{field}, objectives", (), "at least one objective")
        require_unique(f"{field}, arms", [arm.name for arm in self.arms])
        require_unique(f"{field}, objectives", [each.name for each in self.objectives])
        require_unique(
            f"{field}, arms (revision and listener)",
            [f"{arm.revision}/{arm.listener}" for arm in self.arms],
        )
        if self.started_ms < 0:
            raise InputError(
                f"{field}, started_ms", self.started_ms, "Unix milliseconds, 0 or more"
            )
        if not 0 <= self.warmup_ms <= LONGEST_WARMUP_MS:
            raise InputError(
                f"{field}, warmup_ms", self.warmup_ms, f"milliseconds, 0 to {LONGEST_WARMUP_MS:,}"
            )

    @property
    def revisions(self) -> frozenset[str]:
        """The revisions whose series are read."""
        return frozenset(arm.revision for arm in self.arms)


@dataclass(frozen=True, slots=True)
class Request:
    """A rollout and where to go on: its stored watermark, or None at the very beginning."""

    rollout: MeasuredRollout
    since: Watermark | None = None


def require_disjoint(requests: Sequence[Request]) -> None:
    """Raise InputError when two rollouts have one key, or share a revision in a namespace."""
    require_unique("requests, rollout.key", [request.rollout.key for request in requests])
    owners: dict[tuple[str, str], str] = {}
    for request in requests:
        rollout = request.rollout
        for revision in rollout.revisions:
            owner = owners.setdefault((rollout.namespace, revision), rollout.key)
            if owner != rollout.key:
                raise InputError(
                    f"rollout '{rollout.key}', revision",
                    revision,
                    f"another revision: '{owner}' in {rollout.namespace} has this one",
                )
