"""Carries out what a plan asks for, in its order, and keeps what comes back."""

import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NoReturn

from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.events import Occurrence
from model_rollouts.cluster.kinds import (
    DEPLOYMENT,
    MODEL_DEPLOYMENT,
    Kind,
    kind_named,
    kind_of,
)
from model_rollouts.engine.store import Key, Store
from model_rollouts.resources.shapes import Body
from model_rollouts.rollout import (
    Action,
    Apply,
    Create,
    Delete,
    Emit,
    Scale,
    WriteRoute,
    WriteStatus,
)

_log = logging.getLogger(__name__)


class CrashPoint(StrEnum):
    """Moments between two writes, at which tests end the operator."""

    AFTER_EVIDENCE = "after-evidence"
    """The evidence of an advance is in the status, the route is not written yet."""
    AFTER_ROUTE = "after-route"
    """The route is written, the status is behind it."""
    AFTER_STATUS = "after-status"
    """The status is written and no route write follows."""


Reach = Callable[[CrashPoint], None]
Record = Callable[[Occurrence], None]
Told = Callable[[Key, str], None]
"""Hears of every transition: of which model, and the word for it."""


class OutdatedError(Exception):
    """What the plan was made from is no longer so; what is so now is in the store."""


class Executor:
    """Writes to the API server. Everything that comes back goes into the store at once."""

    def __init__(
        self,
        client: ClusterClient,
        store: Store,
        *,
        record: Record,
        clock: Callable[[], float],
        reach: Reach = lambda point: None,
        told: Told = lambda key, word: None,
    ) -> None:
        self._client = client
        self._store = store
        self._record = record
        self._clock = clock
        self._reach = reach
        self._told = told

    async def carry_out(self, model: Mapping[str, Any], actions: Sequence[Action]) -> None:
        """Do `actions` for the ModelDeployment as it was seen, and stop at the first that fails.

        Raises OutdatedError when something has changed since, ApiError for everything else.
        """
        metadata = model["metadata"]
        key, version = Key(metadata["namespace"], metadata["name"]), metadata["resourceVersion"]
        for index, action in enumerate(actions):
            match action:
                case Create(body):
                    await self._write(body, self._client.create(body))
                case Apply(body, resource_version, why):
                    if why:
                        _log.info("%s: applying %s: %s", key, _named(body), why)
                    body = self._with_replicas(body)
                    await self._write(body, self._client.apply(body, resource_version))
                case Scale(revision, replicas):
                    await self._scale(key.namespace, revision, replicas)
                case Delete(kind, name):
                    await self._delete(kind_named(kind), key.namespace, name)
                case WriteRoute():
                    await self._write_route(key, action)
                    self._reach(CrashPoint.AFTER_ROUTE)
                case WriteStatus(status):
                    version = await self._write_status(key, status, version)
                    ahead = any(isinstance(each, WriteRoute) for each in actions[index + 1 :])
                    self._reach(CrashPoint.AFTER_EVIDENCE if ahead else CrashPoint.AFTER_STATUS)
                case Emit():
                    self._emit(key, model, action)

    async def adopt(self, orphan: Mapping[str, Any], reference: Mapping[str, Any]) -> None:
        """Make an object without a controller a child again; errors as in `carry_out`."""
        await self._write(orphan, self._client.adopt(orphan, reference))
        _log.info("%s: owned by %s again", _named(orphan), reference["name"])

    async def _write(self, body: Mapping[str, Any], request: Coroutine[Any, Any, Body]) -> None:
        metadata = body["metadata"]
        kind = kind_of(body)
        try:
            self._store.put(kind, await request)
        except ApiError as error:
            await self._look_again(error, kind, metadata["namespace"], metadata["name"])

    async def _write_route(self, key: Key, action: WriteRoute) -> None:
        # A route that is not known to be there is claimed and not taken: somebody may have made
        # one of this name a moment ago.
        known = action.resource_version is not None
        request = self._client.apply(action.body, action.resource_version, force=known)
        await self._write(action.body, request)
        self._told(key, action.move.value)
        _log.info("%s: route written", key, extra={"model": str(key), "move": action.move.value})

    async def _write_status(self, key: Key, status: Body, version: str) -> str:
        try:
            written = await self._client.replace_status(*key, status, version)
        except ApiError as error:
            await self._look_again(error, MODEL_DEPLOYMENT, *key)
        self._store.put(MODEL_DEPLOYMENT, written)
        after: str = written["metadata"]["resourceVersion"]
        return after

    async def _scale(self, namespace: str, revision: str, replicas: int) -> None:
        try:
            scaled = await self._client.scale(namespace, revision, replicas)
        except ApiError as error:
            await self._look_again(error, DEPLOYMENT, namespace, revision)
        else:
            self._store.put(DEPLOYMENT, scaled)

    async def _delete(self, kind: Kind, namespace: str, name: str) -> None:
        known = self._store.get(kind, namespace, name)
        uid = None if known is None else known["metadata"]["uid"]
        try:
            await self._client.delete(kind, namespace, name, uid)
        except ApiError as error:
            await self._look_again(error, kind, namespace, name)
        if known is not None:
            self._store.remove(kind, known)

    def _with_replicas(self, body: Body) -> Body:
        """A Deployment that is applied again keeps its replicas.

        The first apply owned them together with the rest: left out of a later one, the API server
        would set them back to its default, and stop pods that serve.
        """
        if body["kind"] != DEPLOYMENT.name or "replicas" in body["spec"]:
            return body
        metadata = body["metadata"]
        known = self._store.get(DEPLOYMENT, metadata["namespace"], metadata["name"])
        if known is None:
            return body
        return {**body, "spec": {**body["spec"], "replicas": known["spec"]["replicas"]}}

    def _emit(self, key: Key, model: Mapping[str, Any], emit: Emit) -> None:
        self._told(key, emit.reason)
        _log.info(
            "%s: %s",
            key,
            emit.note,
            extra={"model": str(key), "reason": emit.reason, "action": emit.action},
        )
        at = datetime.fromtimestamp(self._clock(), UTC)
        severity = emit.severity.value
        self._record(Occurrence(model, severity, emit.reason, emit.action, emit.note, at))

    async def _look_again(self, error: ApiError, kind: Kind, namespace: str, name: str) -> NoReturn:
        """Keep what is there in the place of a write that did not fit, and raise OutdatedError."""
        if not (error.is_conflict or error.is_missing):
            raise error
        found = await self._client.get(kind, namespace, name)
        known = self._store.get(kind, namespace, name)
        if found is not None:
            self._store.put(kind, found)
        elif known is not None:
            self._store.remove(kind, known)
        raise OutdatedError(str(error)) from error


def _named(body: Mapping[str, Any]) -> str:
    metadata = body["metadata"]
    return f"{body['kind']} {metadata['namespace']}/{metadata['name']}"
