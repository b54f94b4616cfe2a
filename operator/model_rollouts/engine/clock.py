"""The time of the operator: that of its machine, unless API server and Prometheus know better.

Samples carry Prometheus' times. A machine whose clock is an hour off would ask for samples that are
not there, and one whose clock steps back would wait an hour for what it has counted already. So
where the clock of the machine is far off, two of three win: it, the API server's and Prometheus'.
"""

import logging
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from enum import StrEnum

TOLERATED_S = 10.0
"""So far clocks may be apart: what comes late is waited for anyway, and answers take their time."""

_TO_MIDDLE_S = 0.5
"""A server tells the second that has begun."""

_log = logging.getLogger(__name__)


class Server(StrEnum):
    """Who tells the time with each answer, in the header Date."""

    API = "the API server"
    PROMETHEUS = "Prometheus"


def since_boot() -> float:
    """Seconds of a clock that nobody sets, and that goes on while the machine sleeps."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


class Clock:
    """Unix seconds. `wall` is the clock of the machine, `ticks` one that nobody sets.

    `told` hears by how many seconds the machine is ahead; 0 where that is tolerated.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        ticks: Callable[[], float] = since_boot,
        told: Callable[[float], None] = lambda ahead: None,
    ) -> None:
        self._wall = wall
        self._ticks = ticks
        self._told = told
        self._offset = wall() - ticks()
        """What has to be added to the ticks."""
        self._servers: dict[Server, float] = {}
        """The same by the servers; it holds for as long as nobody sets their clocks."""
        self._is_off = False

    def __call__(self) -> float:
        """The time now."""
        ticks = self._ticks()
        own = self._wall() - ticks
        if not self._is_off and abs(own - self._offset) <= TOLERATED_S:
            self._offset = own
        return ticks + self._offset

    def heard(self, server: Server, date: str | None) -> None:
        """A server answers just now; `date` is the header of that name, as far as it has one."""
        try:
            at = parsedate_to_datetime(date or "").timestamp()
        except ValueError:
            return
        ticks = self._ticks()
        own = self._wall() - ticks
        self._servers[server] = at + _TO_MIDDLE_S - ticks
        found = self._agreed(own)
        is_off = abs(found - own) > TOLERATED_S
        self._offset = found if is_off else own
        self._told(own - found if is_off else 0.0)
        if is_off is not self._is_off:
            self._is_off = is_off
            self._tell(own - found, server)

    def _agreed(self, own: float) -> float:
        """What two agree on; where there are two that do not, the server is right."""
        first, *other = self._servers.values()
        if any(_agree(own, each) for each in (first, *other)):
            return own
        return first if all(_agree(first, each) for each in other) else self._offset

    def _tell(self, ahead: float, server: Server) -> None:
        if not self._is_off:
            _log.info("the clock of this machine is right again")
            return
        _log.warning(
            "the clock of this machine is %.0f s %s that of %s, which counts: set it right",
            abs(ahead),
            "ahead of" if ahead > 0 else "behind",
            server,
        )


def _agree(one: float, other: float) -> bool:
    return abs(one - other) <= TOLERATED_S
