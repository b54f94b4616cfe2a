"""Who is told of a rollout: `spec.owner`."""

from typing import Annotated

from model_rollouts.api.base import Part, Written

OwnerName = Annotated[
    str,
    Written(
        r"^[A-Za-z0-9#]([A-Za-z0-9 ._/-]*[A-Za-z0-9])?$",
        "write letters, digits, ' ', '.', '_', '/' and '-', such as vision or #vision-alerts",
        63,
    ),
]
"""A name that routes and sentences can hold."""

PageAddress = Annotated[
    str,
    Written(
        r"^https?://[^\s<>]+$",
        "write the address of a page, such as https://wiki.example.com/arrival",
        512,
    ),
]


class Owner(Part):
    """Who is told of the rollout, by the messages of docs/messages.md."""

    team: OwnerName | None = None
    """Team that owns the model, e.g. `vision`."""
    channel: OwnerName | None = None
    """Where it reads messages, e.g. `#vision-alerts`: targets are chosen by it."""
    runbook: PageAddress | None = None
    """Page to open when the model is in trouble. Messages link it."""
