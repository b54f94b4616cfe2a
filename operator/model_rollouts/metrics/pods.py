"""Whose samples count: pods that the cluster has, or had in this trial, and no others.

A revision is named after what it is made of, so two clusters that share a store of metrics may both
have series of one revision. Their pods have other names.
"""

from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property

from model_rollouts.metrics.errors import require_name


class Owner(Enum):
    """Whose pod it is that was scraped."""

    OURS = auto()
    UNKNOWN = auto()
    """The cluster may have it, and has not told so yet: its scrapes wait."""
    FOREIGN = auto()
    """The cluster does not have it: what it shows is not counted."""


@dataclass(frozen=True, slots=True)
class Pod:
    """What the cluster knows of a pod: when it was created, since when it is ready (or None)."""

    name: str
    revision: str
    created_ms: int
    ready_ms: int | None = None

    def __post_init__(self) -> None:
        require_name("pod.name", self.name)
        require_name(f"pod '{self.name}', revision", self.revision)


@dataclass(frozen=True)
class KnownPods:
    """The pods of a rollout: those that are `there`, and the names of those that are `gone`.

    A pod of neither is unknown until the cluster was asked once more; `foreign` are the names that
    it did not have then.
    """

    there: tuple[Pod, ...] = ()
    gone: frozenset[str] = frozenset()
    foreign: frozenset[str] = frozenset()

    @cached_property
    def by_name(self) -> dict[str, Pod]:
        """Those that are there."""
        return {pod.name: pod for pod in self.there}

    def owner(self, revision: str, name: str) -> Owner:
        """Whose pod it is that was scraped under this name as one of `revision`."""
        pod = self.by_name.get(name)
        if pod is not None:
            return Owner.OURS if pod.revision == revision else Owner.FOREIGN
        if name in self.gone:
            return Owner.OURS
        return Owner.FOREIGN if name in self.foreign else Owner.UNKNOWN
