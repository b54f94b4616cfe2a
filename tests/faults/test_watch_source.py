"""A watch tells what happens, late, merged or not at all where a fault says so."""

import asyncio
import random
from collections.abc import Callable

import pytest

from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from model_rollouts.cluster.watch import Changed, Gone, Happening
from tests.faults import virtual_time
from tests.faults.api_server import ApiServer, Change
from tests.faults.refusals import Place
from tests.faults.virtual_time import now
from tests.faults.watch_source import Stale, WatchSource, Wire

PLACE = Place(MODEL_DEPLOYMENT, "flights", "arrival")

Disturbed = Callable[[Change], tuple[Wire, float] | None]


def nothing(change: Change) -> None:
    """Nothing happens to events."""


async def heard(
    disturbed: Disturbed, stale: Stale | None = None, server: ApiServer | None = None
) -> list[tuple[int, object]]:
    """What a watch tells of three writes and a deletion, a second after each other, and when."""
    server, told = server or ApiServer(), []

    def sink(happening: Happening) -> None:
        said: object = "listens"
        if isinstance(happening, Changed):
            said = happening.obj["spec"]["replicas"]
        elif isinstance(happening, Gone):
            said = "gone"
        told.append((round(now()), said))

    source = WatchSource(server, random.Random(1), stale, disturbed)
    running = asyncio.create_task(source.run(sink))
    await asyncio.sleep(1)
    for replicas in (1, 2, 3):
        body = {
            "apiVersion": MODEL_DEPLOYMENT.api_version,
            "kind": "ModelDeployment",
            "metadata": {},
            "spec": {"replicas": replicas},
        }
        server.apply(PLACE, body, "kubectl", force=True)
        await asyncio.sleep(1)
    server.delete(PLACE, "kubectl")
    await asyncio.sleep(60)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return told


@pytest.mark.parametrize(
    ("disturbed", "expected"),
    [
        pytest.param(
            nothing,
            [(0, "listens"), (1, 1), (2, 2), (3, 3), (4, "gone")],
            id="undisturbed",
        ),
        pytest.param(
            lambda change: (Wire.LATE, 10.0),
            [(0, "listens"), (11, 1), (12, 2), (13, 3), (14, "gone")],
            id="late",
        ),
        pytest.param(
            lambda change: (Wire.MERGED, 10.0), [(0, "listens"), (14, "gone")], id="merged"
        ),
        pytest.param(
            lambda change: (Wire.LOST, 0.0) if change.after is None else None,
            [(0, "listens"), (1, 1), (2, 2), (3, 3)],
            id="lost",
        ),
    ],
)
def test_events_come(disturbed: Disturbed, expected: list[object]) -> None:
    assert virtual_time.run(lambda: heard(disturbed)) == expected


def test_a_watch_that_is_behind_tells_what_happened_before_it_began() -> None:
    async def work() -> list[tuple[int, object]]:
        server = ApiServer()
        body = {"metadata": {}, "spec": {"replicas": 7}}
        made = server.create(PLACE, {"kind": "ModelDeployment", **body}, "kubectl")
        stale = Stale(int(made["metadata"]["resourceVersion"]) - 1, until=20.0)
        return await heard(nothing, stale, server)

    assert virtual_time.run(work)[:3] == [(0, "listens"), (20, 7), (20, 1)]
