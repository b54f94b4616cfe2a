"""What works beside the operator: Deployments and their pods, the gateway, garbage collection."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from model_rollouts.cluster.kinds import DEPLOYMENT, HTTP_ROUTE, MODEL_DEPLOYMENT
from model_rollouts.resources.names import REVISION_LABEL, SHADOW_SUFFIX
from model_rollouts.routes import reader
from tests.faults.api_server import ApiServer, Change
from tests.faults.field_owners import Object
from tests.faults.kubelet import Kubelet
from tests.faults.refusals import Place
from tests.faults.users import Users
from tests.gateways import ENVOY_GATEWAY
from tests.rollout.simulated_cluster import parent_status

READY_S = 8.0
"""How long pods take to be ready, and believed."""

CONTROLLER = "kube-controller-manager"
GATEWAY = "gateway"


@dataclass
class Condition:
    """How the cluster is, as faults have it. Versions are those of the model."""

    ready_s: dict[str, float] = field(default_factory=dict)
    """How long pods of a version take; infinite when they are never ready."""
    accepts_s: float = 0.2
    """How long the gateway takes for a route."""
    refuses_mirrors: bool = False
    drain: Callable[[str, float], None] = lambda version, seconds: None
    """Evicts the pods of a version, for so many seconds."""


class Controllers:
    """Hears of each write as it is done, and does its part a little later."""

    def __init__(
        self,
        server: ApiServer,
        dice: random.Random,
        condition: Condition,
        users: Callable[[str], Users],
    ) -> None:
        self._server = server
        self._dice = dice
        self._condition = condition
        self._users = users
        self._kubelet = Kubelet(server)
        self._asked: dict[Place, tuple[int, int]] = {}
        server.listeners.append(self._hear)
        condition.drain = self._drain

    def _hear(self, change: Change) -> None:
        kind = change.place.kind
        if kind is DEPLOYMENT:
            self._deployment(change)
        elif kind is HTTP_ROUTE:
            self._route(change)
        elif kind is MODEL_DEPLOYMENT:
            self._model(change)
        if change.after is not None and _owners(change.before or {}) != _owners(change.after):
            self._later(2.0, lambda: self._collect_orphan(change.place))

    def _later(self, seconds: float, work: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds * self._dice.uniform(0.5, 1.5), work)

    # Deployments and their pods

    def _deployment(self, change: Change) -> None:
        place, after = change.place, change.after
        if after is None:
            self._asked.pop(place, None)
            self._ready(place, change.before or {}, 0)
            self._kubelet.follows(change.before or {}, 0, 0)
            return
        generation, asked = after["metadata"]["generation"], after["spec"]["replicas"]
        if generation == self._asked.get(place, (0, 0))[0]:
            return
        self._asked[place] = generation, asked
        ready = min(asked, (after.get("status") or {}).get("availableReplicas", 0))
        self._later(0.1, lambda: self._tell(place, ready))
        if ready < asked:
            version = version_of(after)
            takes = self._condition.ready_s.get(version, READY_S)
            if takes < float("inf"):
                self._later(takes, lambda: self._tell(place, asked))

    def _drain(self, version: str, seconds: float) -> None:
        for found in self._server.all(DEPLOYMENT):
            # A Deployment that was just written has no pods yet, and no status.
            if version_of(found) == version and found.get("status") and found["spec"]["replicas"]:
                place = Place(
                    DEPLOYMENT, *(found["metadata"][key] for key in ("namespace", "name"))
                )
                status = {**found["status"], "readyReplicas": 0, "availableReplicas": 0}
                self._ready(place, found, 0)
                self._kubelet.evict(found)
                self._kubelet.follows(found, found["spec"]["replicas"], 0)
                self._server.set_status(place, status, CONTROLLER)
                self._later(seconds, partial(self._tell, place, found["spec"]["replicas"]))

    def _tell(self, place: Place, ready: int) -> None:
        """Write the status with so many ready pods, no more than are asked for by now."""
        found = self._server.find(*place)
        if found is None or place not in self._asked:
            return
        generation, asked = self._asked[place]
        before = (found.get("status") or {}).get("availableReplicas", 0)
        ready = min(asked, max(ready, min(before, asked)))
        status = {
            "observedGeneration": generation,
            "replicas": asked,
            "updatedReplicas": asked,
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
        self._ready(place, found, ready)
        self._kubelet.follows(found, asked, ready)
        self._server.set_status(place, status, CONTROLLER)

    def _ready(self, place: Place, deployment: Object, pods: int) -> None:
        revision = deployment["metadata"].get("labels", {}).get(REVISION_LABEL, place.name)
        self._users(place.name.rpartition("-")[0]).starts(revision, version_of(deployment), pods)

    # The gateway

    def _route(self, change: Change) -> None:
        place, after = change.place, change.after
        if after is None:
            self._later(self._condition.accepts_s, lambda: self._programmed(place, None))
        elif _generation(change.before) != _generation(after):
            self._later(self._condition.accepts_s, lambda: self._programmed(place, after))

    def _programmed(self, place: Place, route: Object | None) -> None:
        """Send users as the route says, unless there is a newer one."""
        present = self._server.find(*place)
        if _generation(present) != _generation(route) or _uid(present) != _uid(route):
            return
        users = self._users(place.name)
        if present is None:
            users.splits({}, ("", 0))
            return
        mirror = reader.mirror(present)
        refused = self._condition.refuses_mirrors and mirror is not None
        if not refused:
            service, percent = mirror or ("", 0)
            users.splits(reader.weights(present), (service.removesuffix(SHADOW_SUFFIX), percent))
        parent = parent_status(present, ENVOY_GATEWAY, refused=refused)
        self._server.set_status(place, {"parents": [parent]}, GATEWAY)

    # Garbage collection

    def _model(self, change: Change) -> None:
        if change.after is None:
            assert change.before is not None
            uid = change.before["metadata"]["uid"]
            self._later(1.5, lambda: self._collect(uid))
        elif change.after["metadata"].get("deletionTimestamp"):
            uid = change.after["metadata"]["uid"]
            self._later(0.5, lambda: self._collect(uid))
            self._later(2.0, lambda: self._finish(change.place, uid))

    def _collect(self, uid: str) -> None:
        for place, obj in self._server.everything():
            if uid in _owners(obj):
                self._later(0.5, partial(self._collect_orphan, place))

    def _collect_orphan(self, place: Place) -> None:
        """Delete an object whose owners are all gone, or on their way."""
        found = self._server.find(*place)
        if found is None or not _owners(found):
            return
        living = {
            each["metadata"]["uid"]
            for each in self._server.all(MODEL_DEPLOYMENT)
            if not each["metadata"].get("deletionTimestamp")
        }
        if living.isdisjoint(_owners(found)):
            self._server.delete(place, CONTROLLER)

    def _finish(self, place: Place, uid: str) -> None:
        found = self._server.find(*place)
        if found is not None and _uid(found) == uid:
            self._server.delete(place, CONTROLLER)


def version_of(deployment: Mapping[str, object]) -> str:
    """The version that a Deployment serves: the tag of the model's image."""
    spec: Object = deployment["spec"]  # type: ignore[assignment]
    containers = spec["template"]["spec"]["containers"]
    image: str = next(each["image"] for each in containers if each["name"] == "model")
    return image.rpartition(":")[2]


def _owners(obj: Object) -> set[str]:
    return {each["uid"] for each in obj.get("metadata", {}).get("ownerReferences") or ()}


def _generation(obj: Object | None) -> int | None:
    return None if obj is None else obj["metadata"]["generation"]


def _uid(obj: Object | None) -> str | None:
    return None if obj is None else obj["metadata"]["uid"]
