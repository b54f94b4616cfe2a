"""The objects of a cluster: each method is one request and gives the object as it then is.

Everything that the operator owns of an object is applied server-side as one field manager. What
belongs to somebody else is taken only where the caller says so.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import msgspec

from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    MODEL_DEPLOYMENT,
    TOKEN_REVIEW,
    Kind,
    kind_of,
)
from model_rollouts.cluster.requests import APPLY, JSON, JSON_PATCH, MERGE_PATCH, YAML, Requests
from model_rollouts.resources.shapes import Body

MANAGER = "model-rollouts"
SCALER = "model-rollouts-scale"
"""Replicas have a field manager of their own: applying a rendering without them leaves them."""

PAGE = 500
FIRST_PAGE = 50
PAGE_BYTES = 2_000_000
"""A page has so many objects at most, so many where nothing is known of their size, and then as
many as make about so many bytes: a revision may be 1 MB, and memory that was taken is kept."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; `version` is that of the whole list and the same on each page.

    Its objects are decoded one by one as they are asked for: all at once they would take ten times
    the memory of their text, which is megabytes already.
    """

    kind: Kind
    version: str
    texts: Sequence[msgspec.Raw]

    @property
    def items(self) -> Iterator[Body]:
        """The objects."""
        for text in self.texts:
            # Lists leave out what all of their items share.
            shared = {"apiVersion": self.kind.api_version, "kind": self.kind.name}
            yield msgspec.json.decode(text) | shared


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    """A list as the API server sends it; Go writes no items as null."""

    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: list[msgspec.Raw] | None = None


def _limit(page: Sequence[msgspec.Raw]) -> int:
    """How many objects the next page may have, by those of the last one."""
    size = sum(len(each) for each in page)
    return max(1, min(PAGE, PAGE_BYTES * len(page) // max(size, 1)))


class ClusterClient:
    """All methods raise ApiError, which says what was asked, of what, and what came back."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._requests.close()

    async def pages(
        self, kind: Kind, namespace: str | None, selector: str = "", *, fields: str = ""
    ) -> AsyncIterator[Page]:
        """All objects of a kind in a namespace, or in all of them, as of one moment.

        `selector` is one of labels, `fields` one of fields.

        A list that takes so long that its moment is forgotten ends in an ApiError of status 410.
        """
        query = {"labelSelector": selector} if selector else {}
        query |= {"fieldSelector": fields} if fields else {}
        limit = min(FIRST_PAGE, PAGE)
        while True:
            query["limit"] = str(limit)
            answer = await self._requests.read(
                kind, kind.path(namespace), query, _List, repeats="continue" in query
            )
            yield Page(kind, answer.metadata.resource_version, answer.items or [])
            if not answer.metadata.continue_:
                return
            query["continue"] = answer.metadata.continue_
            limit = _limit(answer.items or [])

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Body | None:
        """The object, None when there is none."""
        try:
            return await self._requests.send("GET", kind, kind.path(namespace, name))
        except ApiError as error:
            if error.is_missing:
                return None
            raise

    async def review_token(self, token: str, audience: str) -> Body:
        """What the API server says of a token that is meant for `audience`: the review's status."""
        body = {
            "apiVersion": TOKEN_REVIEW.api_version,
            "kind": TOKEN_REVIEW.name,
            "spec": {"token": token, "audiences": [audience]},
        }
        review = await self._requests.send("POST", TOKEN_REVIEW, TOKEN_REVIEW.path(None), body=body)
        status: Body = review.get("status") or {}
        return status

    async def create(self, body: Body) -> Body:
        """Create an object; that it exists is an ApiError of status 409."""
        kind = kind_of(body)
        path = kind.path(body["metadata"].get("namespace"))
        # The data of a ControllerRevision are kept as the bytes that come, and may not change: a
        # patch, also one of its owners by Kubernetes, is taken when they are what the API server
        # itself would write. Of YAML it writes them.
        content_type = YAML if kind is CONTROLLER_REVISION else JSON
        return await self._requests.send(
            "POST",
            kind,
            path,
            query={"fieldManager": MANAGER},
            body=body,
            content_type=content_type,
        )

    async def apply(
        self, body: Body, resource_version: str | None = None, *, force: bool = True
    ) -> Body:
        """Make what we own of an object be `body`; create the object when there is none.

        Fields of `body` that others own are taken from them; without `force`, that there are such
        fields is an ApiError of status 409. So is an object that has another version than
        `resource_version`.
        """
        if resource_version is not None:
            metadata = {**body["metadata"], "resourceVersion": resource_version}
            body = {**body, "metadata": metadata}
        return await self._apply(kind_of(body), body, {"force": "true"} if force else {})

    async def apply_as(self, kind: Kind, body: Body) -> Body:
        """`apply` an object of a kind that is not ours, whoever else owns fields of it."""
        return await self._apply(kind, body, {"force": "true"})

    async def dry_run_apply(self, body: Body) -> Body:
        """What `apply` would give; nothing is kept."""
        return await self._apply(kind_of(body), body, {"force": "true", "dryRun": "All"})

    async def replace_status(
        self, namespace: str, name: str, status: Mapping[str, Any], resource_version: str
    ) -> Body:
        """Replace the whole status of a ModelDeployment, and nothing else of it.

        That the object has changed since `resource_version` is an ApiError of status 409.
        """
        patch = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version},
            # "add" also replaces: what the new status does not have is gone.
            {"op": "add", "path": "/status", "value": dict(status)},
        ]
        return await self._patch(MODEL_DEPLOYMENT, namespace, name, patch, JSON_PATCH, "status")

    async def scale(self, namespace: str, deployment: str, replicas: int) -> Body:
        """Set the replicas of a Deployment, and nothing else of it."""
        patch = {"spec": {"replicas": replicas}}
        return await self._patch(
            DEPLOYMENT, namespace, deployment, patch, MERGE_PATCH, manager=SCALER
        )

    async def adopt(self, obj: Mapping[str, Any], reference: Mapping[str, Any]) -> Body:
        """Add an owner to an object that has not changed since it was read."""
        metadata = obj["metadata"]
        owners = [*metadata.get("ownerReferences", ()), dict(reference)]
        change = {"resourceVersion": metadata["resourceVersion"], "ownerReferences": owners}
        return await self._patch(
            kind_of(obj),
            metadata["namespace"],
            metadata["name"],
            {"metadata": change},
            MERGE_PATCH,
        )

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str | None = None) -> None:
        """Delete an object, only the one of that `uid` when it is given; gone already is fine."""
        options: Body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
        }
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            await self._requests.send("DELETE", kind, kind.path(namespace, name), body=options)
        except ApiError as error:
            if not error.is_missing:
                raise

    async def patch_series(self, event: Body, series: Mapping[str, Any]) -> Body:
        """Set how often an Event came again."""
        metadata = event["metadata"]
        return await self._patch(
            kind_of(event),
            metadata["namespace"],
            metadata["name"],
            {"series": dict(series)},
            MERGE_PATCH,
        )

    async def _apply(self, kind: Kind, body: Body, options: Mapping[str, str]) -> Body:
        metadata = body["metadata"]
        path = kind.path(metadata.get("namespace"), metadata["name"])
        query = {"fieldManager": MANAGER, **options}
        return await self._requests.send(
            "PATCH", kind, path, query=query, body=body, content_type=APPLY
        )

    async def _patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        patch: Any,
        content_type: str,
        subresource: str = "",
        manager: str = MANAGER,
    ) -> Body:
        path = kind.path(namespace, name, subresource)
        query = {"fieldManager": manager}
        return await self._requests.send(
            "PATCH", kind, path, query=query, body=patch, content_type=content_type
        )
