"""How fast the operator may write, whatever it has come to believe about the world."""

import time
from collections.abc import Callable

WRITES_PER_S = 400.0
"""Twice the 200 changes a second that it is to follow: a status and an Event for each."""

BURST = 800
"""Writes at once, such as those of a restart after a long time."""


class Pace:
    """A bucket of `burst` writes that fills again with `rate` of them a second.

    Reckoned by the time at which it is full again (the generic cell rate algorithm of ATM networks,
    ITU-T I.371), so that nothing has to run to fill it.
    """

    def __init__(
        self,
        rate: float = WRITES_PER_S,
        burst: int = BURST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spacing = 1 / rate
        self._tolerance = burst / rate
        self._clock = clock
        self._full_at = 0.0

    def take(self) -> float:
        """Take one write out, and say for how many seconds it has to wait."""
        now = self._clock()
        # Of small numbers: beside those of a clock, a bucket just full would seem not to be.
        ahead = max(self._full_at - now, 0.0) + self._spacing
        self._full_at = now + ahead
        return max(0.0, ahead - self._tolerance)
