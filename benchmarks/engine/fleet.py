"""Many ModelDeployments that are Full and settled, on an API server where nobody else acts.

One of them is rolled out in the world of the stories; the others are its copies under other names,
created with the statuses that controllers and a gateway would have written.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.kinds import DEPLOYMENT, HTTP_ROUTE, kind_of
from model_rollouts.cluster.requests import MERGE_PATCH, Requests
from tests.rollout.simulated_cluster import World

NAMESPACES = 40
IN_FLIGHT = 16
"""Objects that are made at once."""

Object = dict[str, Any]


def place(number: int) -> tuple[str, str]:
    """Namespace and name of a ModelDeployment."""
    return f"team-{number % NAMESPACES:02d}", f"arrival-{number:05d}"


def settled(versions: int) -> World:
    """A world in which `versions` were promoted, one after the other, and nothing is watched."""
    world = World()
    for version in range(1, versions + 1):
        world.edit(version=str(version), strategy__watch={"duration": "10s"})
        world.until("Full").run(20)
    return world


class Pattern:
    """What each ModelDeployment and its children look like."""

    def __init__(self, versions: int) -> None:
        world = settled(versions)
        self._text = json.dumps([world.obj, *world.objects.values()])
        self.objects = 1 + len(world.objects)
        """How many objects one ModelDeployment is, itself included."""

    def copy(self, number: int) -> Iterator[Object]:
        """The ModelDeployment of that number, and then its children."""
        namespace, name = place(number)
        text = self._text.replace("arrival", name).replace('"flights"', f'"{namespace}"')
        for obj in json.loads(text):
            metadata = obj["metadata"]
            for key in ("uid", "generation", "resourceVersion"):
                metadata.pop(key, None)
            yield obj


async def grow(
    client: ClusterClient,
    requests: Requests,
    pattern: Pattern,
    numbers: range,
    made: Callable[[], None],
) -> None:
    """Create the ModelDeployments of these numbers; `made` hears of each."""
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def one(number: int) -> None:
        async with slots:
            model, *children = pattern.copy(number)
            uid = await _make(client, requests, model)
            for child in children:
                child["metadata"]["ownerReferences"][0]["uid"] = uid
                await _make(client, requests, child)
            made()

    async with asyncio.TaskGroup() as tasks:
        for number in numbers:
            tasks.create_task(one(number))


async def _make(client: ClusterClient, requests: Requests, obj: Object) -> str:
    """Create an object with its status, and return its uid."""
    status = obj.pop("status", None)
    metadata = (await client.create(obj))["metadata"]
    if status is not None:
        kind = kind_of(obj)
        await requests.send(
            "PATCH",
            kind,
            kind.path(metadata["namespace"], metadata["name"], "status"),
            body={"status": _as_of(_complete(obj["kind"], status), metadata["generation"])},
            content_type=MERGE_PATCH,
        )
    return str(metadata["uid"])


def _complete(kind: str, status: Object) -> Object:
    """A status of the world with what it leaves out and a real API server asks for."""
    if kind == DEPLOYMENT.name:
        counts = dict.fromkeys(("replicas", "readyReplicas"), status["updatedReplicas"])
        return {**status, **counts}
    if kind == HTTP_ROUTE.name:
        for parent in status["parents"]:
            parent["controllerName"] = "example.com/gateway"
            for condition in parent["conditions"]:
                condition |= {"message": "", "lastTransitionTime": "2026-03-31T12:00:00Z"}
    return status


def _as_of(status: Any, generation: int) -> Any:
    """A status about that generation, in each place where it names one."""
    if isinstance(status, dict):
        return {
            key: generation if key == "observedGeneration" else _as_of(inner, generation)
            for key, inner in status.items()
        }
    return [_as_of(each, generation) for each in status] if isinstance(status, list) else status
