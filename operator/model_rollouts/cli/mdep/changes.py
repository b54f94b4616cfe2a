"""Changes of objects, for commands that wait for them."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

import click

from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import Kind

if TYPE_CHECKING:
    from model_rollouts.cli.mdep.api import Api

AGAIN = 1.0
"""Seconds after which a watch that ended, or could not begin, begins again."""


@contextmanager
def changes(
    api: "Api", namespace: str, *followed: tuple[Kind, dict[str, str]]
) -> "Iterator[queue.Queue[None]]":
    """A queue that is told of every change of the objects, kinds with selectors, that are followed.

    It is told once at first. A watch that ends, or cannot begin, begins again.
    """
    told: queue.Queue[None] = queue.Queue()
    stop = threading.Event()
    for kind, selectors in followed:
        threading.Thread(
            target=_follow, args=(api, kind, namespace, selectors, told, stop), daemon=True
        ).start()
    try:
        yield told
    finally:
        stop.set()


def _follow(
    api: "Api",
    kind: Kind,
    namespace: str,
    selectors: dict[str, str],
    told: "queue.Queue[None]",
    stop: threading.Event,
) -> None:
    while not stop.is_set():
        try:
            _, version = api.list(kind, namespace, **selectors)
            told.put(None)
            for _ in api.watch(kind, namespace, version, **selectors):
                told.put(None)
                if stop.is_set():
                    return
        except ApiError as error:
            if error.status == HTTPStatus.FORBIDDEN:
                return
        except (click.ClickException, ValueError):
            pass
        stop.wait(AGAIN)
