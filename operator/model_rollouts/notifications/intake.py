"""From objects to the store: what is new in one, and which targets are told of it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from model_rollouts.notifications.kinds import Topic
from model_rollouts.notifications.occasions import Object, Occasion, occasions_of
from model_rollouts.notifications.settings import Wanted
from model_rollouts.notifications.store import Store


class Intake:
    """Takes objects as they come; the same one twice changes nothing."""

    def __init__(
        self,
        store: Store,
        targets: Sequence[Wanted],
        unavailable_after_s: float,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._targets = targets
        self._unavailable_after_s = unavailable_after_s
        self._wake = wake
        self._seen: dict[str, tuple[int, frozenset[str]]] = {}
        """By uid: the version of the object, and the ids of its facts."""

    def take(self, obj: Object, now: float) -> None:
        """Take in an object; an older one than was seen is left out."""
        metadata = obj.get("metadata") or {}
        uid, version = str(metadata.get("uid") or ""), _version(metadata.get("resourceVersion"))
        newest, known = self._seen.get(uid, (0, None))
        if version < newest:
            return
        found = occasions_of(obj)
        ids = frozenset(each.id for each in found)
        self._seen[uid] = (version, ids)
        if ids == known:
            return
        with self._store.transaction():
            self._expose(obj, uid, now)
            self._store.settle(uid, ids, now)
            self._store.forget_ended(uid, ids, now)
            new = [each for each in found if not self._store.is_told(each.id)]
            for each in new:
                self._tell(each, now)
        if new:
            self._wake()

    def gone(self, obj: Object, now: float) -> None:
        """The object was deleted: what only held while it was there is over."""
        uid = str((obj.get("metadata") or {}).get("uid") or "")
        self._seen.pop(uid, None)
        with self._store.transaction():
            self._store.settle(uid, (), now)

    def swept(self, uids: Collection[str], now: float) -> None:
        """A whole list was taken in, of these objects."""
        self._seen = {uid: seen for uid, seen in self._seen.items() if uid in uids}
        self._store.sweep(uids, now)

    def _tell(self, occasion: Occasion, now: float) -> None:
        exposure = self._store.exposure(occasion.uid, occasion.revision)
        told = replace(occasion, exposure=exposure, at=occasion.at or now)
        due = now
        if told.kind is Topic.UNAVAILABLE:
            due = max(now, told.at + self._unavailable_after_s)
        # What had ended before anybody listened is no news.
        is_old = told.has_ended and told.at < self._store.begun
        names = () if is_old else [each.name for each in self._targets if each.takes(told)]
        self._store.tell(told, names, now, due)
        if told.has_ended and told.kind is not Topic.PROMOTED:
            self._store.unexpose(told.uid, told.revision)

    def _expose(self, obj: Object, uid: str, now: float) -> None:
        candidate = (obj.get("status") or {}).get("candidate") or {}
        share = str(candidate.get("weight") or "")
        if share.rstrip("%").strip("0.") and candidate.get("revision"):
            self._store.expose(uid, str(candidate["revision"]), share, now)


def _version(text: object) -> int:
    """A version of an object; they grow, and one that is no number is as old as any."""
    return int(str(text)) if str(text).isdecimal() else 0
