"""The kinds of targets, a row each. Another kind is a module beside this one and a row here."""

import importlib
from enum import StrEnum
from typing import NamedTuple

from model_rollouts.notifications.kinds import DEFAULT_KINDS, Topic
from model_rollouts.notifications.targets.target import Place, Target


class TargetType(StrEnum):
    """The kinds of targets."""

    APPRISE = "Apprise"
    WEBHOOK = "Webhook"
    CLOUD_EVENTS = "CloudEvents"
    GITHUB = "GitHub"


class Row(NamedTuple):
    """A kind of target."""

    place: str
    """Its class, as module:name; Apprise is imported only where it is used."""
    fields: tuple[str, ...]
    """Fields that it needs."""
    optional: tuple[str, ...] = ()
    """Fields that it can have besides."""
    is_grouped: bool = True
    """Whether one message may have several facts, and comes when they are together."""
    tells: tuple[Topic, ...] = DEFAULT_KINDS
    """What it is told of without asking."""


ROWS = {
    TargetType.APPRISE: Row("model_rollouts.notifications.targets.apprise:Apprise", ("urlFile",)),
    TargetType.WEBHOOK: Row(
        "model_rollouts.notifications.targets.webhook:Webhook", ("urlFile",), ("tokenFile",)
    ),
    TargetType.CLOUD_EVENTS: Row(
        "model_rollouts.notifications.targets.cloudevents:CloudEvents",
        ("urlFile",),
        ("tokenFile",),
        is_grouped=False,
        tells=tuple(Topic),
    ),
    TargetType.GITHUB: Row(
        "model_rollouts.notifications.targets.github:GitHub",
        ("repository", "tokenFile"),
        ("api",),
        is_grouped=False,
        tells=(Topic.ROLLED_BACK, Topic.UNDECIDED, Topic.STALLED, Topic.PROMOTED, Topic.PROGRESS),
    ),
}

OPTIONAL_FIELDS = tuple(
    dict.fromkeys(field for row in ROWS.values() for field in (*row.fields, *row.optional))
)
"""Fields that only some kinds have."""


def made(type: TargetType, place: Place) -> Target:
    """The target."""
    module, _, name = ROWS[type].place.partition(":")
    found: Target = getattr(importlib.import_module(module), name)(place)
    return found
