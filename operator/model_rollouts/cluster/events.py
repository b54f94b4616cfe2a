"""Events for people: written behind the work, in order, and dropped before they hold it up."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from model_rollouts.cluster import micro_time
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import EVENT
from model_rollouts.resources.shapes import Body

REPORTER = "modelrollouts.dev/operator"
WAITING = 1_000
"""Events that wait to be written; more are dropped."""

REMEMBERED = 1_000
"""Events whose count is known; the API server keeps them for an hour or so."""

_NOTE_BYTES = 1_024
_NAME_DIGITS = 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened to the object `regarding`, at `at` (aware of its time zone).

    `severity` is Normal or Warning, `action` what was done about it.
    """

    regarding: Mapping[str, Any]
    severity: str
    reason: str
    action: str
    note: str
    at: datetime


class EventRecorder:
    """Writes occurrences as Events. The same one again raises the count of the Event it made.

    Counts begin anew with each operator.
    """

    def __init__(
        self, client: ClusterClient, instance: str, dropped: Callable[[], None] = lambda: None
    ) -> None:
        self._client = client
        self._instance = instance
        self._dropped = dropped
        self._counts: dict[str, int] = {}
        self._waiting: asyncio.Queue[Occurrence] = asyncio.Queue(WAITING)

    def record(self, occurrence: Occurrence) -> None:
        """Have it written soon; returns at once."""
        try:
            self._waiting.put_nowait(occurrence)
        except asyncio.QueueFull:
            self._dropped()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            occurrence = await self._waiting.get()
            try:
                await self._write(event(occurrence, self._instance))
            except ApiError as error:
                self._dropped()
                _log.warning("event could not be written: %s", error)
            except Exception:
                # Whatever is odd about it: others wait behind it.
                self._dropped()
                _log.exception("event could not be written")
            finally:
                self._waiting.task_done()

    async def drain(self) -> None:
        """Return when all that was recorded so far is written or dropped."""
        await self._waiting.join()

    async def _write(self, body: Body) -> None:
        name: str = body["metadata"]["name"]
        try:
            await self._client.create(body)
            count = 1
        except ApiError as error:
            if not error.is_conflict:
                raise
            # Counted here, for reading Events would be one more right.
            count = self._counts.get(name, 1) + 1
            series = {"count": count, "lastObservedTime": body["eventTime"]}
            await self._client.patch_series(body, series)
        self._counts.pop(name, None)
        self._counts[name] = count
        if len(self._counts) > REMEMBERED:
            del self._counts[next(iter(self._counts))]


def event(occurrence: Occurrence, instance: str) -> Body:
    """The Event of an occurrence; the same occurrence has the same name, whoever reports it."""
    regarding = occurrence.regarding
    metadata = regarding["metadata"]
    identity = "\0".join(
        (metadata["uid"], occurrence.reason, occurrence.action, occurrence.note)
    ).encode()
    digest = hashlib.sha256(identity).hexdigest()[:_NAME_DIGITS]
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {"name": f"{metadata['name']}.{digest}", "namespace": metadata["namespace"]},
        "eventTime": micro_time.written(occurrence.at),
        "type": occurrence.severity,
        "reason": occurrence.reason,
        "action": occurrence.action,
        "note": _shortened(occurrence.note),
        "reportingController": REPORTER,
        "reportingInstance": instance,
        "regarding": {
            "apiVersion": regarding["apiVersion"],
            "kind": regarding["kind"],
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
    }


def _shortened(note: str) -> str:
    """At most as many bytes as the API server takes, cut between characters."""
    return note.encode()[:_NOTE_BYTES].decode(errors="ignore")
