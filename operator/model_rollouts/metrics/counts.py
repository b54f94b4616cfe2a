"""What comes out: the exact counts of one rollout in one closed scrape interval."""

from collections.abc import Mapping
from dataclasses import dataclass

from model_rollouts.metrics.findings import Finding
from model_rollouts.metrics.watermark import Watermark


@dataclass(frozen=True, slots=True)
class Tally:
    """`total` requests and, for each level of the objective, how many of them were bad.

    Whole numbers with 0 <= bad <= total at every level.
    """

    total: int
    bad: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """One arm in one interval: a tally for each objective that the arm can be judged by.

    `pods` is the number of pods that were scraped, for the load per pod; `restarts` the number of
    counter resets among them. `warming`: requests of pods that have just started were left out.
    """

    tallies: Mapping[str, Tally]
    pods: int
    restarts: int
    warming: bool = False


@dataclass(frozen=True, slots=True)
class IntervalCounts:
    """One closed interval (start_ms, end_ms], Unix milliseconds on the grid of the scrape interval.

    `findings` are sorted. The counts of a held arm are for show and not for a verdict.
    """

    start_ms: int
    end_ms: int
    arms: Mapping[str, ArmCounts]
    findings: tuple[Finding, ...]

    @property
    def held_arms(self) -> frozenset[str]:
        """The arms of which nothing may be decided on this interval."""
        return frozenset(finding.arm for finding in self.findings if finding.holds)


@dataclass(frozen=True, slots=True)
class Counted:
    """One rollout after a tick: the intervals that closed and the watermark behind them.

    `behind` says that more closed intervals can be read at once.
    """

    intervals: tuple[IntervalCounts, ...]
    watermark: Watermark
    behind: bool


@dataclass(frozen=True, slots=True)
class Unavailable:
    """One rollout whose samples could not be read. Nothing moved; the next tick asks again."""

    finding: Finding
