"""The API server in memory does what a real one does: the same calls on both, step by step."""

import asyncio
import json
import random
import re
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import aiohttp
import pytest

from e2e.fixtures import ApiServer as RealApiServer
from model_rollouts.cluster import connection
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
    SERVICE,
    Kind,
    kind_of,
)
from model_rollouts.cluster.requests import JSON, MERGE_PATCH, Requests
from model_rollouts.cluster.watch import MANAGED_SELECTOR, Changed
from tests.api.objects import changed
from tests.faults.api_server import ApiServer
from tests.faults.field_owners import Object
from tests.faults.operator_process import requests_over
from tests.faults.transport import Transport
from tests.faults.watch_source import happening_of

_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

LABELS = {"app.kubernetes.io/managed-by": "model-rollouts", "of": "m"}
OTHERS = {"fieldManager": "others"}


class Side(Protocol):
    """One of the two API servers."""

    namespace: str
    client: ClusterClient
    requests: Requests

    async def events(self, kind: Kind, since: str) -> list[tuple[str, str]]:
        """What a watch by our label tells of `kind` since a version: what happened, and to whom."""


class InMemory:
    """The one of the histories."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.server = ApiServer()
        self.requests = requests_over(
            Transport(
                self.server,
                random.Random(1),
                meet=lambda asked: None,
                kept=lambda requested: None,
                listed_at=lambda: None,
            ),
            random.Random(1),
        )
        self.client = ClusterClient(self.requests)

    async def events(self, kind: Kind, since: str) -> list[tuple[str, str]]:
        """What its watches make of the log."""
        told = [
            (change.place.name, happening_of(change))
            for change in self.server.since(int(since))
            if change.place.kind is kind
        ]
        return [
            ("changed" if isinstance(each, Changed) else "gone", name)
            for name, each in told
            if each is not None
        ]


class OnServer:
    """A real one."""

    def __init__(self, server: RealApiServer, requests: Requests, namespace: str) -> None:
        self.namespace = namespace
        self.requests = requests
        self.client = ClusterClient(requests)
        self._server = server

    async def events(self, kind: Kind, since: str) -> list[tuple[str, str]]:
        """What a watch tells that begins there and ends after a second."""
        query = {
            "watch": "1",
            "resourceVersion": since,
            "labelSelector": MANAGED_SELECTOR,
            "timeoutSeconds": "1",
        }
        context = ssl.create_default_context(cafile=str(self._server.ca))
        found = []
        async with (
            aiohttp.ClientSession(
                self._server.url, connector=aiohttp.TCPConnector(ssl=context)
            ) as session,
            session.get(
                kind.path(self.namespace),
                params=query,
                headers={"Authorization": f"Bearer {self._server.token}"},
                read_bufsize=2**20,
            ) as answer,
        ):
            async for line in answer.content:
                told = json.loads(line)
                what = "gone" if told["type"] == "DELETED" else "changed"
                found.append((what, told["object"]["metadata"]["name"]))
        return found


class Observed:
    """What a caller can tell of each answer: whether it was done, and what it did to the object."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.seen: list[object] = []
        self.versions: dict[tuple[str, str], str] = {}

    async def __call__(self, request: Awaitable[Any]) -> Any:
        """Do it, and note it."""
        try:
            obj = await request
        except ApiError as error:
            self.seen.append((error.status, error.reason, _UID.sub("uid", error.message)))
            return None
        if obj is None:
            self.seen.append(None)
            return None
        metadata = obj.get("metadata") or {}
        key = obj.get("kind", ""), metadata.get("name", "")
        version = metadata.get("resourceVersion")
        grown = None
        if version is not None:
            before = self.versions.get(key)
            grown = before is None or int(version) > int(before)
            self.versions[key] = version
        self.seen.append((*key, metadata.get("generation"), grown, _shown(obj)))
        return obj

    async def patch(self, kind: Kind, name: str, patch: Object) -> Any:
        """A merge patch of somebody else."""
        path = kind.path(self.side.namespace, name)
        request = self.side.requests.send(
            "PATCH", kind, path, query=OTHERS, body=patch, content_type=MERGE_PATCH
        )
        return await self(request)

    async def put(self, body: Object) -> Any:
        """`kubectl replace` of somebody else."""
        kind = kind_of(body)
        path = kind.path(self.side.namespace, body["metadata"]["name"])
        request = self.side.requests.send(
            "PUT", kind, path, query=OTHERS, body=body, content_type=JSON
        )
        return await self(request)


def _shown(obj: Object) -> object:
    """The fields that the calls below are about."""
    spec, metadata = obj.get("spec") or {}, obj.get("metadata") or {}
    status = obj.get("status")
    phase = status.get("phase") if isinstance(status, dict) else None
    containers = (spec.get("template") or {}).get("spec", {}).get("containers", ())
    return (
        spec.get("replicas"),
        spec.get("hostnames"),
        [(each["name"], each.get("image"), each.get("env")) for each in containers],
        [
            [(backend["name"], backend.get("weight")) for backend in rule["backendRefs"]]
            for rule in spec.get("rules", ())
        ],
        [rule.get("timeouts") for rule in spec.get("rules", ())],
        metadata.get("labels"),
        metadata.get("annotations"),
        [each["name"] for each in metadata.get("ownerReferences", ())],
        phase,
        bool(metadata.get("deletionTimestamp")),
    )


def deployment(namespace: str, replicas: int | None, **container: Any) -> Object:
    """A Deployment of ours."""
    pod = {
        "metadata": {"labels": {"app": "m"}},
        "spec": {"containers": [{"name": "model", "image": "a", **container}]},
    }
    spec: Object = {"selector": {"matchLabels": {"app": "m"}}, "template": pod}
    if replicas is not None:
        spec["replicas"] = replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "m", "namespace": namespace, "labels": LABELS},
        "spec": spec,
    }


def route(namespace: str, weights: tuple[int, int], hostnames: list[str] | None = None) -> Object:
    """An HTTPRoute of ours."""
    backends = [
        {"name": f"m-{index}", "port": 80, "weight": weight} for index, weight in enumerate(weights)
    ]
    spec: Object = {"parentRefs": [{"name": "models"}], "rules": [{"backendRefs": backends}]}
    if hostnames:
        spec["hostnames"] = hostnames
    return {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": "HTTPRoute",
        "metadata": {
            "name": "m",
            "namespace": namespace,
            "labels": LABELS,
            "annotations": {"record": "1"},
        },
        "spec": spec,
    }


def revision(namespace: str, name: str = "r") -> Object:
    """A ControllerRevision of ours."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": name, "namespace": namespace, "labels": LABELS},
        "revision": 1,
        "data": {"a": 1},
    }


def service(namespace: str) -> Object:
    """A Service of ours."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "m", "namespace": namespace, "labels": LABELS},
        "spec": {"selector": {"app": "m"}, "ports": [{"name": "http", "port": 80}]},
    }


def model(namespace: str) -> Object:
    """A ModelDeployment."""
    return changed({"metadata.namespace": namespace, "spec.replicas": 2})


async def replicas_are_kept(see: Observed) -> None:
    client, namespace = see.side.client, see.side.namespace
    first = await see(client.apply(deployment(namespace, 2)))
    await see(client.apply(deployment(namespace, 2)))
    await see(client.scale(namespace, "m", 5))
    await see(client.scale(namespace, "m", 5))
    await see(client.apply(deployment(namespace, None, image="b")))
    await see(client.apply(deployment(namespace, None), first["metadata"]["resourceVersion"]))
    await see(client.get(DEPLOYMENT, namespace, "m"))


async def replicas_that_were_ours_alone_go(see: Observed) -> None:
    client, namespace = see.side.client, see.side.namespace
    await see(client.apply(deployment(namespace, 3)))
    await see(client.apply(deployment(namespace, None)))


async def what_others_add_stays(see: Observed) -> None:
    client, namespace = see.side.client, see.side.namespace
    await see(client.apply(deployment(namespace, 1)))
    await see.patch(DEPLOYMENT, "m", {"metadata": {"labels": {"their": "own"}}})
    await see(client.apply(deployment(namespace, 1, env=[{"name": "A", "value": "1"}])))
    await see(client.apply(deployment(namespace, 1)))


async def routes_are_written(see: Observed) -> None:
    client, namespace = see.side.client, see.side.namespace
    made = await see(client.apply(route(namespace, (90, 10), ["a.example.com"]), force=False))
    version = made["metadata"]["resourceVersion"]
    await see(client.apply(route(namespace, (50, 50)), version))
    await see(client.apply(route(namespace, (1, 99)), version))
    await see.patch(HTTP_ROUTE, "m", {"metadata": {"annotations": {"record": "2"}}})
    await see(client.apply(route(namespace, (50, 50)), force=False))
    await see(client.apply(route(namespace, (50, 50))))
    await see.patch(HTTP_ROUTE, "m", {"metadata": {"annotations": None}})
    await see(client.apply(route(namespace, (50, 50))))
    await see.patch(HTTP_ROUTE, "m", {"metadata": {"labels": {"of": None}}})
    await see(client.apply(route(namespace, (50, 50), ["b.example.com"])))


async def rules_that_others_changed_are_taken_back(see: Observed) -> None:
    client, namespace = see.side.client, see.side.namespace
    made = await see(client.apply(route(namespace, (90, 10))))
    rules = [{**made["spec"]["rules"][0], "timeouts": {"request": "30s"}}]
    await see.patch(HTTP_ROUTE, "m", {"spec": {"rules": rules}})
    await see(client.apply(route(namespace, (90, 10)), force=False))
    await see(client.apply(route(namespace, (90, 10))))


async def an_older_copy_is_put_back(see: Observed) -> None:
    client, namespace = see.side.client, see.side.namespace
    first = await see(client.apply(route(namespace, (90, 10))))
    second = await see(client.apply(route(namespace, (50, 50))))
    await see.put(route(namespace, (90, 10)))
    await see.put({**first, "metadata": {**first["metadata"]}})
    older = {**first, "metadata": {**second["metadata"], "annotations": {"record": "0"}}}
    await see.put(older)
    await see.put(older)
    await see(client.apply(route(namespace, (50, 50))))
    await see(client.delete(HTTP_ROUTE, namespace, "m"))
    await see.put(route(namespace, (90, 10)))


async def a_route_that_is_gone_has_no_version(see: Observed) -> None:
    client, namespace = see.side.client, see.side.namespace
    made = await see(client.apply(route(namespace, (90, 10))))
    await see(client.delete(HTTP_ROUTE, namespace, "m", made["metadata"]["uid"]))
    await see(client.apply(route(namespace, (50, 50)), made["metadata"]["resourceVersion"]))
    await see(client.get(HTTP_ROUTE, namespace, "m"))
    await see(client.scale(namespace, "none", 1))


async def a_route_of_this_uid_is_written(see: Observed) -> None:
    client, namespace = see.side.client, see.side.namespace
    made = await see(client.apply(route(namespace, (90, 10))))
    version, uid = made["metadata"]["resourceVersion"], made["metadata"]["uid"]
    meant = route(namespace, (50, 50))
    meant["metadata"]["uid"] = uid
    await see(client.apply(meant, version))
    await see(client.apply(meant))
    await see(client.delete(HTTP_ROUTE, namespace, "m", uid))
    await see(client.apply(meant, version))
    await see(client.apply(meant))
    await see(client.get(HTTP_ROUTE, namespace, "m"))
    await see(client.apply(route(namespace, (90, 10))))
    await see(client.apply(meant, version))
    await see(client.apply(meant))


async def statuses_are_replaced(see: Observed) -> None:
    client, namespace = see.side.client, see.side.namespace
    made = await see(client.create(model(namespace)))
    old = made["metadata"]["resourceVersion"]
    first = await see(client.replace_status(namespace, "arrival", {"phase": "Canary"}, old))
    await see(client.replace_status(namespace, "arrival", {"phase": "Full"}, old))
    new = first["metadata"]["resourceVersion"]
    await see(client.replace_status(namespace, "arrival", {"phase": "Canary"}, new))
    await see.patch(MODEL_DEPLOYMENT, "arrival", {"status": {"phase": "Full"}})
    await see.patch(MODEL_DEPLOYMENT, "arrival", {"spec": {"replicas": 3}})
    await see.patch(MODEL_DEPLOYMENT, "arrival", {"metadata": {"annotations": {"a": "1"}}})
    await see(client.replace_status(namespace, "arrival", {"phase": "Full"}, new))
    await see(client.replace_status(namespace, "none", {"phase": "Full"}, new))


async def kinds_without_generations(see: Observed) -> None:
    client, namespace = see.side.client, see.side.namespace
    await see(client.apply(service(namespace)))
    await see(client.apply(service(namespace)))
    await see.patch(SERVICE, "m", {"spec": {"selector": {"app": "n"}}})
    await see(client.create(revision(namespace)))
    await see(client.create(revision(namespace)))
    await see(client.delete(CONTROLLER_REVISION, namespace, "r", uid="another"))
    await see(client.delete(CONTROLLER_REVISION, namespace, "r"))
    await see(client.delete(CONTROLLER_REVISION, namespace, "r"))
    await see(client.get(CONTROLLER_REVISION, namespace, "r"))


async def orphans_are_adopted(see: Observed) -> None:
    client, namespace = see.side.client, see.side.namespace
    orphan = await see(client.create(revision(namespace)))
    reference = {
        "apiVersion": "modelrollouts.dev/v1alpha1",
        "kind": "ModelDeployment",
        "name": "arrival",
        "uid": "11111111-1111-1111-1111-111111111111",
        "controller": True,
    }
    await see(client.adopt(orphan, reference))
    await see(client.adopt(orphan, reference))
    await see.patch(CONTROLLER_REVISION, "r", {"metadata": {"ownerReferences": None}})


async def nothing_is_kept_of_a_dry_run(see: Observed) -> None:
    client, namespace = see.side.client, see.side.namespace
    await see(client.dry_run_apply(deployment(namespace, 1)))
    await see(client.get(DEPLOYMENT, namespace, "m"))
    await see(client.dry_run_apply(deployment(namespace, 1, livenesProbe={})))
    await see(client.apply(deployment(namespace, 1, livenesProbe={})))


async def a_deletion_in_the_foreground_takes_time(see: Observed) -> None:
    client, namespace = see.side.client, see.side.namespace
    await see(client.create(model(namespace)))
    path = MODEL_DEPLOYMENT.path(namespace, "arrival")
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground"}
    await see(see.side.requests.send("DELETE", MODEL_DEPLOYMENT, path, body=options))
    await see(client.get(MODEL_DEPLOYMENT, namespace, "arrival"))
    await see.patch(MODEL_DEPLOYMENT, "arrival", {"spec": {"replicas": 3}})


async def watches_tell_of_what_has_our_label(see: Observed) -> None:
    client, namespace = see.side.client, see.side.namespace
    made = await see(client.apply(route(namespace, (90, 10))))
    since = made["metadata"]["resourceVersion"]
    label = "app.kubernetes.io/managed-by"
    await see(client.apply(route(namespace, (90, 10))))
    await see(client.apply(route(namespace, (50, 50))))
    await see.patch(HTTP_ROUTE, "m", {"metadata": {"labels": {label: None}}})
    await see.patch(HTTP_ROUTE, "m", {"metadata": {"annotations": {"a": "1"}}})
    await see(client.apply(route(namespace, (50, 50))))
    await see(client.delete(HTTP_ROUTE, namespace, "m"))
    see.seen.append(await see.side.events(HTTP_ROUTE, since))


Calls = Callable[[Observed], Awaitable[None]]

CALLS: tuple[Calls, ...] = (
    replicas_are_kept,
    replicas_that_were_ours_alone_go,
    what_others_add_stays,
    routes_are_written,
    rules_that_others_changed_are_taken_back,
    an_older_copy_is_put_back,
    a_route_that_is_gone_has_no_version,
    a_route_of_this_uid_is_written,
    statuses_are_replaced,
    kinds_without_generations,
    orphans_are_adopted,
    nothing_is_kept_of_a_dry_run,
    a_deletion_in_the_foreground_takes_time,
    watches_tell_of_what_has_our_label,
)


@pytest.mark.parametrize("calls", CALLS, ids=lambda calls: calls.__name__)
def test_the_same_calls_have_the_same_answers(
    api_server: RealApiServer, namespace: str, calls: Calls
) -> None:
    async def on_server() -> list[object]:
        configuration = await connection.load(api_server.kubeconfig)
        requests = Requests(configuration, user_agent="test")
        see = Observed(OnServer(api_server, requests, namespace))
        try:
            await calls(see)
        finally:
            await requests.close()
        return see.seen

    async def in_memory() -> list[object]:
        see = Observed(InMemory(namespace))
        await calls(see)
        return see.seen

    assert asyncio.run(in_memory()) == asyncio.run(on_server())
