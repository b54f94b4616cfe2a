"""What is told, a row for each kind: its words, what can be done then, and who gets it unasked."""

from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    """How much it matters; only `Page` is worth waking up for."""

    INFO = "Info"
    WARNING = "Warning"
    PAGE = "Page"


class Command(NamedTuple):
    """Something that can be done: why, and how with `kubectl mdep`."""

    purpose: str
    verb: str


class Row(NamedTuple):
    """A kind of occasion."""

    title: str
    """What is, after the name of the ModelDeployment; a template like those of the chart."""
    severity: Severity
    commands: tuple[Command, Command]
    plural: str
    """How many of them are counted in the title of a group."""
    is_default: bool = True
    """Whether a target is told of it without asking."""


_WHY = Command("See why", "explain")
_RETRY = Command("Try the version again", "retry")
_PODS = Command("See pods and events", "get")
_ROLLBACK = Command("Give all users the version before", "rollback")
_RESUME = Command("Resume", "resume")
_PAUSE = Command("Keep all weights as they are", "pause")


class Topic(StrEnum):
    """What happened to a ModelDeployment."""

    UNAVAILABLE = "Unavailable"
    FALLBACK_ACTIVE = "FallbackActive"
    ROLLED_BACK = "RolledBack"
    UNDECIDED = "Undecided"
    STALLED = "Stalled"
    BY_HAND = "ByHand"
    PROMOTED = "Promoted"
    PROGRESS = "Progress"

    @property
    def row(self) -> Row:
        """What this kind is to the rest of the room."""
        return ROWS[self]


ROWS = {
    Topic.UNAVAILABLE: Row(
        "users get no answers", Severity.PAGE, (_PODS, _ROLLBACK), "unavailable"
    ),
    Topic.FALLBACK_ACTIVE: Row(
        "users get answers of a fallback", Severity.WARNING, (_PODS, _ROLLBACK), "on a fallback"
    ),
    Topic.ROLLED_BACK: Row(
        "version {{ version }} was rolled back", Severity.WARNING, (_WHY, _RETRY), "rolled back"
    ),
    Topic.UNDECIDED: Row(
        "version {{ version }} was not decided before its deadline",
        Severity.WARNING,
        (_WHY, _RETRY),
        "undecided",
    ),
    Topic.STALLED: Row(
        "the rollout of version {{ version }} is stalled",
        Severity.WARNING,
        (_WHY, _PODS),
        "stalled",
    ),
    Topic.BY_HAND: Row(
        "{% if reason == 'Pause' %}paused"
        "{% elif reason == 'Promote' %}version {{ version }} promoted"
        "{% elif reason == 'SkipShadow' %}shadow of version {{ version }} skipped"
        "{% else %}version {{ version }} held{% endif %} by hand",
        Severity.INFO,
        (_PODS, _RESUME),
        "changed by hand",
    ),
    Topic.PROMOTED: Row(
        "version {{ version }} was promoted",
        Severity.INFO,
        (_PODS, _ROLLBACK),
        "promoted",
        is_default=False,
    ),
    Topic.PROGRESS: Row(
        "version {{ version }} is rolled out",
        Severity.INFO,
        (_PODS, _PAUSE),
        "in progress",
        is_default=False,
    ),
}
"""The most important first, as in a group."""

MOVED = frozenset({"Promote", "SkipShadow"})
"""What is done by hand and gives a version users: it is not resumed but rolled back."""


def commands(kind: Topic, reason: str) -> tuple[Command, Command]:
    """The two things that can be done."""
    first, second = kind.row.commands
    return first, _ROLLBACK if kind is Topic.BY_HAND and reason in MOVED else second


DEFAULT_KINDS = tuple(kind for kind in Topic if kind.row.is_default)
"""What a target is told of without asking."""
