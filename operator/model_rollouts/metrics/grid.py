"""The grid of scrape intervals: times are Unix milliseconds, an interval is (start, end].

The grid stands on the epoch and not on when an operator happened to look, so every operator, and
every replay, cuts time at the same places.
"""

from dataclasses import dataclass

from model_rollouts.metrics.errors import InputError


@dataclass(frozen=True, slots=True)
class Grid:
    """The scrape interval, and how far back the last sample of a series is still good to go on.

    A series without a sample for `lookback_ms` is forgotten; what it counted meanwhile is lost
    and said to be lost. Boundaries lie `phase_ms` after multiples of the step: an interval that
    ends just after a pod was scraped can be judged at once.
    """

    step_ms: int = 5_000
    lookback_ms: int = 300_000
    phase_ms: int = 0

    def __post_init__(self) -> None:
        if self.step_ms < 1:
            raise InputError(
                "step_ms", self.step_ms, "the scrape interval in milliseconds, above 0"
            )
        if self.lookback_ms < 3 * self.step_ms:
            raise InputError(
                "lookback_ms",
                self.lookback_ms,
                f"at least three scrape intervals, {3 * self.step_ms:,} ms",
            )

        if not 0 <= self.phase_ms < self.step_ms:
            raise InputError("phase_ms", self.phase_ms, f"0 to {self.step_ms - 1:,} ms")

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
