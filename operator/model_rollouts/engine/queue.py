"""Which ModelDeployment to look at next, and when. One at a time of each, many at once of all."""

import asyncio
import heapq
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from model_rollouts.engine.backoff import LONGEST_BACKOFF_S, Backoff, Retries
from model_rollouts.engine.store import Key

_NEVER = float("inf")


@dataclass(slots=True)
class _Entry:
    """`due` is when the key wants to be looked at, `backoff` what its failed passes allow.

    `queued` is its place in the heap; another one of the same key there is out of date. `progress`
    is when the pass over it, if there is one, began or went on last.
    """

    due: float = _NEVER
    queued: float = _NEVER
    backoff: Backoff = field(default_factory=Backoff)
    urgent: bool = False
    ready: bool = False
    progress: float | None = None


class KeyedQueue:
    """Times are seconds of `clock`, by default the monotonic one. For one loop, not for threads.

    `longest_backoff_s` is the longest wait after failures.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        longest_backoff_s: float = LONGEST_BACKOFF_S,
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._longest_backoff_s = longest_backoff_s
        self.retries = Retries(clock, jitter, longest_backoff_s)
        """The actions that failed: each waits by itself, and no pass waits for one of them."""
        self._entries: dict[Key, _Entry] = {}
        self._times: list[tuple[float, Key]] = []
        self._urgent: deque[Key] = deque()
        self._ready: deque[Key] = deque()
        self._workers: deque[asyncio.Future[None]] = deque()
        self._reserved: deque[asyncio.Future[None]] = deque()
        self._idle = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_due: float | None = None
        self._closed = False

    def add(self, key: Key, *, after: float = 0.0, urgent: bool = False) -> None:
        """Have `key` looked at `after` seconds from now, or when it was due already, if earlier.

        After failures it waits for their backoff. `urgent` ones go before the others, and of their
        backoff they wait for five seconds at most.
        """
        entry = self._entries.setdefault(key, _Entry())
        entry.due = min(entry.due, self._clock() + after)
        entry.urgent |= urgent
        self._schedule(key, entry)

    def forgive(self, key: Key) -> None:
        """Forget the failures of `key`: what failed is not what is asked for any more."""
        self.retries.forgive(key)
        entry = self._entries.get(key)
        if entry is not None:
            entry.backoff.forget()
            self._schedule(key, entry)

    def take(self, *, urgent: bool = False) -> Key | None:
        """A key that is due, to be given back with `done`; None when there is none now.

        With `urgent` only one that is urgent and that nobody waits for who takes every key.
        """
        self._ripen()
        if urgent and len(self._urgent) <= self._idle:
            return None
        if self._urgent:
            key = self._urgent.popleft()
        elif self._ready:
            key = self._ready.popleft()
        else:
            return None
        entry = self._entries[key]
        entry.due, entry.queued, entry.urgent, entry.ready = _NEVER, _NEVER, False, False
        entry.progress = self._clock()
        return key

    def progressed(self, key: Key) -> None:
        """The pass over `key` goes on: it is not stuck."""
        entry = self._entries.get(key)
        if entry is not None and entry.progress is not None:
            entry.progress = self._clock()

    def done(
        self, key: Key, *, failed: bool = False, urgent: bool = False, unfinished: bool = False
    ) -> float:
        """The pass over `key` has ended. Returns the seconds that it is backed off for.

        One that failed comes again after them. `urgent`: what failed protects users. `unfinished`:
        nothing was tried, so that nothing is known of what failed before.
        """
        entry = self._entries[key]
        entry.progress = None
        backoff = 0.0
        if unfinished:
            entry.due = min(entry.due, self._clock())
        elif failed:
            entry.urgent |= urgent
            now = self._clock()
            entry.backoff.failed(now, self._jitter(), self._longest_backoff_s)
            entry.due = min(entry.due, self._allowed(entry))
            backoff = self._allowed(entry) - now
        else:
            entry.backoff.forget()
        if entry.due == _NEVER:
            del self._entries[key]
        else:
            self._schedule(key, entry)
        return backoff

    def next_due(self) -> float | None:
        """When the next key is due; None when none waits."""
        return self._clock() if self._urgent or self._ready else self._next_time()

    def close(self) -> None:
        """Give out no more keys."""
        self._closed = True
        for waiting in (self._workers, self._reserved):
            _wake(waiting, len(waiting))

    async def get(self, *, urgent: bool = False) -> Key | None:
        """Like `take`, and waits for a key; None once the queue is closed."""
        while not self._closed:
            key = self.take(urgent=urgent)
            if key is not None:
                return key
            await self._wait(self._reserved if urgent else self._workers)
        return None

    @property
    def depth(self) -> int:
        """How many keys are due and wait for a worker."""
        self._ripen()
        return len(self._urgent) + len(self._ready)

    @property
    def longest_running(self) -> float:
        """For how many seconds a pass has made no progress, the longest; 0 when there is none."""
        since = [each.progress for each in self._entries.values() if each.progress is not None]
        return self._clock() - min(since) if since else 0.0

    async def _wait(self, waiting: deque[asyncio.Future[None]]) -> None:
        """Wait until there may be a key: as many are woken as there are keys, not everybody."""
        takes_all = waiting is self._workers
        woken, is_cancelled = asyncio.get_running_loop().create_future(), True
        waiting.append(woken)
        self._idle += takes_all
        self._stir()
        try:
            await woken
            is_cancelled = False
        finally:
            self._idle -= takes_all
            if is_cancelled:
                if woken in waiting:
                    waiting.remove(woken)
                # It may have been woken for a key that another one has to take now.
                self._stir()

    def _stir(self) -> None:
        """Wake who waits for what is due, and look again when the next key is."""
        if not self._workers and not self._reserved:
            return
        self._ripen()
        _wake(self._workers, len(self._urgent) + len(self._ready))
        # Whether a key is urgent is known for certain when its time has come.
        _wake(self._reserved, len(self._urgent) - self._idle)
        due = self._next_time()
        if due == self._alarm_due:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm, self._alarm_due = None, due
        if due is not None:
            wait = max(due - self._clock(), 0.0)
            self._alarm = asyncio.get_running_loop().call_later(wait, self._ring)

    def _ring(self) -> None:
        self._alarm, self._alarm_due = None, None
        self._stir()

    def _allowed(self, entry: _Entry) -> float:
        """When its failures allow that it is looked at."""
        return entry.backoff.ends(urgent=entry.urgent)

    def _schedule(self, key: Key, entry: _Entry) -> None:
        if entry.progress is not None or entry.due == _NEVER:
            return
        if entry.ready:
            if entry.urgent and key in self._ready:
                self._ready.remove(key)
                self._urgent.append(key)
                self._stir()
            return
        when = max(entry.due, self._allowed(entry))
        if when != entry.queued:
            entry.queued = when
            heapq.heappush(self._times, (when, key))
            self._stir()

    def _next_time(self) -> float | None:
        while self._times and self._stale(*self._times[0]):
            heapq.heappop(self._times)
        return self._times[0][0] if self._times else None

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


def _wake(waiting: deque[asyncio.Future[None]], number: int) -> None:
    while waiting and number > 0:
        woken = waiting.popleft()
        # One that is cancelled takes nothing.
        if not woken.done():
            woken.set_result(None)
            number -= 1
