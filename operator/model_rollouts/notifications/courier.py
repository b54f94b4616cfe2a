"""Brings messages to one target: grouped, limited, again after a failure; each target alone."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from model_rollouts.notifications.counters import Counters
from model_rollouts.notifications.message import Writer
from model_rollouts.notifications.store import HOUR_S, Batch, Store
from model_rollouts.notifications.targets.target import (
    DeliveryError,
    Target,
    UnansweredError,
)
from model_rollouts.text import duration

FIRST_DELAY_S = 2.0
LONGEST_DELAY_S = 300.0
LOOK_S = 30.0
"""At least so often it looks whether something has to be given up."""
MOST_FACTS = 1_000
"""In one message."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How messages are grouped and limited. Times are seconds; zero sends each fact at once."""

    wait_s: float
    """How long the first fact waits for others."""
    interval_s: float
    """How long after a message the next one is sent at the earliest."""
    most_per_hour: int
    give_up_s: float
    is_grouped: bool = True


class Courier:
    """One target with what waits for it."""

    def __init__(
        self,
        name: str,
        target: Target,
        store: Store,
        writer: Writer,
        counters: Counters,
        pace: Pace,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self._target = target
        self._store = store
        self._writer = writer
        self._counters = counters
        self._pace = pace
        self._clock = clock
        self._jitter = jitter
        self._news = asyncio.Event()
        self._is_ending = False

    def end(self) -> None:
        """Begin no other message; one that is being sent is waited for, and its answer recorded."""
        self._is_ending = True
        self._news.set()

    def wake(self) -> None:
        """Something new may wait for the target."""
        self._news.set()

    async def run(self) -> None:
        """Deliver until told to end."""
        while not self._is_ending:
            self._news.clear()
            wait_s = await self.turn()
            if wait_s > 0 and not self._is_ending:
                try:
                    async with asyncio.timeout(min(wait_s, LOOK_S)):
                        await self._news.wait()
                except TimeoutError:
                    continue

    async def turn(self) -> float:
        """Send one message if it is time; for how many seconds nothing has to be sent then."""
        now = self._clock()
        self._give_up(now)
        self._count(now)
        again = self._store.again(self.name)
        if again > now:
            return again - now
        batch = self._store.open_batch(self.name)
        if batch is None:
            begins = self._begins(now)
            if begins is None:
                return LOOK_S
            if begins > now:
                return begins - now
            most = MOST_FACTS if self._pace.is_grouped else 1
            batch = self._store.begin(self.name, most, now)
        await self._send(batch)
        self._count(self._clock())
        return 0.0

    def _begins(self, now: float) -> float | None:
        """When the next message may be sent, None while there is nothing to say."""
        due = self._store.first_due(self.name)
        if due is None or not self._pace.is_grouped:
            return due
        sent = self._store.sent(self.name, now - HOUR_S)
        times = [due + self._pace.wait_s]
        if sent:
            times.append(sent[-1] + self._pace.interval_s)
        if len(sent) >= self._pace.most_per_hour:
            times.append(sent[-self._pace.most_per_hour] + HOUR_S)
        return max(times)

    async def _send(self, batch: Batch) -> None:
        try:
            await self._target.send(self._writer.message(batch))
        except DeliveryError as error:
            self._failed(batch, error)
        except Exception as error:  # one broken target must not end the others
            # Its words may have the address in them.
            self._failed(batch, UnansweredError(f"it broke: {type(error).__name__}"))
        else:
            self._store.delivered(self.name, batch, self._clock())
            self._counters.sent.labels(self.name).inc()

    def _failed(self, batch: Batch, error: DeliveryError) -> None:
        tries = self._store.tries(self.name)
        delay = min(FIRST_DELAY_S * 2 ** min(tries, 16), LONGEST_DELAY_S)
        delay = max(delay * (0.5 + 0.5 * self._jitter()), error.after_s)
        again = self._clock() + delay
        self._store.failed(self.name, batch, again, is_refused=error.is_refused)
        why = "refused" if error.is_refused else "unanswered"
        self._counters.failed.labels(self.name, why).inc()
        _log.warning(
            "target '%s' did not take message %s: %s. It is tried again in %s",
            self.name,
            batch.id,
            error,
            duration(delay),
        )

    def _give_up(self, now: float) -> None:
        number = self._store.give_up(self.name, now - self._pace.give_up_s)
        if number:
            self._counters.dropped.labels(self.name).inc(number)
            _log.error(
                "target '%s' took no message for %s: %d facts are given up",
                self.name,
                duration(self._pace.give_up_s),
                number,
            )

    def _count(self, now: float) -> None:
        backlog = self._store.backlog(self.name)
        self._counters.waiting.labels(self.name).set(backlog.number)
        oldest = now if backlog.oldest is None else backlog.oldest
        self._counters.oldest.labels(self.name).set(max(0.0, now - oldest))
