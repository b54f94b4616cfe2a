"""Both arms of a request meet here, and a second answer of stable. Memory stays bounded.

Halves live in two generations: when the younger one is as old as the time to live, or full, it
becomes the older one, and what was in that is given up. So a half lives one to two times as long,
and giving up costs nothing while it waits. A pair that was made stays known as long, so that a
repeated record is not taken for another request.
"""

from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

import msgspec

from model_rollouts.observer.compare import Answer

TTL_S = 60.0
MOST_KEPT = 300_000
"""Requests of one generation: about 40 MB of those that are made, 100 MB of waiting ones."""


class Half(msgspec.Struct, frozen=True, gc=False):
    """One arm of a request. `model` is namespace and name of the ModelDeployment."""

    model: tuple[str, str]
    is_shadow: bool
    revision: str
    request_id: str
    answer: Answer
    slice: str = ""
    prediction_id: str = ""


class Pair(NamedTuple):
    """Stable's half, from the live port, and the candidate's, from the shadow port."""

    stable: Half
    candidate: Half


class Met(NamedTuple):
    """What a half has completed.

    `is_new`: the pair is complete by it, and was not before. `itself` is stable's answer to the
    mirrored request once all three are there: it is told once.
    """

    pair: Pair
    is_new: bool = True
    itself: Half | None = None


class Taken(Enum):
    """What became of a half that made no pair."""

    WAITS = auto()
    REPEATED = auto()
    """The same arm of the same request again: the first one holds."""


_MADE = object()


class Pairs:
    """Halves that wait for the other one.

    ttl_s: how long a half waits at least, in seconds of whatever clock `now` comes from.
    most: how many requests a generation has at most, and how many halves where these wait after
    their pair; beyond, halves wait for less time.
    """

    def __init__(self, ttl_s: float = TTL_S, most: int = MOST_KEPT) -> None:
        self._ttl_s = ttl_s
        self._most = most
        self._young: dict[int, object] = {}
        self._old: dict[int, object] = {}
        self._turned: float | None = None
        self._held = 0
        """Halves that came in this generation and wait after their pair."""

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    @property
    def is_full(self) -> bool:
        """Whether a turn is due before its time."""
        return max(len(self._young), self._held) >= self._most

    def add(self, half: Half, *, asks_twice: bool = False) -> Met | Taken:
        """Take a half; what it has completed when others wait.

        asks_twice: a mirrored request may come to stable too, so halves wait after their pair.
        """
        # By hash: an id may be long, and its hash is secret, so that no client can make two meet.
        key = hash((half.model, half.request_id))
        generation = self._young if key in self._young else self._old
        other = generation.get(key)
        if other is _MADE:
            return Taken.REPEATED
        if asks_twice or isinstance(other, tuple):
            known = other if isinstance(other, tuple) else () if other is None else (other,)
            self._held += 1
            return _met(generation if known else self._young, key, known, half)
        if not isinstance(other, Half):
            self._young[key] = half
            return Taken.WAITS
        if other.is_shadow == half.is_shadow:
            return Taken.REPEATED
        generation[key] = _MADE
        return Met(Pair(half, other) if other.is_shadow else Pair(other, half))

    def expired(self, now: float) -> Iterator[Half]:
        """Halves that have waited long enough, or are given up because there are too many."""
        if self._turned is None:
            self._turned = now
        if now - self._turned < self._ttl_s and not self.is_full:
            return
        gone, self._old, self._young = self._old, self._young, {}
        self._turned, self._held = now, 0
        for each in gone.values():
            if isinstance(each, Half):
                yield each
            elif isinstance(each, tuple) and _pair(each) is None:
                yield from each


def _met(
    generation: dict[int, object], key: int, known: tuple[Half, ...], half: Half
) -> Met | Taken:
    """Add a half to those that are known of a request, of which stable may be asked twice."""
    alike = (half.is_shadow, half.revision if half.is_shadow else "")
    if any((each.is_shadow, each.revision if each.is_shadow else "") == alike for each in known):
        return Taken.REPEATED
    halves = (*known, half)
    pair = _pair(halves)
    itself = None if pair is None else _itself(halves, pair)
    generation[key] = halves if itself is None else _MADE
    if pair is None:
        return Taken.WAITS
    is_new = half in pair
    # A third version's half is beside the pair and completes nothing.
    return Met(pair, is_new, itself) if is_new or itself is not None else Taken.WAITS


def _pair(halves: tuple[Half, ...]) -> Pair | None:
    live = next((each for each in halves if not each.is_shadow), None)
    if live is None:
        return None
    others = (each for each in halves if each.is_shadow and each.revision != live.revision)
    candidate = next(others, None)
    return None if candidate is None else Pair(live, candidate)


def _itself(halves: tuple[Half, ...], pair: Pair) -> Half | None:
    revision = pair.stable.revision
    return next((each for each in halves if each.is_shadow and each.revision == revision), None)
