"""Changes of objects, for commands that wait for them."""

import queue
import time
from typing import TYPE_CHECKING

import click

from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import Kind

if TYPE_CHECKING:
    from model_rollouts.cli.mdep.api import Api

AGAIN = 1.0
"""Seconds after which a watch that ended, or could not begin, begins again."""


def notify(
    api: "Api", kind: Kind, namespace: str, selectors: dict[str, str], changed: "queue.Queue[None]"
) -> None:
    """Tell of every change, for ever; a watch that ends, or cannot begin, begins again."""
    while True:
        try:
            _, version = api.list(kind, namespace, **selectors)
            changed.put(None)
            for _ in api.watch(kind, namespace, version, **selectors):
                changed.put(None)
        except ApiError as error:
            if error.status == 403:
                return
        except (click.ClickException, ValueError):
            pass
        time.sleep(AGAIN)
