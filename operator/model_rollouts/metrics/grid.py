"""The grid of scrape intervals: times are Unix milliseconds, an interval is (start, end].

The grid stands on the epoch and not on when an operator happened to look, so every operator, and
every replay, cuts time at the same places.
"""

from dataclasses import dataclass

from model_rollouts.metrics.invalid import InputError


@dataclass(frozen=True, slots=True)
class Grid:
    """The scrape interval, and how far back the last sample of a series is still good to go on.

    A series without a sample for `lookback_ms` is forgotten; what it counted meanwhile is lost
    and said to be lost.
    """

    step_ms: int = 5_000
    lookback_ms: int = 300_000

    def __post_init__(self) -> None:
        if self.step_ms < 1:
            raise InputError("step_ms", self.step_ms, "the scrape interval in milliseconds")
        if self.lookback_ms < 3 * self.step_ms:
            raise InputError(
                "lookback_ms", self.lookback_ms, f"at least three intervals, {3 * self.step_ms}"
            )

    def start_of(self, at_ms: int) -> int:
        """The start of the interval that `at_ms` lies in."""
        return (at_ms - 1) // self.step_ms * self.step_ms

    def floor(self, at_ms: int) -> int:
        """The last boundary at or before `at_ms`."""
        return at_ms // self.step_ms * self.step_ms

    def closed_until(self, now_ms: int) -> int:
        """The end of the last closed interval: one interval old, so its scrapes have arrived."""
        return self.floor(now_ms - self.step_ms)
