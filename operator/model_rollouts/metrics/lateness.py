"""How long after its time a sample can be seen: measured, waited for, and forgotten again.

Samples come late through remote write, through a Prometheus that lags behind its twin, through slow
scrapes, and when the clock of the operator is ahead. All of them look alike from here: a scrape is
there in one reading that was not there in the reading before, though it is older than that.
"""

from statistics import median

LONGEST_MS = 30_000
"""What is later than that is counted when it comes, and not waited for."""

MARGIN = 1.25
SLACK_MS = 500
"""A scrape tells how late it is at least; so much is added."""

READINGS = 3
"""Two late readings of so many in a row are no accident."""

SHRINKS = 0.98
SHRINKS_MS = 20
"""What is left of the delay after a reading in which nothing was late, and what goes besides."""


def forgotten(delay_ms: int, readings: int) -> int:
    """What is left of a delay (ms) after so many readings in which nothing was late."""
    for _ in range(readings):
        if not delay_ms:
            break
        delay_ms = max(0, round(SHRINKS * delay_ms) - SHRINKS_MS)
    return delay_ms


class Lateness:
    """The delay of one rollout: `delay_ms` is waited for before an interval is read."""

    def __init__(self, delay_ms: int = 0) -> None:
        self.delay_ms = delay_ms
        self._before: int | None = None
        self._asked_ms: int | None = None
        self._late: dict[str, int] = {}
        self._punctual: set[str] = set()
        self._recent: list[int | None] = []

    def begins(self, read_until_ms: int | None) -> None:
        """A reading begins; all up to `read_until_ms` was read before, None for nothing."""
        self._before = read_until_ms
        self._late.clear()
        self._punctual.clear()

    def taken(self, process: str, at_ms: int) -> None:
        """A scrape of a process was counted."""
        if self._before is None or at_ms > self._before:
            self._punctual.add(process)
        else:
            self._late.setdefault(process, at_ms)

    def ends(self, now_ms: int) -> None:
        """The reading of `now_ms` has ended."""
        before, self._asked_ms = self._asked_ms, now_ms
        if self._before is None or before is None or not (self._late or self._punctual):
            return
        late = len(self._late) >= len(self._punctual - self._late.keys())
        ages = [before - at for at in self._late.values()]
        self._recent = [*self._recent[1 - READINGS :], round(median(ages)) if late else None]
        seen = [age for age in self._recent if age is not None]
        if len(seen) >= READINGS - 1:
            wanted = round(MARGIN * max(seen)) + SLACK_MS
            self.delay_ms = min(LONGEST_MS, max(self.delay_ms, wanted))
            self._recent.clear()
        elif not seen:
            self.delay_ms = forgotten(self.delay_ms, 1)
