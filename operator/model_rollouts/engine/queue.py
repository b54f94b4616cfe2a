"""Which ModelDeployment to look at next, and when. One at a time of each, many at once of all."""

import asyncio
import heapq
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from model_rollouts.engine.store import Key

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 60.0

_NEVER = float("inf")


@dataclass(slots=True)
class _Entry:
    """`due` is when the key wants to be looked at, `not_before` what its failures allow.

    `queued` is its place in the heap; another one of the same key there is out of date.
    """

    due: float = _NEVER
    queued: float = _NEVER
    not_before: float = 0.0
    failures: int = 0
    urgent: bool = False
    ready: bool = False
    running_since: float | None = None


class KeyedQueue:
    """Times are seconds of `clock`, by default the monotonic one. For one loop, not for threads."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._entries: dict[Key, _Entry] = {}
        self._times: list[tuple[float, Key]] = []
        self._urgent: deque[Key] = deque()
        self._ready: deque[Key] = deque()
        self._news = asyncio.Event()
        self._closed = False

    def add(self, key: Key, *, after: float = 0.0, urgent: bool = False) -> None:
        """Have `key` looked at `after` seconds from now, or when it was due already, if earlier.

        After failures it waits for their backoff. `urgent` ones go before the others.
        """
        entry = self._entries.setdefault(key, _Entry())
        entry.due = min(entry.due, self._clock() + after)
        entry.urgent |= urgent
        self._schedule(key, entry)

    def forgive(self, key: Key) -> None:
        """Forget the failures of `key`: what failed is not what is asked for any more."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.failures, entry.not_before = 0, 0.0
            self._schedule(key, entry)

    def take(self) -> Key | None:
        """A key that is due, to be given back with `done`; None when there is none now."""
        self._ripen()
        if not (self._urgent or self._ready):
            return None
        key = self._urgent.popleft() if self._urgent else self._ready.popleft()
        entry = self._entries[key]
        entry.due, entry.queued, entry.urgent, entry.ready = _NEVER, _NEVER, False, False
        entry.running_since = self._clock()
        return key

    def done(self, key: Key, *, failed: bool = False) -> float:
        """The pass over `key` has ended. Returns the seconds that it is backed off for."""
        entry = self._entries[key]
        entry.running_since = None
        backoff = 0.0
        if failed:
            longest = min(FIRST_BACKOFF_S * 2.0 ** min(entry.failures, 20), LONGEST_BACKOFF_S)
            backoff = longest * (0.5 + 0.5 * self._jitter())
            entry.failures += 1
            entry.not_before = self._clock() + backoff
            entry.due = min(entry.due, entry.not_before)
        else:
            entry.failures, entry.not_before = 0, 0.0
        if entry.due == _NEVER:
            del self._entries[key]
        else:
            self._schedule(key, entry)
        return backoff

    def next_due(self) -> float | None:
        """When the next key is due; None when none waits."""
        if self._urgent or self._ready:
            return self._clock()
        while self._times and self._stale(*self._times[0]):
            heapq.heappop(self._times)
        return self._times[0][0] if self._times else None

    def close(self) -> None:
        """Give out no more keys."""
        self._closed = True
        self._news.set()

    async def get(self) -> Key | None:
        """Like `take`, and waits for a key; None once the queue is closed."""
        while not self._closed:
            key = self.take()
            if key is not None:
                return key
            self._news.clear()
            due = self.next_due()
            wait = None if due is None else max(due - self._clock(), 0.0)
            try:
                async with asyncio.timeout(wait):
                    await self._news.wait()
            except TimeoutError:
                continue
        return None

    @property
    def depth(self) -> int:
        """How many keys are due and wait for a worker."""
        self._ripen()
        return len(self._urgent) + len(self._ready)

    @property
    def longest_running(self) -> float:
        """For how many seconds the oldest pass has been running; 0 when there is none."""
        since = [e.running_since for e in self._entries.values() if e.running_since is not None]
        return self._clock() - min(since) if since else 0.0

    def _schedule(self, key: Key, entry: _Entry) -> None:
        if entry.running_since is not None or entry.due == _NEVER:
            return
        if entry.ready:
            if entry.urgent and key in self._ready:
                self._ready.remove(key)
                self._urgent.append(key)
            return
        when = max(entry.due, entry.not_before)
        if when != entry.queued:
            entry.queued = when
            heapq.heappush(self._times, (when, key))
            self._news.set()

    def _ripen(self) -> None:
        now = self._clock()
        while self._times and self._times[0][0] <= now:
            when, key = heapq.heappop(self._times)
            if not self._stale(when, key):
                entry = self._entries[key]
                entry.ready = True
                (self._urgent if entry.urgent else self._ready).append(key)

    def _stale(self, when: float, key: Key) -> bool:
        """Whether a time in the heap is no longer that of its key."""
        entry = self._entries.get(key)
        return entry is None or entry.ready or entry.queued != when
