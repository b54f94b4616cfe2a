"""The wire between one operator and the API server: what the client of Kubernetes is elsewhere.

It stands in the place of `kubernetes.aio.client.ApiClient`, so that everything above it is real:
repetition, limits in time, errors in words.
"""

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import aiohttp
import msgspec

from model_rollouts.cluster.client import MANAGER, SCALER
from model_rollouts.cluster.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    EVENT,
    GATEWAY,
    GATEWAY_CLASS,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
    POD,
    POD_DISRUPTION_BUDGET,
    SERVICE,
)
from model_rollouts.cluster.requests import APPLY, JSON_PATCH, READ_TIMEOUT, WRITE_TIMEOUT, YAML
from tests.faults.api_server import ApiServer
from tests.faults.field_owners import Object
from tests.faults.refusals import Place, RefusalError
from tests.faults.virtual_time import date, now

_PLURALS = {
    kind.plural: kind
    for kind in (
        MODEL_DEPLOYMENT,
        CONTROLLER_REVISION,
        DEPLOYMENT,
        SERVICE,
        HTTP_ROUTE,
        GATEWAY,
        GATEWAY_CLASS,
        EVENT,
        POD,
        POD_DISRUPTION_BUDGET,
    )
}

HAIR_S = 0.1

_FASTEST_S, _SLOWEST_S = 0.002, 0.03
"""What a request takes."""


class Verb(StrEnum):
    """What is done to an object: the verbs of RBAC, some of them split by what is changed."""

    GET = "get"
    LIST = "list"
    CREATE = "create"
    APPLY = "apply"
    TRY = "dry run of"
    SCALE = "scale"
    STATUS = "status of"
    PATCH = "patch"
    REPLACE = "replace"
    DELETE = "delete"

    @property
    def writes(self) -> bool:
        """Whether anything is changed by it."""
        return self not in (Verb.GET, Verb.LIST, Verb.TRY)


@dataclass(frozen=True)
class Asked:
    """One request."""

    verb: Verb
    place: Place
    query: Mapping[str, str]
    body: Any

    @property
    def action(self) -> str:
        """What faults and stories call it, such as `apply HTTPRoute`."""
        return f"{self.verb} {self.place.kind.name}"


@dataclass
class Answer:
    """What came back, as the client of Kubernetes hands it on."""

    status: int
    content: Object
    headers: Mapping[str, str] = field(default_factory=dict)

    async def read(self) -> bytes:
        """Its bytes."""
        return msgspec.json.encode(self.content)


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with one request.

    `status` None is a request that gets no answer within its time, or, when it is `done` all the
    same, one whose connection breaks before its answer comes.
    """

    status: int | None
    message: str = ""
    done: bool = False


Meet = Callable[[Asked], Trouble | None]
"""What goes wrong with a request, None when nothing does."""


@dataclass(frozen=True)
class Requested:
    """One request as the history keeps it: `status` None when no answer came."""

    begun: float
    ended: float
    asked: Asked
    status: int | None
    message: str
    trouble: Trouble | None
    life: int = 0
    """Which life of the operator asked: another one knows nothing of it."""


class Transport:
    """The connection of one life of the operator; after `cut` it never answers again."""

    user_agent = ""

    def __init__(
        self,
        server: ApiServer,
        dice: random.Random,
        *,
        meet: Meet,
        kept: Callable[[Requested], None],
        listed_at: Callable[[], int | None],
    ) -> None:
        self._server = server
        self._dice = dice
        self._meet = meet
        self._kept = kept
        self._listed_at = listed_at
        self._is_cut = False
        self.unanswered: list[float] = []
        """When requests began that meet trouble, of those that have no answer yet."""

    def cut(self) -> None:
        """The process at the other end is dead."""
        self._is_cut = True

    async def close(self) -> None:
        """Nothing is open."""

    async def param_serialize(
        self,
        verb: str,
        path: str,
        *,
        query_params: list[tuple[str, str]],
        header_params: Mapping[str, str],
        body: Any,
        auth_settings: list[str],
    ) -> tuple[Asked]:
        """The request."""
        return (_asked(verb, path, dict(query_params), header_params["Content-Type"], body),)

    async def call_api(self, asked: Asked, _request_timeout: Any) -> Answer:
        """The answer; raises what a broken connection raises."""
        begun = now()
        await self._wait(self._dice.uniform(_FASTEST_S, _SLOWEST_S))
        trouble = self._meet(asked)
        if trouble is not None:
            self.unanswered.append(begun)
        try:
            answer = await self._answered(asked, trouble, _request_timeout)
        finally:
            if trouble is not None:
                self.unanswered.remove(begun)
        status = None if answer is None else answer.status
        message = str((trouble and trouble.message) or "")
        if answer is not None and answer.status >= 400:
            message = str(answer.content.get("message"))
        self._kept(Requested(begun, now(), asked, status, message, trouble))
        await self._wait(self._dice.uniform(_FASTEST_S, _SLOWEST_S))
        if answer is None:
            raise aiohttp.ClientError(message or "the connection was closed")
        return answer

    async def _answered(
        self, asked: Asked, trouble: Trouble | None, timeout: aiohttp.ClientTimeout
    ) -> Answer | None:
        if trouble is None or trouble.done:
            answer = self._done(asked)
            return answer if trouble is None else None
        if trouble.status is None:
            # A hair before the caller gives it up, where that depends on a Lease.
            is_usual = timeout in (READ_TIMEOUT, WRITE_TIMEOUT)
            await self._wait((timeout.total or 0.0) - (0.0 if is_usual else HAIR_S))
            return None
        return _failure(trouble.status, "", trouble.message)

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self._is_cut:
            await asyncio.Event().wait()

    def _done(self, asked: Asked) -> Answer:
        try:
            return Answer(200, self._content(asked), {"Date": date()})
        except RefusalError as refusal:
            return _failure(refusal.status, refusal.reason, refusal.message)

    def _content(self, asked: Asked) -> Object:
        server, place, body = self._server, asked.place, asked.body
        manager = asked.query.get("fieldManager", "")
        match asked.verb:
            case Verb.GET:
                return server.get(place)
            case Verb.LIST:
                return self._list(asked)
            case Verb.CREATE:
                return server.create(place, body, manager)
            case Verb.APPLY | Verb.TRY:
                force = asked.query.get("force") == "true"
                is_dry = asked.verb is Verb.TRY
                return server.apply(place, body, manager, force=force, dry_run=is_dry)
            case Verb.STATUS:
                version, status = (each["value"] for each in body)
                return server.set_status(place, status, manager, version)
            case Verb.SCALE | Verb.PATCH:
                return server.merge(place, body, manager)
            case Verb.REPLACE:
                return server.replace(place, body, manager)
            case Verb.DELETE:
                uid = (body.get("preconditions") or {}).get("uid")
                foreground = body.get("propagationPolicy") == "Foreground"
                gone = server.delete(place, MANAGER, uid, foreground=foreground)
                return gone if foreground else {"kind": "Status", "status": "Success"}

    def _list(self, asked: Asked) -> Object:
        at = self._listed_at()
        namespace = asked.place.namespace or None
        selector = asked.query.get("labelSelector", "")
        items = [
            each
            for each in self._server.all(asked.place.kind, namespace, selector, at)
            if _has_fields(each, asked.query.get("fieldSelector", ""))
        ]
        version = self._server.version if at is None else at
        # Lists leave out what all of their items share.
        bare = [
            {key: value for key, value in each.items() if key not in ("apiVersion", "kind")}
            for each in items
        ]
        return {"metadata": {"resourceVersion": str(version)}, "items": bare}


def _has_fields(obj: Object, selector: str) -> bool:
    """Whether an object has the fields `selector` (`path=value,...`)."""
    for each in filter(None, selector.split(",")):
        path, _, value = each.partition("=")
        found: Any = obj
        for part in path.split("."):
            found = (found or {}).get(part)
        if found != value:
            return False
    return True


def _asked(method: str, path: str, query: Mapping[str, str], content_type: str, body: Any) -> Asked:
    parts = path.strip("/").split("/")[2 if path.startswith("/api/") else 3 :]
    namespace = ""
    if parts[0] == "namespaces":
        namespace, parts = parts[1], parts[2:]
    kind, name = _PLURALS[parts[0]], parts[1] if len(parts) > 1 else ""
    verb = _verb(method, name, query, content_type, is_status="status" in parts[2:])
    if verb is Verb.CREATE:
        body = json.loads(body) if content_type == YAML else body
        name = body["metadata"]["name"]
    return Asked(verb, Place(kind, namespace, name), query, body)


def _verb(
    method: str, name: str, query: Mapping[str, str], content_type: str, *, is_status: bool
) -> Verb:
    if method == "GET":
        return Verb.GET if name else Verb.LIST
    if method == "POST":
        return Verb.CREATE
    if method == "DELETE":
        return Verb.DELETE
    if method == "PUT":
        return Verb.REPLACE
    if content_type == APPLY:
        return Verb.TRY if "dryRun" in query else Verb.APPLY
    if is_status:
        assert content_type == JSON_PATCH
        return Verb.STATUS
    return Verb.SCALE if query.get("fieldManager") == SCALER else Verb.PATCH


def _failure(status: int, reason: str, message: str) -> Answer:
    content = {
        "kind": "Status",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": status,
    }
    return Answer(status, content, {"Date": date()})
