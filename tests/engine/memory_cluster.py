"""An API server of a few lines, for tests of what follows when it fails: each answer on demand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import DEPLOYMENT, MODEL_DEPLOYMENT, WATCHED, Kind, kind_of
from model_rollouts.cluster.watch import Changed, Listening, Sink

Body = dict[str, Any]
Hook = Callable[[str, Kind, str], Awaitable[None]]
"""Called with verb, kind and name before a request is done; an ApiError that it raises is the
answer."""


def error(status: int | None, message: str = "injected") -> ApiError:
    """An answer that is none of what was asked for."""
    return ApiError("PATCH", "/somewhere", status, message)


@dataclass(frozen=True)
class Page:
    """A whole list."""

    version: str
    items: Iterable[Body]


class Silent:
    """A watch of what never changes, as an `EventSource`."""

    async def run(self, sink: Sink) -> None:
        """Listen for ever."""
        sink(Listening())
        await asyncio.Event().wait()


class MemoryCluster:
    """Objects by kind and name, in one namespace; it is its own `ClusterClient` and watch."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Body] = {}
        self.requests: list[str] = []
        """Verb, kind and name of every request, done or not."""
        self.faults: dict[str, ApiError] = {}
        """What comes back for a request, as in `requests`; for its verb and kind, for all."""
        self.restless: tuple[str, str] | None = None
        """Kind and name of what others change all the time."""
        self.hook: Hook | None = None
        self.version = 100
        self._happened: asyncio.Queue[Changed] = asyncio.Queue()

    def put(self, obj: Mapping[str, Any]) -> Body:
        """Make an object be what is given, in a newer version."""
        kind, metadata = kind_of(obj), obj["metadata"]
        self.version += 1
        before = self.objects.get((kind.name, metadata["name"]), {})
        uid = metadata.get("uid") or before.get("metadata", {}).get("uid") or f"u{self.version}"
        own = {"uid": uid, "resourceVersion": str(self.version)}
        stored: Body = {**before, **obj, "metadata": {**metadata, **own}}
        self.objects[kind.name, metadata["name"]] = stored
        if kind in WATCHED:
            self._happened.put_nowait(Changed(kind, stored))
        return stored

    async def run(self, sink: Sink) -> None:
        """Tell `sink` what happens, as an `EventSource`."""
        sink(Listening())
        while True:
            sink(await self._happened.get())

    async def pages(
        self, kind: Kind, namespace: str | None, selector: str = "", *, fields: str = ""
    ) -> AsyncIterator[Page]:
        """All objects of a kind."""
        await self._asked("list", kind, "")
        found = [obj for (name, _), obj in self.objects.items() if name == kind.name]
        yield Page(str(self.version), found)

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Body | None:
        """The object, None when there is none; a restless one has always just been changed."""
        if (kind.name, name) == self.restless:
            self.put(self.objects[kind.name, name])
        await self._asked("get", kind, name)
        return self.objects.get((kind.name, name))

    async def create(self, body: Body) -> Body:
        """A new object."""
        kind, name = kind_of(body), body["metadata"]["name"]
        await self._asked("create", kind, name)
        if (kind.name, name) in self.objects:
            raise error(409, "it exists")
        return self.put(body)

    async def apply(
        self, body: Body, resource_version: str | None = None, *, force: bool = True
    ) -> Body:
        """An object as it is given."""
        kind, name = kind_of(body), body["metadata"]["name"]
        await self._asked("apply", kind, name)
        known = self.objects.get((kind.name, name))
        version = None if known is None else known["metadata"]["resourceVersion"]
        if resource_version not in (None, version) or (known is not None and not force):
            raise error(409, "the object has been modified")
        return self.put(body)

    async def dry_run_apply(self, body: Body) -> Body:
        """Nothing is kept."""
        await self._asked("try", kind_of(body), body["metadata"]["name"])
        return body

    async def replace_status(
        self, namespace: str, name: str, status: Mapping[str, Any], resource_version: str
    ) -> Body:
        """A ModelDeployment with another status."""
        await self._asked("status", MODEL_DEPLOYMENT, name)
        model = self.objects[MODEL_DEPLOYMENT.name, name]
        if model["metadata"]["resourceVersion"] != resource_version:
            raise error(409, "the object has been modified")
        return self.put({**model, "status": dict(status)})

    async def scale(self, namespace: str, deployment: str, replicas: int) -> Body:
        """A Deployment with other replicas."""
        await self._asked("scale", DEPLOYMENT, deployment)
        known = self.objects.get((DEPLOYMENT.name, deployment))
        if known is None:
            raise error(404, "not found")
        return self.put({**known, "spec": {**known["spec"], "replicas": replicas}})

    async def adopt(self, obj: Mapping[str, Any], reference: Mapping[str, Any]) -> Body:
        """An object with an owner."""
        await self._asked("adopt", kind_of(obj), obj["metadata"]["name"])
        metadata = {**obj["metadata"], "ownerReferences": [dict(reference)]}
        return self.put({**obj, "metadata": metadata})

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str | None = None) -> None:
        """No such object any more."""
        await self._asked("delete", kind, name)
        self.objects.pop((kind.name, name), None)

    async def patch_series(self, event: Body, series: Mapping[str, Any]) -> Body:
        """An Event that came again."""
        return self.put({**event, "series": dict(series)})

    async def _asked(self, verb: str, kind: Kind, name: str) -> None:
        words = (verb, kind.name, name)
        self.requests.append(" ".join(words))
        if self.hook is not None:
            await self.hook(verb, kind, name)
        for length in (3, 2):
            fault = self.faults.get(" ".join(words[:length]))
            if fault is not None:
                raise fault
