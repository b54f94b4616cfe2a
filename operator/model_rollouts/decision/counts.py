"""What the engine is fed: counts of one interval, for the candidate and for stable.

`metrics/` makes these from raw samples. Counts are real numbers because an approximate source may
give fractions; exact sources give integers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

COMPARABLE_LOAD = 0.7
"""A candidate pod must carry at least this share of a stable pod's load to prove its latency."""


def is_comparable(candidate: float, stable: float, pods: float) -> bool:
    """Whether a pod of the candidate had as many requests as it takes to prove its latency.

    `candidate` and `stable` are their requests, `pods` those of the candidate for each of stable's.
    """
    return candidate >= COMPARABLE_LOAD * stable * pods


class Traffic(StrEnum):
    """Where the candidate's requests came from. The two have separate counters."""

    SHADOW = "Shadow"
    """Mirrored requests of stable's users, whose answers are dropped."""
    LIVE = "Live"
    """Users."""


@dataclass(frozen=True, slots=True)
class Counts:
    """One version's counts in one interval; build it with `of`, `answers`, `timed` or `events`.

    The bad ones are known up to an interval: at least `bad_at_least`, at most `bad_at_most`. They
    differ only for a latency threshold between two bucket edges. `far` is the number of answers
    beyond the dual boundary of a latency objective, 0 for other objectives.
    """

    total: float
    bad_at_least: float
    bad_at_most: float
    far: float

    @classmethod
    def of(cls, total: float, bad: float) -> "Counts":
        """`bad` of `total` requests; for latency use `timed`, which knows the dual boundary.

        Raises ValueError unless 0 <= bad <= total.
        """
        if not 0 <= bad <= total < math.inf:
            raise ValueError(f"counts: found {bad:g} bad of {total:g}, give 0 to {total:g} bad")
        return cls(total, bad, bad, 0.0)

    @classmethod
    def answers(
        cls, completed: float, bad: float, reset: float, *, resets_are_bad: bool = True
    ) -> "Counts":
        """Errors: answers completed, the bad among them, and requests that clients gave up on.

        A request that its client dropped leaves no status and no latency, so a version that hangs
        would look perfect if only completed answers counted.
        """
        return cls.of(completed + reset, bad + reset * resets_are_bad)

    @classmethod
    def timed(
        cls,
        completed: float,
        above_lower: float,
        above_upper: float,
        above_far: float,
        reset: float = 0.0,
    ) -> "Counts":
        """Latency: answers slower than the three edges of a `Bracket`.

        Requests that clients gave up on count as slow at every edge.
        Raises ValueError unless 0 <= above_far <= above_upper <= above_lower <= completed.
        """
        if not (
            0 <= above_far <= above_upper <= above_lower <= completed < math.inf
            and 0 <= reset < math.inf
        ):
            raise ValueError(
                f"counts: found {above_far:g}, {above_upper:g}, {above_lower:g} of {completed:g} "
                "requests above the far, upper and lower edge, give numbers that ascend"
            )
        return cls(completed + reset, above_upper + reset, above_lower + reset, above_far + reset)

    @classmethod
    def events(cls, exposure: float, events: float) -> "Counts":
        """`events` (restarts) during `exposure` pod-minutes. Raises ValueError when negative."""
        if not (0 <= exposure < math.inf and 0 <= events < math.inf):
            raise ValueError(
                f"counts: found {events:g} events in {exposure:g} pod-minutes, "
                "give 0 or more of both"
            )
        return cls(exposure, events, events, 0.0)


NO_COUNTS = Counts(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Shared:
    """Stable's counts shared out over time, so that they cover the seconds of the candidate's.

    They belong to the candidate's intervals up to `until` (seconds), those after it wait.
    Within a scrape nothing is known of the time of its requests, so some of them may lie on the
    other side of where the candidate's counts end: of `counts` those in `early` may have come
    later, and beside them those in `late`, which are given to what follows, may have come before.
    """

    until: float
    counts: Counts
    early: Counts = NO_COUNTS
    late: Counts = NO_COUNTS


@dataclass(frozen=True, slots=True)
class Sample:
    """One objective in one interval. Without a baseline `stable` stays empty.

    `stable` is what was counted, for people. Where that covers other seconds than the candidate's
    counts, `shared` is what the comparison takes in its place.
    """

    candidate: Counts
    stable: Counts = NO_COUNTS
    shared: Shared | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """One scrape interval: when, in which arm, and a sample for each objective by name.

    `start` and `end` are seconds since judging began; shadow and live share that clock. An
    objective without a sample was not seen (no data): its evidence stays as it is.
    `comparable_load` is whether a candidate pod carried at least 0.7 of a stable pod's load: a
    latency objective is proven for promotion only on evidence from such intervals.
    `stable_seen` is whether anything was known of stable: its counts are then true even if they
    are none.
    """

    start: float
    end: float
    samples: Mapping[str, Sample] = field(repr=False)
    arm: Traffic = Traffic.LIVE
    comparable_load: bool = True
    stable_seen: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end < math.inf:
            raise ValueError(
                f"interval: found start {self.start:g} s and end {self.end:g} s, "
                "give a start of 0 s or more, and an end after the start"
            )
