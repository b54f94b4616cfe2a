"""Who owns which field of an object: server-side apply, as far as the operator relies on it.

An object is taken as its leaves. A list is one leaf, as the lists of an HTTPRoute are; those that
Kubernetes merges by a key are taken apart by it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Path = tuple[str, ...]
Leaves = dict[Path, Any]
Object = dict[str, Any]

_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "ownerReferences": "uid",
}
"""Lists that are merged item by item, and what tells their items apart."""

_ITEM = "[]"
"""Before the key of an item in a path."""

_OF_NOBODY = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "managedFields",
    "name",
    "namespace",
)
"""Metadata that the API server keeps by itself."""


class Manager(NamedTuple):
    """Who writes, and whether by apply or by any other kind of write."""

    name: str
    applies: bool


Owners = Mapping[Manager, frozenset[Path]]


@dataclass(frozen=True)
class ConflictError(Exception):
    """Fields that others own and have otherwise."""

    managers: tuple[str, ...]
    paths: tuple[Path, ...]


def applied(
    live: Object, owners: Owners, manager: Manager, body: Object, *, force: bool
) -> tuple[Object, Owners]:
    """The object after `manager` has applied `body`, and who owns what then.

    What the manager applied before and does not any more goes, unless others own it too.
    Raises ConflictError without `force`.
    """
    has, wants = leaves(live), leaves(body)
    others = {each: paths for each, paths in owners.items() if each != manager}
    taken = {path for path, value in wants.items() if path in has and not _same(has[path], value)}
    blocking = {each.name for each, paths in others.items() if paths & taken}
    if blocking and not force:
        contested = taken & frozenset().union(*others.values())
        raise ConflictError(tuple(sorted(blocking)), tuple(sorted(contested)))
    kept = frozenset().union(*others.values())
    for path in owners.get(manager, frozenset()) - wants.keys() - kept:
        has.pop(path, None)
    others = {each: paths - taken for each, paths in others.items()}
    return _object(live, has | wants), _cleared({**others, manager: frozenset(wants)})


def updated(before: Object, after: Object, owners: Owners, manager: Manager) -> Owners:
    """Who owns what after `manager` has changed an object by another write than apply."""
    had, has = leaves(before), leaves(after)
    changed = frozenset(
        path for path, value in has.items() if path not in had or not _same(had[path], value)
    )
    gone = had.keys() - has.keys()
    others = {each: paths - changed - gone for each, paths in owners.items()}
    own = others.get(manager, frozenset()) | changed
    return _cleared({**others, manager: own})


def leaves(obj: Mapping[str, Any]) -> Leaves:
    """The fields that somebody can own."""
    metadata = {
        key: value for key, value in (obj.get("metadata") or {}).items() if key not in _OF_NOBODY
    }
    rest = {
        key: value
        for key, value in obj.items()
        if key not in ("apiVersion", "kind", "metadata", "status")
    }
    return dict(_leaves((), {"metadata": metadata, **rest}))


def _leaves(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves((*path, key), inner)
    elif path and (key := _KEYS.get(path[-1])) and isinstance(value, list) and value:
        for item in value:
            yield from _leaves((*path, f"{_ITEM}{item[key]}"), item)
    elif path:
        # An empty one may be filled: not that of the object.
        yield path, {} if isinstance(value, Mapping) else value


def _object(live: Object, fields: Leaves) -> Object:
    """The object with these leaves, and with what the API server keeps in it."""
    tree: Object = {}
    for path, value in fields.items():
        inside = tree
        for key in path[:-1]:
            if not isinstance(inside.get(key), dict):
                inside[key] = {}
            inside = inside[key]
        inside[path[-1]] = value
    made: Object = {key: live[key] for key in ("apiVersion", "kind") if key in live}
    made |= _with_lists(tree)
    kept = {key: live["metadata"][key] for key in _OF_NOBODY if key in live.get("metadata", {})}
    made["metadata"] = made.get("metadata", {}) | kept
    if "status" in live:
        made["status"] = live["status"]
    return made


def _with_lists(tree: Any) -> Any:
    """The tree with lists where their items stand."""
    if not isinstance(tree, dict):
        return tree
    inner = {key: _with_lists(value) for key, value in tree.items()}
    is_list = bool(inner) and all(key.startswith(_ITEM) for key in inner)
    return list(inner.values()) if is_list else inner


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


def _cleared(owners: Mapping[Manager, frozenset[Path]]) -> Owners:
    return {each: paths for each, paths in owners.items() if paths}
