"""Time that passes only while nobody has anything to do: minutes of a history in milliseconds."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from email.utils import formatdate
from typing import Any, TypeVar
from weakref import WeakSet

NOON = 1_800_000_000.0
"""The wall clock (Unix seconds) when a history begins."""

_TURN_S = 1e-6
_RESTLESS = 20_000
"""Turns of the loop that take at least a second, unless somebody is busy for nothing."""

Result = TypeVar("Result")


class StandstillError(Exception):
    """Nobody will ever do anything again, or somebody is busy for ever."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop that jumps to the next timer instead of waiting for it. It has no files."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._turns = 0
        self._looked_at = 0.0
        # What the loop asks for files that are ready: it says for how long it would wait.
        self._selector = self
        self._clock_resolution = _TURN_S

    def time(self) -> float:
        """Seconds since the loop began."""
        return self._now

    def select(self, timeout: float | None) -> list[Any]:
        """Let time pass until the next timer; no file is ever ready."""
        if timeout is None:
            raise StandstillError("nobody waits for anything but somebody else")
        # Work takes time: a timer that was a hair too early would else be so for ever.
        self._now += timeout + _TURN_S
        self._turns += 1
        if self._turns % _RESTLESS == 0:
            seconds, self._looked_at = self._now - self._looked_at, self._now
            if seconds < 1.0:
                raise StandstillError(f"{_RESTLESS:,} turns in {seconds:.2f} s")
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps, so nobody has to be woken."""


def run(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """What `work` gives, in a loop of its own that begins at 0. Raises StandstillError."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.get_loop().set_task_factory(_kept_by_life)
        return runner.run(work())


LIFE: ContextVar[WeakSet[asyncio.Task[Any]] | None] = ContextVar("LIFE", default=None)
"""The tasks of the process in which code runs: all of them end with it."""


def _kept_by_life(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
    if (life := LIFE.get()) is not None:
        life.add(task)
    return task


def now() -> float:
    """Seconds since the history began."""
    return asyncio.get_running_loop().time()


class Clock:
    """The wall clock of one machine. Jumps of it are nobody else's."""

    def __init__(self) -> None:
        self.ahead = 0.0
        """Seconds by which it is wrong."""

    def __call__(self) -> float:
        """Unix seconds."""
        return NOON + now() + self.ahead


def date() -> str:
    """The time as a server says it with each answer."""
    return formatdate(NOON + now(), usegmt=True)


def wall_ms() -> int:
    """The right time (Unix milliseconds)."""
    return round((NOON + now()) * 1000)
