"""What the operator knows of the cluster: the newest version of each watched object.

Results of our own writes go in at once, so a pass never acts on a state older than its own writes.
Objects are kept as JSON text, a tenth of the memory that they take as dicts, and packed. Those of a
kind are much alike, renderings with the configuration of a proxy above all: what an object has in
common with the first of its kind takes no memory.
"""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT, Kind
from model_rollouts.resources.names import MANAGED_BY, MANAGED_BY_LABEL, MODEL_LABEL
from model_rollouts.resources.shapes import Body


class Key(NamedTuple):
    """Which ModelDeployment."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class _Place(NamedTuple):
    kind: Kind
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class _Kept:
    version: int
    uid: str
    owner: str | None
    model: Key
    generation: int
    watched: bool
    packed: bytes
    pattern: bytes

    def read(self) -> Body:
        text = zlib.decompressobj(zdict=self.pattern).decompress(self.packed)
        obj: Body = msgspec.json.decode(text)
        return obj


class Store:
    """Objects by kind, namespace and name. `put` and `remove` say which models they concern."""

    def __init__(self) -> None:
        self._kept: dict[_Place, _Kept] = {}
        self._of_owner: dict[str, set[_Place]] = defaultdict(set)
        self._of_model: dict[Key, set[_Place]] = defaultdict(set)
        self._models: dict[str, Key] = {}
        self._gone: dict[_Place, int] = {}
        self._patterns: dict[Kind, bytes] = {}

    def __len__(self) -> int:
        """How many objects there are."""
        return len(self._kept)

    def models(self) -> frozenset[Key]:
        """All ModelDeployments."""
        return frozenset(self._models.values())

    def get(self, kind: Kind, namespace: str, name: str) -> Body | None:
        """The object, None when there is none."""
        kept = self._kept.get(_Place(kind, namespace, name))
        return None if kept is None else kept.read()

    def generation(self, model: Key) -> int:
        """Which change of its spec a ModelDeployment is at; 0 when there is none."""
        kept = self._kept.get(_Place(MODEL_DEPLOYMENT, *model))
        return 0 if kept is None else kept.generation

    def owned(self, uid: str) -> Iterator[Body]:
        """The objects whose controller is the one of that `uid`."""
        for place in sorted(self._of_owner.get(uid, ()), key=_order):
            yield self._kept[place].read()

    def strangers(self, model: Key, uid: str) -> frozenset[str]:
        """What has a place among the children of `model`, as `Kind/name`, and is not of `uid`."""
        return frozenset(
            f"{place.kind.name}/{place.name}"
            for place, kept in self._labelled(model)
            if kept.owner != uid
        )

    def orphans(self, model: Key) -> list[Body]:
        """What carries our labels and those of `model`, and has no controller."""
        return [
            kept.read() for _, kept in self._labelled(model) if kept.owner is None and kept.watched
        ]

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
        if self._gone.get(place, -1) >= version:
            return frozenset()
        self._forget(place)
        self._keep(place, obj, version)
        return self._concerned(before, self._kept[place])

    def remove(self, kind: Kind, obj: Mapping[str, Any]) -> frozenset[Key]:
        """Forget an object that was deleted as `obj`. Returns the models that it concerned."""
        return self._remove(_place(kind, obj), _version(obj))

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
            place: at for place, at in self._gone.items() if place.kind is not kind or at > as_of
        }
        return frozenset().union(*(self._vanish(place, as_of) for place in vanished))

    def _keep(self, place: _Place, obj: Mapping[str, Any], version: int) -> None:
        metadata = dict(obj["metadata"])
        metadata.pop("managedFields", None)
        labels = metadata.get("labels") or {}
        is_model = place.kind is MODEL_DEPLOYMENT
        name = place.name if is_model else labels.get(MODEL_LABEL, place.name)
        text = msgspec.json.encode({**obj, "metadata": metadata})
        pattern = self._patterns.setdefault(place.kind, text)
        kept = _Kept(
            version,
            metadata["uid"],
            controller(obj),
            Key(place.namespace, name),
            metadata.get("generation", 0),
            is_model or labels.get(MANAGED_BY_LABEL) == MANAGED_BY,
            _packed(text, pattern),
            pattern,
        )
        self._kept[place] = kept
        self._of_model[kept.model].add(place)
        if kept.owner is not None:
            self._of_owner[kept.owner].add(place)
        if is_model:
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
        return self._concerned(kept)

    def _remove(self, place: _Place, version: int) -> frozenset[Key]:
        kept = self._kept.get(place)
        if kept is not None and kept.version > version:
            return frozenset()
        # Older news of it may still be on their way.
        self._gone[place] = max(version, self._gone.get(place, -1))
        self._forget(place)
        return self._concerned(kept)

    def _concerned(self, *states: _Kept | None) -> frozenset[Key]:
        known = [kept for kept in states if kept is not None]
        owners = [self._models.get(kept.owner) for kept in known if kept.owner is not None]
        return frozenset([kept.model for kept in known] + [key for key in owners if key])


def controller(obj: Mapping[str, Any]) -> str | None:
    """The uid of the controller of an object, None when it has none."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), None)


def _packed(text: bytes, pattern: bytes) -> bytes:
    packer = zlib.compressobj(level=1, zdict=pattern)
    return packer.compress(text) + packer.flush()


def _place(kind: Kind, obj: Mapping[str, Any]) -> _Place:
    return _Place(kind, obj["metadata"]["namespace"], obj["metadata"]["name"])


def _order(place: _Place) -> tuple[str, str]:
    return place.kind.name, place.name


def _version(obj: Mapping[str, Any]) -> int:
    """Resource versions of one kind are numbers that grow, by Kubernetes' word since 1.35."""
    return int(obj["metadata"]["resourceVersion"])


def _discard(index: dict[Any, set[_Place]], key: Any, place: _Place) -> None:
    index[key].discard(place)
    if not index[key]:
        del index[key]
