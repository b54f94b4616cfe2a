"""What the operator knows of the cluster: the newest version of each watched object.

Results of our own writes go in at once, so a pass never acts on a state older than its own writes.
What was gone is kept until the next list, for it may only have lost its label: see `restore`.
Objects are kept as JSON text, a tenth of the memory that they take as dicts, and packed. Those of a
kind are much alike, renderings with the configuration of a proxy above all: what an object has in
common with the first of its kind takes no memory. What was read last is kept as it was read: the
passes over a rollout that moves come every few seconds. Names and uids that many objects share are
kept once (`intern`).
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from sys import intern
from typing import Any, NamedTuple

import msgspec

from model_rollouts.api.replicas import ownership
from model_rollouts.cluster.kinds import HTTP_ROUTE, MODEL_DEPLOYMENT, Kind
from model_rollouts.resources.names import MANAGED_BY, MANAGED_BY_LABEL, MODEL_LABEL
from model_rollouts.resources.shapes import Object
from model_rollouts.routes import reader

_UNPACKED = 24
"""Objects that are kept as they were read: those of a pass or two. One of a rendering takes 100 kB,
and to unpack it a tenth of what a plan takes."""


class Key(NamedTuple):
    """Which ModelDeployment."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class AsOf(NamedTuple):
    """What is known of an object: its version, and the one at which it was gone; -1 for none."""

    version: int
    gone: int


class Strangers(NamedTuple):
    """What has a place among the children of a model and is not its own, as `Kind/name`.

    What is `dying` belongs to a ModelDeployment that is no more, and is deleted with it.
    """

    living: frozenset[str]
    dying: frozenset[str]


class _Place(NamedTuple):
    kind: Kind
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """`owner` is the uid of its controller, `by_model` whether that is a ModelDeployment.

    `watched`: it has our label, so that watches and lists tell of it. `claimed`: without one, it
    sends users to revisions of the model.
    """

    version: int
    uid: str
    owner: str | None
    by_model: bool
    model: Key
    generation: int
    watched: bool
    claimed: bool
    packed: bytes
    pattern: bytes

    @property
    def is_orphan(self) -> bool:
        """Whether it is ours and has no controller."""
        return self.owner is None and (self.watched or self.claimed)

    def read(self) -> Object:
        return _unpacked(self.packed, self.pattern)


@dataclass(frozen=True, slots=True)
class _Gone:
    version: int
    last: _Kept | None


class Store:
    """Objects by kind, namespace and name. `put` and `remove` say which models they concern."""

    def __init__(self) -> None:
        self._kept: dict[_Place, _Kept] = {}
        self._of_owner: dict[str, tuple[_Place, ...]] = {}
        self._of_model: dict[Key, tuple[_Place, ...]] = {}
        self._models: dict[str, Key] = {}
        self._gone: dict[_Place, _Gone] = {}
        self._patterns: dict[Kind, bytes] = {}

    def __len__(self) -> int:
        """How many objects there are."""
        return len(self._kept)

    def models(self) -> frozenset[Key]:
        """All ModelDeployments."""
        return frozenset(self._models.values())

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """The object, None when there is none."""
        kept = self._kept.get(_Place(kind, namespace, name))
        return None if kept is None else kept.read()

    def has(self, kind: Kind, namespace: str, name: str) -> bool:
        """Whether there is such an object."""
        return _Place(kind, namespace, name) in self._kept

    def generation(self, model: Key) -> int:
        """Which change of its spec a ModelDeployment is at; 0 when there is none."""
        kept = self._kept.get(_Place(MODEL_DEPLOYMENT, *model))
        return 0 if kept is None else kept.generation

    def owned(self, uid: str) -> Iterator[Object]:
        """The objects whose controller is the one of that `uid`."""
        for place in sorted(self._of_owner.get(uid, ()), key=_order):
            yield self._kept[place].read()

    def strangers(self, model: Key, uid: str) -> Strangers:
        """What has a place among the children of `model`, and is not of `uid`."""
        living: set[str] = set()
        dying: set[str] = set()
        for place, kept in self._labelled(model):
            if kept.owner != uid and not kept.is_orphan:
                is_dying = kept.by_model and kept.owner not in self._models
                (dying if is_dying else living).add(f"{place.kind.name}/{place.name}")
        return Strangers(frozenset(living), frozenset(dying))

    def unwatched(self, model: Key) -> list[tuple[Kind, str]]:
        """Kind and name of what is in a place among the children of `model` without our label."""
        return [
            (place.kind, place.name) for place, kept in self._labelled(model) if not kept.watched
        ]

    def orphans(self, model: Key) -> list[Object]:
        """What has no controller and carries our labels and those of `model`, or is its route.

        Whoever replaces a route by what a repository holds leaves it without labels and owner: it
        is that of the model as long as it names one of its revisions.
        """
        return [kept.read() for _, kept in self._labelled(model) if kept.is_orphan]

    def _labelled(self, model: Key) -> Iterator[tuple[_Place, _Kept]]:
        for place in sorted(self._of_model.get(model, ()), key=_order):
            if place.kind is not MODEL_DEPLOYMENT:
                yield place, self._kept[place]

    def put(self, kind: Kind, obj: Mapping[str, Any]) -> frozenset[Key]:
        """Keep `obj` unless something as new is known. Returns the models that it concerns."""
        place, version = _place(kind, obj), _version(obj)
        before = self._kept.get(place)
        if before is not None and before.version >= version:
            return frozenset()
        # As old as its end is an object that lost our label: it ended for the watch alone.
        gone = self._gone.get(place)
        if gone is not None and gone.version > version:
            return frozenset()
        kept = self._made(place, obj, version)
        self._forget(place)
        self._enter(place, kept)
        return self._concerned(before, kept)

    def remove(self, kind: Kind, obj: Mapping[str, Any]) -> frozenset[Key]:
        """Forget an object that was deleted as `obj`. Returns the models that it concerned."""
        return self._remove(_place(kind, obj), _version(obj))

    def as_of(self, kind: Kind, namespace: str, name: str) -> AsOf:
        """What is known of an object now; for `read`."""
        place = _Place(kind, namespace, name)
        kept, gone = self._kept.get(place), self._gone.get(place)
        return AsOf(-1 if kept is None else kept.version, -1 if gone is None else gone.version)

    def read(
        self, kind: Kind, namespace: str, name: str, found: Mapping[str, Any] | None, since: AsOf
    ) -> frozenset[Key]:
        """Take in what a read by its name found, None for nothing. It began when `since` was known.

        It is believed, whatever watches and lists have told before: they know of an object only
        while it has our label. Returns the models that it concerns.
        """
        place = _Place(kind, namespace, name)
        if self.as_of(kind, namespace, name) != since:
            # Newer news came meanwhile.
            return frozenset() if found is None else self.put(kind, found)
        if found is not None:
            self._gone.pop(place, None)
            return self.put(kind, found)
        concerned = self._remove(place, since.version) if place in self._kept else frozenset()
        gone = self._gone.get(place)
        if gone is not None:
            self._gone[place] = _Gone(gone.version, None)
        return concerned

    def restore(self, kind: Kind, namespace: str, name: str) -> bool:
        """Take an object for what it was last, until it is read; False when that is not known."""
        place = _Place(kind, namespace, name)
        gone = self._gone.get(place)
        if place not in self._kept and gone is not None and gone.last is not None:
            self._enter(place, replace(gone.last, watched=False))
        return place in self._kept

    def sweep(
        self, kind: Kind, namespace: str | None, listed: Iterable[tuple[str, str]], version: str
    ) -> frozenset[Key]:
        """Forget what a list of `kind` as of `version` does not have; `listed` are its names.

        A list of one namespace says nothing about the others. What does not carry our label is in
        no list: it goes too, and whoever finds it in the way again puts it back. Returns the models
        concerned.
        """
        there = set(listed)
        as_of = int(version)
        vanished = [
            place
            for place, kept in self._kept.items()
            if place.kind is kind
            and namespace in (None, place.namespace)
            and kept.version <= as_of
            and (place.namespace, place.name) not in there
        ]
        self._gone = {
            place: gone
            for place, gone in self._gone.items()
            if place.kind is not kind or gone.version > as_of
        }
        return frozenset().union(*(self._vanish(place, as_of) for place in vanished))

    def _made(self, place: _Place, obj: Mapping[str, Any], version: int) -> _Kept:
        metadata = dict(obj["metadata"])
        managers = metadata.pop("managedFields", None)
        labels = metadata.get("labels") or {}
        is_model = place.kind is MODEL_DEPLOYMENT
        if is_model and managers:
            metadata["managedFields"] = ownership(managers)
        name = place.name if is_model else labels.get(MODEL_LABEL, place.name)
        text = msgspec.json.encode({**obj, "metadata": metadata})
        pattern = self._patterns.setdefault(place.kind, text)
        owner = controller(obj)
        return _Kept(
            version,
            intern(metadata["uid"]),
            None if owner is None else intern(owner["uid"]),
            owner is not None and owner.get("kind") == MODEL_DEPLOYMENT.name,
            Key(place.namespace, intern(name)),
            metadata.get("generation", 0),
            is_model or labels.get(MANAGED_BY_LABEL) == MANAGED_BY,
            place.kind is HTTP_ROUTE and reader.serves_model(obj),
            _packed(text, pattern),
            pattern,
        )

    def _enter(self, place: _Place, kept: _Kept) -> None:
        self._kept[place] = kept
        _add(self._of_model, kept.model, place)
        if kept.owner is not None:
            _add(self._of_owner, kept.owner, place)
        if place.kind is MODEL_DEPLOYMENT:
            self._models[kept.uid] = kept.model

    def _forget(self, place: _Place) -> _Kept | None:
        kept = self._kept.pop(place, None)
        if kept is None:
            return None
        _discard(self._of_model, kept.model, place)
        if kept.owner is not None:
            _discard(self._of_owner, kept.owner, place)
        if place.kind is MODEL_DEPLOYMENT:
            self._models.pop(kept.uid, None)
        return kept

    def _vanish(self, place: _Place, as_of: int) -> frozenset[Key]:
        kept = self._kept[place]
        if kept.watched:
            return self._remove(place, as_of)
        self._forget(place)
        # It may be there all the same, as old as it is.
        self._gone[place] = _Gone(kept.version, kept)
        return self._concerned(kept)

    def _remove(self, place: _Place, version: int) -> frozenset[Key]:
        kept = self._kept.get(place)
        if kept is not None and kept.version > version:
            return frozenset()
        # Older news of it may still be on their way.
        gone = self._gone.get(place) or _Gone(-1, None)
        self._gone[place] = _Gone(max(version, gone.version), kept or gone.last)
        self._forget(place)
        return self._concerned(kept)

    def _concerned(self, *states: _Kept | None) -> frozenset[Key]:
        known = [kept for kept in states if kept is not None]
        owners = [self._models.get(kept.owner) for kept in known if kept.owner is not None]
        return frozenset([kept.model for kept in known] + [key for key in owners if key])


def controller(obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The reference to the controller of an object, None when it has none."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def _packed(text: bytes, pattern: bytes) -> bytes:
    # Level 3 takes the time of level 1 and half of its memory, where one is much like the other.
    packer = zlib.compressobj(level=3, zdict=pattern)
    return packer.compress(text) + packer.flush()


@lru_cache(maxsize=_UNPACKED)
def _unpacked(packed: bytes, pattern: bytes) -> Object:
    text = zlib.decompressobj(zdict=pattern).decompress(packed)
    obj: Object = msgspec.json.decode(text)
    return obj


def _place(kind: Kind, obj: Mapping[str, Any]) -> _Place:
    return _Place(kind, intern(obj["metadata"]["namespace"]), intern(obj["metadata"]["name"]))


def _order(place: _Place) -> tuple[str, str]:
    return place.kind.name, place.name


def _version(obj: Mapping[str, Any]) -> int:
    """Resource versions of one kind are numbers that grow, by Kubernetes' word since 1.35."""
    return int(obj["metadata"]["resourceVersion"])


# Tuples: a set of seven places takes seven times as much.


def _add(index: dict[Any, tuple[_Place, ...]], key: Any, place: _Place) -> None:
    index[key] = (*index.get(key, ()), place)


def _discard(index: dict[Any, tuple[_Place, ...]], key: Any, place: _Place) -> None:
    index[key] = tuple(each for each in index[key] if each != place)
    if not index[key]:
        del index[key]
