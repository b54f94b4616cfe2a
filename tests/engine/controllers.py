"""What kube-controller-manager and a gateway would do, for the objects of one namespace."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import aiohttp

from e2e.fixtures import ApiServer
from model_rollouts.cluster.kinds import (
    DEPLOYMENT,
    GATEWAY,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
    Kind,
    kind_named,
)
from model_rollouts.resources import names
from model_rollouts.resources.edges import thresholds_ms
from model_rollouts.resources.pod import bootstrap_text
from model_rollouts.resources.statistics import edges_ms
from model_rollouts.routes import reader
from tests.engine.standin_prometheus import StandinPrometheus
from tests.gateways import ENVOY_GATEWAY

LOOK_S = 0.05
TOO_EARLY = HTTPStatus.TOO_MANY_REQUESTS
"""How an API server that has just got a kind of objects answers to a watch or a list of it."""

IMAGE = "registry.example.com/m"

Object = dict[str, Any]


class Direct:
    """Requests of others to the API server, with the administrator's rights."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self.namespace = namespace
        self._session = aiohttp.ClientSession(
            server.url,
            headers={"Authorization": f"Bearer {server.token}"},
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(server.ca))),
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close its connections."""
        await self._session.close()

    async def all(self, kind: Kind) -> list[Object]:
        """All objects of a kind."""
        while True:
            async with self._session.get(kind.path(self.namespace)) as answer:
                if answer.status != TOO_EARLY:
                    answer.raise_for_status()
                    found: list[Object] = (await answer.json())["items"]
                    return found
            await asyncio.sleep(LOOK_S)

    async def get(self, kind: Kind, name: str) -> Object:
        """An object."""
        async with self._session.get(kind.path(self.namespace, name)) as answer:
            answer.raise_for_status()
            found: Object = await answer.json()
            return found

    async def tell(self, kind: Kind, name: str, status: Mapping[str, Any] | None) -> None:
        """Merge `status` into that of an object; None wipes it."""
        await self.merge(kind, name, {"status": status}, "status")

    async def merge(self, kind: Kind, name: str, patch: Object, subresource: str = "") -> None:
        """Merge a patch into an object; one that was deleted since it was listed needs none.

        Nor does one that is written all the time: whoever has a loop comes back to it.
        """
        async with self._session.patch(
            kind.path(self.namespace, name, subresource),
            data=json.dumps(patch),
            headers={"Content-Type": "application/merge-patch+json"},
        ) as answer:
            if answer.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                assert answer.ok, await answer.text()

    async def delete(self, kind: Kind, obj: Object) -> None:
        """Delete this object, and no other of its name."""
        metadata = obj["metadata"]
        async with self._session.delete(
            kind.path(self.namespace, metadata["name"]),
            json={
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "preconditions": {"uid": metadata["uid"]},
            },
        ) as answer:
            if answer.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                answer.raise_for_status()

    async def apply(self, obj: Object) -> None:
        """Apply an object as a person does."""
        path = kind_named(obj["kind"]).path(self.namespace, obj["metadata"]["name"])
        async with self._session.patch(
            path,
            params={"fieldManager": "person"},
            data=json.dumps(obj),
            headers={"Content-Type": "application/apply-patch+yaml"},
        ) as answer:
            assert answer.ok, await answer.text()

    async def make(self, kind: Kind, obj: Object) -> None:
        """Create an object."""
        async with self._session.post(kind.path(self.namespace), json=obj) as answer:
            assert answer.ok, await answer.text()

    async def end(self, kind: Kind, name: str) -> None:
        """Delete an object at once."""
        path = kind.path(self.namespace, name)
        async with self._session.delete(path, params={"gracePeriodSeconds": "0"}) as answer:
            answer.raise_for_status()

    async def versions(self, since: str) -> AsyncIterator[Object]:
        """Every ModelDeployment as it became, after the resource version `since`."""
        query = {"watch": "1", "resourceVersion": since}
        path = MODEL_DEPLOYMENT.path(self.namespace)
        while True:
            async with self._session.get(path, params=query, read_bufsize=2**20) as answer:
                if answer.status == TOO_EARLY:
                    await asyncio.sleep(LOOK_S)
                    continue
                answer.raise_for_status()
                async for line in answer.content:
                    told = json.loads(line)
                    assert told["type"] in ("ADDED", "MODIFIED", "DELETED"), told
                    if told["type"] != "DELETED":
                        yield told["object"]
                raise AssertionError("the watch ended")


class Controllers:
    """Makes pods ready and routes accepted, and tells the stand-in what follows for users."""

    def __init__(
        self, direct: Direct, prometheus: StandinPrometheus, gateway: str = ENVOY_GATEWAY
    ) -> None:
        self._gateway = gateway
        self._direct = direct
        self._prometheus = prometheus
        self._told: dict[tuple[Kind, str], tuple[str, int]] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            deployments = await self._direct.all(DEPLOYMENT)
            routes = await self._direct.all(HTTP_ROUTE)
            for name in self._gone(HTTP_ROUTE, routes):
                self._prometheus.splits({}, route=name)
            for name in self._gone(DEPLOYMENT, deployments):
                self._prometheus.ends(name)
            for deployment in self._changed(DEPLOYMENT, deployments):
                await self._deployment(deployment)
            for route in self._changed(HTTP_ROUTE, routes):
                await self._route(route)
            await asyncio.sleep(LOOK_S)

    def _gone(self, kind: Kind, found: list[Object]) -> list[str]:
        """The names of what was there, also when another object has the name by now.

        What it gave to users or pods ended with it: between two looks it may be made anew.
        """
        uids = {each["metadata"]["uid"] for each in found}
        gone = [
            name for (of, name), (uid, _) in self._told.items() if of is kind and uid not in uids
        ]
        for name in gone:
            del self._told[kind, name]
        return gone

    def _changed(self, kind: Kind, found: list[Object]) -> list[Object]:
        """What is to be looked at."""
        return [
            each
            for each in found
            if self._told.get((kind, each["metadata"]["name"])) != _state(each)
        ]

    async def _deployment(self, deployment: Object) -> None:
        name, replicas = deployment["metadata"]["name"], deployment["spec"]["replicas"]
        if replicas:
            self._prometheus.starts(name, _version(deployment), _counted_ms(deployment))
        else:
            self._prometheus.ends(name)
        counts = ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas")
        await self._tell(DEPLOYMENT, deployment, dict.fromkeys(counts, replicas))

    async def _route(self, route: Object) -> None:
        service, percent = reader.mirror(route) or ("", 0)
        shadowed = service.removesuffix(names.SHADOW_SUFFIX)
        name = route["metadata"]["name"]
        self._prometheus.splits(reader.weights(route), (shadowed, percent), route=name)
        generation = route["metadata"]["generation"]
        (parent,) = route["spec"]["parentRefs"]
        conditions = [
            {
                "type": type,
                "status": "True",
                "reason": type,
                "message": "",
                "observedGeneration": generation,
                "lastTransitionTime": "2026-03-31T12:00:00Z",
            }
            for type in ("Accepted", "ResolvedRefs")
        ]
        told = {
            "parentRef": {"group": GATEWAY.group, "kind": "Gateway", **parent},
            "controllerName": self._gateway,
            "conditions": conditions,
        }
        await self._tell(HTTP_ROUTE, route, {"parents": [told]})

    async def _tell(self, kind: Kind, obj: Object, status: Object) -> None:
        name, generation = obj["metadata"]["name"], obj["metadata"]["generation"]
        if kind is DEPLOYMENT:
            status = {"observedGeneration": generation, **status}
        await self._direct.tell(kind, name, status)
        self._told[kind, name] = _state(obj)


@contextlib.asynccontextmanager
async def background(work: Any) -> AsyncIterator[None]:
    """Runs a coroutine meanwhile; what ended it early is raised at the end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _state(obj: Object) -> tuple[str, int]:
    return obj["metadata"]["uid"], obj["metadata"]["generation"]


def _version(deployment: Object) -> str:
    """The version that a Deployment serves: the tag of the model's image."""
    images = [each["image"] for each in deployment["spec"]["template"]["spec"]["containers"]]
    (version,) = [image.rpartition(":")[2] for image in images if image.startswith(IMAGE)]
    return str(version)


def _counted_ms(deployment: dict[str, Any]) -> tuple[int, ...]:
    return thresholds_ms(edges_ms(bootstrap_text(deployment["spec"]["template"])))
