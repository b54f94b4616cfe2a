"""Events on a real API server, and what happens when there are too many."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from model_rollouts.cluster import events
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.events import EventRecorder, Occurrence
from model_rollouts.cluster.kinds import EVENT
from tests.api.objects import changed
from tests.cluster.conftest import Test

NOW = datetime(2026, 3, 31, 12, 0, 0, tzinfo=UTC)

Run = Callable[[Test], None]


def occurrence(regarding: Any, note: str = "Promoted to 25 %.", minutes: int = 0) -> Occurrence:
    """Something that happened to `regarding`."""
    at = NOW + timedelta(minutes=minutes)
    return Occurrence(regarding, "Normal", "Advanced", "Advance", note, at)


async def record(client: ClusterClient, *occurrences: Occurrence) -> None:
    """Have them all written."""
    recorder = EventRecorder(client, "operator-1")
    for each in occurrences:
        recorder.record(each)
    writing = asyncio.create_task(recorder.run())
    await recorder.drain()
    writing.cancel()


async def written(client: ClusterClient, namespace: str) -> list[Any]:
    """The Events there are."""
    return [item async for page in client.pages(EVENT, namespace) for item in page.items]


def test_an_event_names_what_happened_and_to_whom(with_client: Run, namespace: str) -> None:
    async def test(client: ClusterClient) -> None:
        model = await client.create(changed({"metadata.namespace": namespace}))

        await record(client, occurrence(model))

        (event,) = await written(client, namespace)
        assert (event["type"], event["reason"], event["action"], event["note"]) == (
            *("Normal", "Advanced", "Advance"),
            "Promoted to 25 %.",
        )
        assert event["regarding"]["uid"] == model["metadata"]["uid"]
        assert event["eventTime"] == "2026-03-31T12:00:00.000000Z"

    with_client(test)


def test_the_same_again_raises_a_count(with_client: Run, namespace: str) -> None:
    async def test(client: ClusterClient) -> None:
        model = await client.create(changed({"metadata.namespace": namespace}))

        await record(client, *(occurrence(model, minutes=minutes) for minutes in range(4)))

        (event,) = await written(client, namespace)
        assert event["series"] == {
            "count": 4,
            "lastObservedTime": "2026-03-31T12:03:00.000000Z",
        }
        # An operator that did not write the first one still tells that it came again.
        await record(client, occurrence(model, minutes=9))
        (event,) = await written(client, namespace)
        assert event["series"]["lastObservedTime"] == "2026-03-31T12:09:00.000000Z"

    with_client(test)


def test_a_note_is_cut_to_what_the_api_server_takes(with_client: Run, namespace: str) -> None:
    async def test(client: ClusterClient) -> None:
        model = await client.create(changed({"metadata.namespace": namespace}))

        await record(client, occurrence(model, note="é" * 600))

        (event,) = await written(client, namespace)
        assert event["note"] == "é" * 512

    with_client(test)


def test_what_cannot_be_written_is_dropped_and_counted(with_client: Run) -> None:
    async def test(client: ClusterClient) -> None:
        dropped: list[None] = []
        recorder = EventRecorder(client, "operator-1", lambda: dropped.append(None))
        model = changed({"metadata.namespace": "not-there", "metadata.uid": "u"})
        recorder.record(occurrence(model))
        writing = asyncio.create_task(recorder.run())
        await recorder.drain()
        writing.cancel()

        assert len(dropped) == 1

    with_client(test)


def test_recording_never_waits(with_client: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "WAITING", 2)

    async def test(client: ClusterClient) -> None:
        dropped: list[None] = []
        recorder = EventRecorder(client, "operator-1", lambda: dropped.append(None))
        for _ in range(5):
            recorder.record(occurrence(changed({"metadata.namespace": "n"})))

        assert len(dropped) == 3

    with_client(test)
