"""What is known of pods, of models that are rolled out or ail: a few hundred bytes each.

Pods come from a list of each model that begins to be followed, and from one watch of all. Nothing
of a model that is not followed is kept, and its pods wake nobody.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from model_rollouts.engine.pod_facts import explained, lacks_words, pod_of
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.store import Key
from model_rollouts.resources.names import MODEL_LABEL
from model_rollouts.rollout import Pod

LONGEST_BACKOFF_S = 300.0
"""Between two lists that are not answered: an API server that refuses them is asked rarely."""

WAKE_S = 1.0
"""Between two passes over one model because of its pods."""

EXPLAIN_S = 10.0
"""How long a pod is not ready before its Events are read, and then between two readings."""


@dataclass(frozen=True, slots=True)
class _Kept:
    version: int
    pod: Pod


FIRST_LIST_S = 10.0
"""How long counting waits for the first list of pods that is neither answered nor refused."""

MOST_FOREIGN = 1_000
"""Names of pods of others that are kept of one model; what is beyond is asked for again."""


@dataclass(slots=True)
class Followed:
    """The pods of one model. `gone` are names that went while they were listed.

    `doubted` are names that Prometheus knows and nothing has told of; those that a list began
    after that did not have are `foreign`. `was_known`: there was a list. `since` is when the model
    began to be followed, by the clock of the queues.
    """

    since: float
    kept: dict[str, _Kept] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    doubted: set[str] = field(default_factory=set)
    foreign: dict[str, None] = field(default_factory=dict)
    is_known: bool = False
    was_known: bool = False
    is_refused: bool = False
    woken_at: float = float("-inf")


class Pods:
    """Those of the models that are followed. `passes` is the queue of passes.

    `unlisted` and `unexplained` give out the models whose pods are to be listed, and whose Events
    are to be read. `clock` is that of the queues.
    """

    def __init__(
        self,
        passes: KeyedQueue,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.unlisted = KeyedQueue(clock, jitter, LONGEST_BACKOFF_S)
        self.unexplained = KeyedQueue(clock, jitter, LONGEST_BACKOFF_S)
        self._passes = passes
        self._clock = clock
        self._followed: dict[Key, Followed] = {}

    def __len__(self) -> int:
        """How many pods are kept."""
        return sum(len(each.kept) for each in self._followed.values())

    def __iter__(self) -> Iterator[Key]:
        """The models that are followed."""
        return iter(list(self._followed))

    def follow(self, key: Key) -> None:
        """Know the pods of a model from now on."""
        if key not in self._followed:
            self._followed[key] = Followed(self._clock())
            self._list(key)
        left = self._followed[key].since + FIRST_LIST_S - self._clock()
        if self.awaits(key) and left > 0:
            # Each time: an earlier pass takes the place of the one that was asked for before.
            self._passes.add(key, after=left)

    def forget(self, key: Key) -> None:
        """Keep nothing of a model."""
        self._followed.pop(key, None)

    def followed(self, key: Key) -> Followed | None:
        """The pods of a model that is followed, from one listing to the next."""
        return self._followed.get(key)

    def of(self, key: Key) -> tuple[Pod, ...] | None:
        """The pods of a model by name, None while they are not known."""
        followed = self._followed.get(key)
        if followed is None or not followed.is_known:
            return None
        return tuple(followed.kept[name].pod for name in sorted(followed.kept))

    def awaits(self, key: Key) -> bool:
        """Whether the pods of a model are not known, and will be in a moment."""
        followed = self._followed.get(key)
        if followed is None:
            return True
        if followed.is_known or followed.is_refused:
            return False
        return followed.was_known or self._clock() < followed.since + FIRST_LIST_S

    def foreign(self, key: Key) -> frozenset[str]:
        """The names that were doubted, and that the cluster did not have."""
        followed = self._followed.get(key)
        return frozenset() if followed is None else frozenset(followed.foreign)

    def doubt(self, key: Key, names: Iterable[str]) -> None:
        """Ask the cluster whether it has pods of these names, which nothing has told of yet."""
        followed = self._followed.get(key)
        if followed is None or followed.is_refused:
            return
        new = {each for each in names if each not in followed.kept} - followed.doubted
        if new:
            followed.doubted |= new
            self._list(key)

    def doubted(self, key: Key) -> frozenset[str]:
        """The names that a list which begins now tells of."""
        followed = self._followed.get(key)
        return frozenset() if followed is None else frozenset(followed.doubted)

    def refuse(self, key: Key) -> None:
        """The pods of a model may not be read."""
        followed = self._followed.get(key)
        if followed is not None and not followed.is_refused:
            followed.is_refused = True
            self._passes.add(key)

    def put(self, obj: Mapping[str, Any]) -> None:
        """Keep what is new about a pod."""
        key, followed = self._place(obj)
        if followed is None:
            return
        name, version = obj["metadata"]["name"], int(obj["metadata"]["resourceVersion"])
        before = followed.kept.get(name)
        known = followed.gone.get(name, -1) if before is None else before.version
        if known >= version:
            return
        pod = pod_of(obj, None if before is None else before.pod)
        if pod is None:
            return
        followed.kept[name] = _Kept(version, pod)
        followed.foreign.pop(name, None)
        followed.doubted.discard(name)
        if lacks_words(pod):
            self.unexplained.add(key, after=EXPLAIN_S)
        if before is None or before.pod != pod:
            self._wake(key, followed)

    def remove(self, obj: Mapping[str, Any]) -> None:
        """Forget a pod that was deleted."""
        key, followed = self._place(obj)
        if followed is None:
            return
        name, version = obj["metadata"]["name"], int(obj["metadata"]["resourceVersion"])
        followed.gone[name] = version
        if followed.kept.pop(name, None) is not None:
            self._wake(key, followed)

    def listed(
        self,
        key: Key,
        names: Iterable[str],
        version: str,
        doubted: frozenset[str] = frozenset(),
    ) -> None:
        """Forget what a list as of `version` does not have: all of the model's pods are known.

        `doubted` are names of which it tells: what is not among them is of somebody else.
        """
        followed = self._followed.get(key)
        if followed is None:
            return
        there, as_of = set(names), int(version)
        vanished = [
            name
            for name, each in followed.kept.items()
            if each.version <= as_of and name not in there
        ]
        for name in vanished:
            del followed.kept[name]
        followed.gone.clear()
        followed.doubted -= doubted
        others = dict.fromkeys(sorted(doubted - there - followed.kept.keys()))
        followed.foreign |= others
        for name in list(followed.foreign)[:-MOST_FOREIGN]:
            del followed.foreign[name]
        if vanished or others or not followed.is_known:
            followed.is_known = followed.was_known = True
            followed.is_refused = False
            self._wake(key, followed)

    def lose(self, key: Key) -> None:
        """Nobody knows any more what pods a model has."""
        followed = self._followed.get(key)
        if followed is not None and followed.is_known:
            followed.is_known = False
            followed.kept.clear()
            self._wake(key, followed)

    def unready(self, key: Key) -> list[Pod]:
        """Those of which only Events can say why they do not serve, the oldest first."""
        found = [pod for pod in self.of(key) or () if lacks_words(pod)]
        return sorted(found, key=lambda pod: (pod.began, pod.name))

    def explain(self, key: Key, pod: Pod, reason: str, note: str) -> None:
        """An Event says `note` of a pod."""
        followed = self._followed.get(key)
        kept = None if followed is None else followed.kept.get(pod.name)
        if followed is None or kept is None or kept.pod.uid != pod.uid:
            return
        told = explained(kept.pod, reason, note)
        if told != kept.pod:
            followed.kept[pod.name] = _Kept(kept.version, told)
            self._wake(key, followed)

    def _place(self, obj: Mapping[str, Any]) -> tuple[Key, Followed | None]:
        metadata = obj["metadata"]
        model = (metadata.get("labels") or {}).get(MODEL_LABEL, "")
        key = Key(metadata["namespace"], model)
        return key, self._followed.get(key)

    def _list(self, key: Key) -> None:
        self.unlisted.forgive(key)
        self.unlisted.add(key)

    def _wake(self, key: Key, followed: Followed) -> None:
        """Have it planned again, once a second at most: pods may change many times in one."""
        if not followed.is_known:
            return
        now = self._clock()
        if followed.woken_at <= now:
            followed.woken_at = max(now, followed.woken_at + WAKE_S)
        self._passes.add(key, after=followed.woken_at - now)
