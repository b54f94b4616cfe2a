"""The grid of counted intervals: times are Unix milliseconds, an interval is (start, end].

The grid stands on the epoch and not on when an operator happened to look, so every operator, and
every replay, cuts time at the same places.
"""

from dataclasses import dataclass

from model_rollouts.metrics.errors import InputError

LEAST_SCRAPES = 3
"""Scrape intervals that a lookback has at least: one sample may be late or missing."""

SELDOM_MS = 60_000
"""How seldom pods may be scraped: once a minute."""

SPARING_MS = 60_000
"""How often samples are read for what nobody is waiting for."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The interval that is counted, and how far back the last sample of a series is good to go on.

    A series without a sample for `lookback_ms` is forgotten; what it counted meanwhile is lost
    and said to be lost. Boundaries lie `phase_ms` after multiples of the step: an interval that
    ends just after a pod was scraped can be judged at once. An interval may hold several `scrapes`.
    """

    step_ms: int = 5_000
    lookback_ms: int = 300_000
    phase_ms: int = 0
    scrapes: int = 1

    def __post_init__(self) -> None:
        if self.step_ms < 1:
            raise InputError(
                "step_ms", self.step_ms, "the scrape interval in milliseconds, above 0"
            )
        if self.scrapes < 1 or self.step_ms % self.scrapes:
            raise InputError("scrapes", self.scrapes, f"a divisor of {self.step_ms:,} ms")
        if self.lookback_ms < LEAST_SCRAPES * self.scrape_ms:
            raise InputError(
                "lookback_ms",
                self.lookback_ms,
                f"at least three scrape intervals, {LEAST_SCRAPES * self.scrape_ms:,} ms",
            )

        if not 0 <= self.phase_ms < self.step_ms:
            raise InputError("phase_ms", self.phase_ms, f"0 to {self.step_ms - 1:,} ms")

    @property
    def scrape_ms(self) -> int:
        """How often a series has a sample."""
        return self.step_ms // self.scrapes

    def start_of(self, at_ms: int) -> int:
        """The start of the interval that `at_ms` lies in."""
        return self.floor(at_ms - 1)

    def floor(self, at_ms: int, intervals: int = 1) -> int:
        """The last boundary at or before `at_ms`, or the last of every so many `intervals`."""
        span = intervals * self.step_ms
        return (at_ms - self.phase_ms) // span * span + self.phase_ms

    def closed_until(self, now_ms: int) -> int:
        """The end of the last closed interval: one interval old, so its scrapes have arrived."""
        return self.floor(now_ms - self.step_ms)


def sparing_grid(grid: Grid, every_ms: int = SPARING_MS) -> Grid:
    """The grid of the slow pace: an interval is about a minute, of as many scrapes of `grid`."""
    scrapes = max(1, -(-every_ms // grid.step_ms))
    return Grid(grid.step_ms * scrapes, LEAST_SCRAPES * grid.step_ms, scrapes=scrapes)
