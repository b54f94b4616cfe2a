"""Carries out what a plan asks for, in its order, and keeps what comes back.

What fails stops only what depends on it: evidence is in the status before the route that follows
from it, and nothing is told of a route that was not written.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any, NoReturn

from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.events import Occurrence
from model_rollouts.cluster.kinds import (
    DEPLOYMENT,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
    Kind,
    kind_named,
    kind_of,
)
from model_rollouts.engine.failures import STILL_UNDER_WAY
from model_rollouts.engine.lookup import look
from model_rollouts.engine.outcome import (
    Outcome,
    Undone,
    adoption,
    in_order,
    is_of_workloads,
    named,
)
from model_rollouts.engine.rights import Rights
from model_rollouts.engine.store import Key, Store
from model_rollouts.resources.names import Owner
from model_rollouts.resources.shapes import Body, Object
from model_rollouts.rollout import (
    Accompany,
    Action,
    Apply,
    Create,
    Delete,
    Emit,
    Scale,
    WriteRoute,
    WriteStatus,
)
from model_rollouts.routes import reader

SLOW_S = 5.0
"""After a write that failed so slowly, those of other workloads have to wait for the next pass."""

PATIENCE_S = 1.0
"""How long a write is waited for before anybody asks whether others are in a hurry."""

LATE_S = 5.0
"""How long a write of the route may take until it is told that no answer comes."""

ROUTE_TRIES = 3
"""How often a route that others annotate is read and written anew as it then is."""

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


class UnderWayError(Exception):
    """A write that takes long and that nobody waits for any more."""


@dataclass(slots=True)
class _Run:
    """One plan that is carried out: for whom, and from which state of things it was made."""

    key: Key
    model: Object
    version: str
    """Of the ModelDeployment; after a status was written, the one that came of it."""
    route: Object | None


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
        progress: Callable[[Key], None] = lambda key: None,
        rights: Rights | None = None,
    ) -> None:
        self._client = client
        self._store = store
        self._record = record
        self._clock = clock
        self._reach = reach
        self._told = told
        self._progress = progress
        self._rights = rights
        self._under_way: dict[str, asyncio.Future[None]] = {}
        """Writes that nobody waits for: those that have not ended, and those that failed since."""

    async def carry_out(
        self,
        model: Object,
        actions: Sequence[Action],
        *,
        failing: Sequence[str] = (),
        skip: Collection[str] = (),
        hurried: Callable[[], bool] = lambda: False,
        late: Callable[[str], None] = lambda name: None,
    ) -> Outcome:
        """Do `actions` for the ModelDeployment as it was seen, as far as each can be done.

        A status that is not written keeps the routes after it from being written, and events from
        being told; a route that is not written ends the plan. `failing` are the names of what
        failed before, the oldest failure first. What is to `skip` failed a moment ago.
        Once it is `hurried`, a write that takes long is left to end by itself, unless it is that of
        a route: the next plan may protect users. `late` hears of a write of the route that takes
        long, by its name.
        """
        metadata = model["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        run = _Run(key, model, metadata["resourceVersion"], None)
        if any(isinstance(each, WriteRoute) for each in actions):
            # Nothing was awaited since it was planned: this is the route that the plan has seen.
            run.route = self._store.get(HTTP_ROUTE, *key)
        outcome = Outcome()
        untold = slow = False
        ordered = list(in_order(actions, key, failing))
        for index, (action, name) in enumerate(ordered):
            if isinstance(action, Emit):
                if not untold:
                    self._emit(key, model, action)
                continue
            waits = (untold and isinstance(action, WriteRoute)) or (
                slow and is_of_workloads(action)
            )
            begun = self._clock()
            self._progress(key)
            if name in skip:
                outcome.waiting.append(name)
            elif not waits and await self._is_done(
                name, self._acted(name, run, action, hurried, late), outcome
            ):
                self._reached(action, [each for each, _ in ordered[index + 1 :]])
                continue
            outcome.is_whole = False
            outcome.left.append(action)
            if isinstance(action, WriteRoute):
                break
            untold |= isinstance(action, WriteStatus)
            slow |= is_of_workloads(action) and self._clock() - begun >= SLOW_S
        return outcome

    async def adopt(
        self,
        orphan: Object,
        owner: Owner,
        *,
        skip: Collection[str] = (),
        hurried: Callable[[], bool] = lambda: False,
    ) -> Outcome:
        """Make an object without a controller a child again, unless that is to `skip`.

        Once it is `hurried`, it is left to end by itself.
        """
        name, outcome = adoption(orphan), Outcome(is_whole=False)
        if name in skip:
            outcome.waiting.append(name)
            return outcome

        def adopting() -> Coroutine[Any, Any, None]:
            return self._write(orphan, self._client.adopt(orphan, owner.reference()))

        outcome.is_whole = await self._is_done(name, self._waited(name, adopting, hurried), outcome)
        if outcome.is_whole:
            _log.info("%s: owned by %s again", named(orphan), owner.name)
        return outcome

    async def drain(self) -> None:
        """Return when no write is under way that nobody waits for."""
        left = [each for each in self._under_way.values() if not each.done()]
        if left:
            await asyncio.wait(left)

    async def _is_done(self, name: str, doing: Coroutine[Any, Any, None], outcome: Outcome) -> bool:
        """Whether it was done; what became of it goes into `outcome`, whatever it failed with."""
        try:
            await doing
        except OutdatedError as error:
            _log.debug("outdated: %s: %s", name, error)
            outcome.undone.append(Undone(name, str(error), is_outdated=True))
        except UnderWayError as error:
            outcome.undone.append(Undone(name, str(error)))
        except ApiError as error:
            _log.warning("cannot %s: %s", name, error.answer)
            outcome.undone.append(Undone(name, error.answer, error.is_refusal))
        except Exception as error:
            _log.exception("cannot %s", name)
            answer = f"the operator failed with {type(error).__name__}: {error}"
            outcome.undone.append(Undone(name, answer))
        else:
            outcome.done.append(name)
            return True
        return False

    async def _acted(
        self,
        name: str,
        run: _Run,
        action: Action,
        hurried: Callable[[], bool],
        late: Callable[[str], None],
    ) -> None:
        """Do an action, and wait for it to its end only when it is a write of the route."""
        if not isinstance(action, WriteRoute):
            await self._waited(name, lambda: self._do(run, action), hurried)
            return
        doing = asyncio.ensure_future(self._do(run, action))
        try:
            if not (await asyncio.wait({doing}, timeout=LATE_S))[0]:
                late(name)
        except asyncio.CancelledError:
            doing.cancel()
            raise
        await doing

    async def _waited(
        self, name: str, write: Callable[[], Coroutine[Any, Any, None]], hurried: Callable[[], bool]
    ) -> None:
        """Wait for a write as long as nobody is in a hurry; raises UnderWayError."""
        if (before := self._under_way.get(name)) is not None:
            if not before.done():
                raise UnderWayError(STILL_UNDER_WAY)
            del self._under_way[name]
            # It failed, and this is the first who is told.
            await before
        doing = asyncio.ensure_future(write())
        try:
            while not (await asyncio.wait({doing}, timeout=PATIENCE_S))[0]:
                if hurried():
                    self._under_way[name] = doing
                    doing.add_done_callback(partial(self._ended, name))
                    raise UnderWayError(STILL_UNDER_WAY)
        except asyncio.CancelledError:
            doing.cancel()
            raise
        await doing

    def _ended(self, name: str, doing: asyncio.Future[None]) -> None:
        """What nobody waited for has ended; a failure is kept for the next pass that wants it."""
        if doing.cancelled() or doing.exception() is None:
            del self._under_way[name]

    async def _do(self, run: _Run, action: Action) -> None:
        key = run.key
        match action:
            case Create(body):
                await self._write(body, self._client.create(body))
            case Apply(body, resource_version, why):
                if why:
                    _log.info("%s: applying %s: %s", key, named(body), why)
                body = self._with_replicas(body)
                await self._write(body, self._client.apply(body, resource_version))
            case Accompany(body, plural):
                _log.info("%s: applying %s: the administrator wants it", key, named(body))
                await self._client.apply_as(Kind(body["apiVersion"], body["kind"], plural), body)
            case Scale(revision, replicas):
                await self._scale(key.namespace, revision, replicas)
            case Delete(kind, name):
                await self._delete(kind_named(kind), key.namespace, name)
            case WriteRoute():
                await self._write_route(run, action)
            case WriteStatus(status):
                run.version = await self._write_status(key, status, run.version)

    def _reached(self, action: Action, ahead: Sequence[Action]) -> None:
        if isinstance(action, WriteRoute):
            self._reach(CrashPoint.AFTER_ROUTE)
        elif isinstance(action, WriteStatus):
            route_follows = any(isinstance(each, WriteRoute) for each in ahead)
            self._reach(CrashPoint.AFTER_EVIDENCE if route_follows else CrashPoint.AFTER_STATUS)

    async def _write(self, body: Object, request: Coroutine[Any, Any, Body]) -> None:
        metadata = body["metadata"]
        kind = kind_of(body)
        place = kind, metadata["namespace"], metadata["name"]
        known = self._known(*place)
        try:
            self._store.put(kind, await request)
        except ApiError as error:
            if self._rights is not None and self._rights.may_not_write(error, kind, place[1]):
                return
            await self._look_again(error, *place, known)
        else:
            if self._rights is not None:
                self._rights.was_written(kind, place[1])

    async def _write_route(self, run: _Run, action: WriteRoute) -> None:
        key, version = run.key, action.resource_version
        if version is None:
            # One that is not known to be there is claimed and not taken: somebody may have made
            # one of this name a moment ago.
            await self._is_of_today(run)
            await self._write(action.body, self._client.apply(action.body, force=False))
        else:
            await self._take_route(run, action.body, version)
        self._told(key, action.move.value)
        _log.info("%s: route written", key, extra={"model": str(key), "move": action.move.value})

    async def _is_of_today(self, run: _Run) -> None:
        """Raise OutdatedError unless the ModelDeployment is still the one that the plan has seen.

        Without a route its status is all that tells who has which role, and a list or a watch may
        show it as it was before a version was rolled back.
        """
        found = await look(self._client, self._store, MODEL_DEPLOYMENT, *run.key)
        if found is None or _version(found) != run.version:
            raise OutdatedError(f"{run.key} has changed")

    async def _take_route(self, run: _Run, body: Body, version: str) -> None:
        """Write a route of this version, or of a later one in which nothing of ours has changed.

        Somebody may annotate it all the time: at last any version will do, of the same object. One
        that is gone is not made anew by a write that was meant for it, whatever its version.
        """
        assert run.route is not None  # the plan has seen it
        metadata = {**body["metadata"], "uid": run.route["metadata"]["uid"]}
        body = {**body, "metadata": metadata}
        for _ in range(ROUTE_TRIES):
            try:
                self._store.put(HTTP_ROUTE, await self._client.apply(body, version))
            except ApiError as error:
                found = await self._looked_at(error, HTTP_ROUTE, *run.key, version)
                if found is None or not reader.is_same(found, run.route):
                    raise OutdatedError(error.answer) from error
                version = found["metadata"]["resourceVersion"]
            else:
                return
        await self._write(body, self._client.apply(body))

    async def _write_status(self, key: Key, status: Body, version: str) -> str:
        try:
            written = await self._client.replace_status(*key, status, version)
        except ApiError as error:
            await self._look_again(error, MODEL_DEPLOYMENT, *key, version)
        self._store.put(MODEL_DEPLOYMENT, written)
        after: str = written["metadata"]["resourceVersion"]
        return after

    async def _scale(self, namespace: str, revision: str, replicas: int) -> None:
        known = self._known(DEPLOYMENT, namespace, revision)
        try:
            scaled = await self._client.scale(namespace, revision, replicas)
        except ApiError as error:
            await self._look_again(error, DEPLOYMENT, namespace, revision, known)
        else:
            self._store.put(DEPLOYMENT, scaled)

    async def _delete(self, kind: Kind, namespace: str, name: str) -> None:
        known = self._store.get(kind, namespace, name)
        uid = None if known is None else known["metadata"]["uid"]
        try:
            await self._client.delete(kind, namespace, name, uid)
        except ApiError as error:
            await self._look_again(error, kind, namespace, name, self._known(kind, namespace, name))
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

    def _known(self, kind: Kind, namespace: str, name: str) -> str | None:
        """The version of an object that is known, None when there is none."""
        known = self._store.get(kind, namespace, name)
        return None if known is None else _version(known)

    async def _look_again(
        self, error: ApiError, kind: Kind, namespace: str, name: str, known: str | None
    ) -> NoReturn:
        """Keep what is there in the place of a write that did not fit, and raise OutdatedError."""
        await self._looked_at(error, kind, namespace, name, known)
        raise OutdatedError(error.answer) from error

    async def _looked_at(
        self, error: ApiError, kind: Kind, namespace: str, name: str, known: str | None
    ) -> Body | None:
        """What is there in the place of a write that did not fit; raises `error` if it did.

        `known` is the version that the write was made for, None when there was no such object.
        """
        if not (error.is_conflict or error.is_missing):
            raise error
        try:
            found = await look(self._client, self._store, kind, namespace, name)
        except ApiError:
            raise error from None
        if (None if found is None else _version(found)) == known:
            # Nothing has changed that a plan could follow: somebody answers so whatever is sent.
            raise error
        return found


def _version(obj: Object) -> str:
    version: str = obj["metadata"]["resourceVersion"]
    return version
