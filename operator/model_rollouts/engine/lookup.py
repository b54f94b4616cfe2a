"""Reads by name of what seems to be gone: a label or an annotation that vanished proves nothing.

Watches and lists tell of objects with our label only. One that lost it looks as if it were deleted,
and a route without its record as if nobody had a role.
"""

from collections.abc import Iterator

from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.kinds import CONTROLLER_REVISION, DEPLOYMENT, HTTP_ROUTE, Kind
from model_rollouts.engine.store import Key, Store, controller
from model_rollouts.resources.names import MANAGED_BY, MANAGED_BY_LABEL
from model_rollouts.resources.shapes import Body, Object
from model_rollouts.routes import record

ROLES = ("stable", "candidate", "previous")


async def look(
    client: ClusterClient, store: Store, kind: Kind, namespace: str, name: str
) -> Body | None:
    """Read an object into the store, and return it; None when there is none. Raises ApiError."""
    since = store.as_of(kind, namespace, name)
    found = await client.get(kind, namespace, name)
    store.read(kind, namespace, name, found, since)
    return found


def doubtful(store: Store, model: Object) -> list[tuple[Kind, str]]:
    """Kind and name of what has to be read before a plan is made for `model`; mostly nothing.

    An HTTPRoute that is missing although somebody serves, or that has no readable record although a
    status was written; what has lost our label, for nothing tells when it changes.
    """
    metadata, status = model["metadata"], model.get("status") or {}
    key = Key(metadata["namespace"], metadata["name"])
    found = store.unwatched(key)
    route = store.get(HTTP_ROUTE, *key)
    is_doubtful = status.get("stable") if route is None else status and _lost_record(route, model)
    if is_doubtful and (HTTP_ROUTE, key.name) not in found:
        found.append((HTTP_ROUTE, key.name))
    return found


def is_known(store: Store, model: Object, kind: Kind, name: str) -> bool:
    """Whether what could not be read is known from before: it is taken for what it was last."""
    namespace = model["metadata"]["namespace"]
    if not store.restore(kind, namespace, name):
        return False
    route = store.get(HTTP_ROUTE, namespace, name) if kind is HTTP_ROUTE else None
    return route is None or not _lost_record(route, model)


def _lost_record(route: Object, model: Object) -> bool:
    """Whether a route of `model` says of nobody which role it has."""
    owner, labels = controller(route), route["metadata"].get("labels") or {}
    if owner is None:
        is_ours = labels.get(MANAGED_BY_LABEL) == MANAGED_BY
    else:
        is_ours = owner["uid"] == model["metadata"]["uid"]
    return is_ours and record.read(route) is None


def missing(store: Store, model: Object) -> list[tuple[Kind, str]]:
    """Kind and name of what a role needs and the store does not have; mostly nothing."""
    namespace = model["metadata"]["namespace"]
    return [
        (kind, name)
        for name in sorted(set(_in_roles(store, model)))
        for kind in (CONTROLLER_REVISION, DEPLOYMENT)
        if not store.has(kind, namespace, name)
    ]


def _in_roles(store: Store, model: Object) -> Iterator[str]:
    """The revisions that have a role: by the record of the route, without one by the status."""
    metadata, status = model["metadata"], model.get("status") or {}
    route = store.get(HTTP_ROUTE, metadata["namespace"], metadata["name"])
    recorded = None if route is None else record.read(route)
    for role in ROLES:
        if recorded is not None:
            name = getattr(recorded, role)
        else:
            name = (status.get(role) or {}).get("revision")
        if name is not None:
            yield name
