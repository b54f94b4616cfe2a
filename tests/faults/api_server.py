"""An API server in memory: versions, generations, server-side apply, a log to watch.

`test_api_server.py` holds it against a real one. Objects that it has given out are never changed.
"""

import bisect
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from model_rollouts.cluster.kinds import (
    DEPLOYMENT,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
    POD_DISRUPTION_BUDGET,
    Kind,
)
from tests.faults import field_owners, refusals
from tests.faults.field_owners import ConflictError, Manager, Object, Owners
from tests.faults.refusals import Place
from tests.faults.virtual_time import now, wall_ms

_GENERATIONS = (DEPLOYMENT, HTTP_ROUTE, MODEL_DEPLOYMENT, POD_DISRUPTION_BUDGET)
"""Kinds that count the changes of their spec, and have a status of its own."""

_CUSTOM = (HTTP_ROUTE, MODEL_DEPLOYMENT)

_KEPT = ("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp")


@dataclass(frozen=True)
class Change:
    """One entry of the log: an object before and after a write, None where there was none.

    `at` is when it was written, in seconds of the history, and `by` whom.
    """

    version: int
    at: float
    by: str
    place: Place
    before: Object | None
    after: Object | None


Mutator = Callable[[Place, Object], Object]
"""An admission webhook: what it makes of an object that is written."""


class ApiServer:
    """Every method is one request that is done at once; it raises RefusalError."""

    def __init__(self) -> None:
        self.version = 1
        self.log: list[Change] = []
        self.mutators: list[Mutator] = []
        self.listeners: list[Callable[[Change], None]] = []
        self._made = 0
        self._objects: dict[Place, Object] = {}
        self._owners: dict[Place, Owners] = {}

    # Reads

    def find(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """The object as it is, None when there is none."""
        return self._objects.get(Place(kind, namespace, name))

    def get(self, place: Place) -> Object:
        """The object as it is."""
        found = self._objects.get(place)
        if found is None:
            raise refusals.missing(place)
        return found

    def all(
        self, kind: Kind, namespace: str | None = None, selector: str = "", at: int | None = None
    ) -> list[Object]:
        """The objects of a kind, as they are or as they were `at` a version."""
        objects = self._objects if at is None else self._at(at)
        return [
            obj
            for place, obj in sorted(objects.items(), key=lambda each: each[0].name)
            if place.kind is kind
            and namespace in (None, place.namespace)
            and is_selected(obj, selector)
        ]

    def everything(self) -> list[tuple[Place, Object]]:
        """All objects with their places."""
        return list(self._objects.items())

    def _at(self, version: int) -> dict[Place, Object]:
        objects: dict[Place, Object] = {}
        for change in self.log:
            if change.version > version:
                break
            if change.after is None:
                objects.pop(change.place, None)
            else:
                objects[change.place] = change.after
        return objects

    def since(self, version: int) -> list[Change]:
        """What has happened after a version, the oldest first."""
        begins = bisect.bisect_right(self.log, version, key=lambda change: change.version)
        return self.log[begins:]

    # Writes

    def create(self, place: Place, body: Object, manager: str) -> Object:
        """The object, which must not exist yet."""
        if place in self._objects:
            raise refusals.exists(place)
        owners = field_owners.updated({}, body, {}, Manager(manager, applies=False))
        return self._write(place, None, body, owners, manager)

    def apply(
        self, place: Place, body: Object, manager: str, *, force: bool, dry_run: bool = False
    ) -> Object:
        """Server-side apply; makes the object when there is none."""
        before = self._objects.get(place)
        wanted, uid = (body["metadata"].get(key) for key in ("resourceVersion", "uid"))
        if uid is not None and before is None:
            raise refusals.without_uid(place, uid)
        # Of an object that is gone the version says nothing: a real one makes it anew.
        if wanted is not None and before is not None and wanted != _version(before):
            raise refusals.outdated(place)
        if uid is not None and before is not None and uid != before["metadata"]["uid"]:
            raise refusals.another_uid(place, uid)
        if place.kind is DEPLOYMENT:
            refusals.require_typed(place, body)
        live = before or {"apiVersion": body["apiVersion"], "kind": body["kind"]}
        owners = self._owners.get(place, {})
        try:
            after, owners = field_owners.applied(
                live, owners, Manager(manager, applies=True), body, force=force
            )
        except ConflictError as error:
            raise refusals.contested(place, error) from error
        return self._write(place, before, after, owners, manager, dry_run=dry_run)

    def merge(self, place: Place, patch: Object, manager: str) -> Object:
        """A merge patch of everything but the status."""
        before = self.get(place)
        patch = {key: value for key, value in patch.items() if key != "status"}
        wanted = (patch.get("metadata") or {}).get("resourceVersion")
        if wanted is not None and wanted != _version(before):
            raise refusals.outdated(place)
        return self._update(place, before, _merged(before, patch), manager)

    def replace(self, place: Place, body: Object, manager: str) -> Object:
        """A PUT; of a custom resource it needs the version that it replaces."""
        before = self.get(place)
        wanted = body["metadata"].get("resourceVersion")
        if wanted is None and place.kind in _CUSTOM:
            raise refusals.without_version(place)
        if wanted is not None and wanted != _version(before):
            raise refusals.outdated(place)
        return self._update(place, before, body, manager)

    def set_status(
        self,
        place: Place,
        status: Mapping[str, Any] | None,
        manager: str,
        version: str | None = None,
    ) -> Object:
        """Replace the status and nothing else; with `version`, only of an object of that one."""
        before = self.get(place)
        if version is not None and version != _version(before):
            raise refusals.outdated(place)
        after = {key: value for key, value in before.items() if key != "status"}
        if status is not None:
            after["status"] = dict(status)
        return self._commit(place, before, after, self._owners[place], manager)

    def delete(
        self, place: Place, manager: str, uid: str | None = None, *, foreground: bool = False
    ) -> Object:
        """Delete an object; in the `foreground` it stays until its dependents are gone."""
        before = self.get(place)
        if uid is not None and uid != before["metadata"]["uid"]:
            raise refusals.another(place, uid, before["metadata"]["uid"])
        if not foreground:
            return self._commit(place, before, None, {}, manager)
        marked = {
            **before["metadata"],
            "deletionTimestamp": time_now(),
            "finalizers": ["foregroundDeletion"],
        }
        if place.kind in _GENERATIONS:
            marked["generation"] += 1
        after = {**before, "metadata": marked}
        return self._commit(place, before, after, self._owners[place], manager)

    def _update(self, place: Place, before: Object, body: Object, manager: str) -> Object:
        after = {**body, "metadata": _with_kept(body["metadata"], before["metadata"])}
        after.pop("status", None)
        if "status" in before:
            after["status"] = before["status"]
        owners = field_owners.updated(
            before, after, self._owners[place], Manager(manager, applies=False)
        )
        return self._write(place, before, after, owners, manager)

    def _write(
        self,
        place: Place,
        before: Object | None,
        after: Object,
        owners: Owners,
        manager: str,
        *,
        dry_run: bool = False,
    ) -> Object:
        """Admission, defaults and the generation, and then the write itself."""
        for mutate in self.mutators:
            after = mutate(place, after)
        if place.kind is DEPLOYMENT:
            after = _with_replicas(after)
        if before is None:
            after = self._fresh(place, after)
        elif place.kind in _GENERATIONS and _content(before) != _content(after):
            generation = before["metadata"]["generation"] + 1
            after = {**after, "metadata": {**after["metadata"], "generation": generation}}
        return after if dry_run else self._commit(place, before, after, owners, manager)

    def _fresh(self, place: Place, body: Object) -> Object:
        self._made += 1
        metadata = {
            key: value for key, value in body["metadata"].items() if key != "resourceVersion"
        }
        metadata |= {
            "name": place.name,
            "namespace": place.namespace,
            "uid": str(uuid.UUID(int=self._made)),
            "creationTimestamp": time_now(),
        }
        if place.kind in _GENERATIONS:
            metadata["generation"] = 1
        rest = {key: value for key, value in body.items() if key not in ("metadata", "status")}
        return {**rest, "metadata": metadata}

    def _commit(
        self,
        place: Place,
        before: Object | None,
        after: Object | None,
        owners: Owners,
        manager: str,
    ) -> Object:
        if before is not None and after is not None and _same(before, after):
            return before
        self.version += 1
        self._owners[place] = owners
        kept = after or before
        assert kept is not None
        kept = _at_version(kept, self.version)
        if after is None:
            del self._objects[place], self._owners[place]
            change = Change(self.version, now(), manager, place, kept, None)
        else:
            self._objects[place] = kept
            change = Change(self.version, now(), manager, place, before, kept)
        self.log.append(change)
        for listener in list(self.listeners):
            listener(change)
        return kept


def time_now() -> str:
    """The time, as objects have it."""
    at = datetime.fromtimestamp(wall_ms() // 1000, UTC)
    return at.isoformat().replace("+00:00", "Z")


def _with_replicas(deployment: Object) -> Object:
    """The one default that the operator would notice."""
    return {**deployment, "spec": {"replicas": 1, **deployment["spec"]}}


def is_selected(obj: Object | None, selector: str) -> bool:
    """Whether an object carries the labels `selector` (`name=value,...`); all do without one."""
    if obj is None or not selector:
        return obj is not None
    labels = obj["metadata"].get("labels") or {}
    wanted = (each.partition("=") for each in selector.split(","))
    return all(labels.get(name) == value for name, _, value in wanted)


def _version(obj: Object) -> str:
    version: str = obj["metadata"]["resourceVersion"]
    return version


def _at_version(obj: Object, version: int) -> Object:
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(version)}}


def _content(obj: Object) -> Object:
    """What a generation is about."""
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


def _same(one: Object, other: Object) -> bool:
    first, second = _at_version(one, 0), _at_version(other, 0)
    return first == second


def _with_kept(metadata: Object, before: Object) -> Object:
    free = {key: value for key, value in metadata.items() if key not in _KEPT}
    return free | {key: before[key] for key in _KEPT if key in before}


def _merged(before: Any, patch: Any) -> Any:
    """A merge patch (RFC 7386)."""
    if not isinstance(patch, Mapping):
        return patch
    kept = dict(before) if isinstance(before, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = _merged(kept.get(key), value)
    return kept
