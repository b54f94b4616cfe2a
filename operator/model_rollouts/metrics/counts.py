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
class SharedTally:
    """Counts of one arm in the seconds of another's, shared out over time (see `alignment`).

    `tally` has what belongs to the other's intervals up to `until_ms` and was not handed out
    before. A scrape does not tell when its requests came: `early` of the bad ones so far may have
    come after the other's counts end, and `late` more may have come before. Both by level.
    """

    until_ms: int
    tally: Tally
    early: tuple[int, ...]
    late: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """One arm in one interval: a tally for each objective that the arm can be judged by.

    `pods` is the number of pods that were scraped, for the load per pod; `resets` how often
    counters began again from zero among them. `warming`: requests of pods that have just started
    were left out. `observers` is the number of pods that tell of the arm's revision without being
    its own. `shared` is beside the exact `tallies` for an arm that is compared with another,
    without those of which nothing is known for the other's time yet.
    """

    tallies: Mapping[str, Tally]
    pods: int
    resets: int
    warming: bool = False
    observers: int = 0
    shared: Mapping[str, SharedTally] | None = None


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

    `behind` says that more closed intervals can be read at once. `scraped_every_ms` is the usual
    time between two scrapes, measured, None while it is not known; `delay_ms` is how long samples
    are waited for, because they come late. `unknown` are names of pods whose scrapes wait until
    somebody knows whose they are.
    """

    intervals: tuple[IntervalCounts, ...]
    watermark: Watermark
    behind: bool
    scraped_every_ms: int | None = None
    delay_ms: int = 0
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unavailable:
    """One rollout whose samples could not be read. Nothing moved; the next tick asks again."""

    finding: Finding
