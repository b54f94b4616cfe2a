"""Counts meet the judge: from an interval's tallies to what the decision engine is fed.

The two rooms know nothing of each other; this is where they meet.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from model_rollouts.decision import (
    COMPARABLE_LOAD,
    NO_COUNTS,
    Bracket,
    Counts,
    Interval,
    Objective,
    Sample,
    Traffic,
)
from model_rollouts.metrics.counts import ArmCounts, IntervalCounts, Tally
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.objectives import (
    CountedObjective,
    errors,
    latency,
    own_counters,
)

STABLE = "stable"
CANDIDATE = "candidate"
SHADOW = "shadow"

_ERRORS = "errors of requests"


@dataclass(frozen=True, slots=True)
class Past:
    """What is asked of the past for an objective: how much its bad answers come in bursts.

    `edge` (seconds) is the bucket edge that a revision must have to have counted it, None for none.
    """

    key: str
    counted: CountedObjective
    edge: float | None = None


def past_of(objective: Objective) -> Past | None:
    """The past of an objective; None for those that are counted as errors are, or not at all."""
    if objective.counters is not None:
        pair = objective.counters
        key = f"{pair.bad}/{pair.total}"
        return Past(key, own_counters(objective.name, bad=pair.bad, total=pair.total))
    if objective.latency is None:
        return None
    bracket = objective.latency.stable
    edge = bracket.lower if math.isinf(bracket.upper) else bracket.upper
    return Past(f"{edge:g}", latency(objective.name, (edge,)), edge) if edge else None


@lru_cache(maxsize=4096)
def counted_by(objectives: tuple[Objective, ...]) -> tuple[CountedObjective, ...]:
    """The sums to count, always the same ones: thousands of rollouts have the same objectives."""
    timed = [latency(each.name, _edges(each)) for each in objectives if _edges(each)]
    own = [
        own_counters(each.name, bad=each.counters.bad, total=each.counters.total)
        for each in objectives
        if each.counters is not None
    ]
    return (errors(_ERRORS), *timed, *own)


@dataclass(frozen=True, slots=True)
class Counting:
    """What has to be counted for a set of objectives, and how to hand it on."""

    objectives: tuple[Objective, ...]

    def counted(self) -> tuple[CountedObjective, ...]:
        """The sums to count. Errors and breaker share theirs."""
        return counted_by(self.objectives)

    def interval(self, record: IntervalCounts, started_ms: int, traffic: Traffic) -> Interval:
        """The interval as the judge takes it; an arm that is held gives no samples.

        A record without the arm of stable gives samples without a baseline.
        """
        candidate = record.arms[arm_of(traffic)]
        stable = record.arms.get(STABLE)
        minutes = (record.end_ms - record.start_ms) / 60_000
        samples: dict[str, Sample] = {}
        if not self.held(record, traffic):
            for objective in self.objectives:
                found = counts(objective, candidate, minutes, stable=False)
                if found is None:
                    continue
                base = None if stable is None else counts(objective, stable, minutes, stable=True)
                samples[objective.name] = Sample(found, base or NO_COUNTS)
        return Interval(
            (record.start_ms - started_ms) / 1000,
            (record.end_ms - started_ms) / 1000,
            samples,
            traffic,
            _comparable(candidate, stable),
        )

    def held(self, record: IntervalCounts, traffic: Traffic) -> tuple[Finding, ...]:
        """Why nothing is decided on an interval; empty when something is.

        A missing stable is no reason: the target stands without it.
        """
        judged = arm_of(traffic)
        return tuple(
            finding
            for finding in record.findings
            if finding.holds
            and (
                finding.arm == judged
                or (finding.arm == STABLE and finding.reason is Reason.DUPLICATE_TARGETS)
            )
        )


def counts(objective: Objective, arm: ArmCounts, minutes: float, *, stable: bool) -> Counts | None:
    """What an arm counted for an objective.

    None where its counters tell of two arms at once, or no edge of its histogram is known.
    """
    if objective.is_rate:
        return Counts.events(arm.pods * minutes, arm.restarts)
    shared = objective.latency is None and objective.counters is None
    tally = arm.tallies.get(_ERRORS if shared else objective.name)
    if tally is None:
        return None
    if objective.latency is None:
        return Counts.of(tally.total, tally.bad[0])
    bracket = objective.latency.stable if stable else objective.latency.edges
    return _timed(tally, _edges(objective), bracket)


def _timed(tally: Tally, edges: tuple[float, ...], bracket: Bracket) -> Counts:
    above = dict(zip(edges, tally.bad, strict=True))
    return Counts(
        tally.total,
        # Beyond the last edge nothing is surely slower, before the first everything may be.
        above.get(bracket.upper, 0),
        above.get(bracket.lower, tally.total),
        above.get(bracket.far, 0) if bracket.far is not None else 0,
    )


def _edges(objective: Objective) -> tuple[float, ...]:
    """The edges at which either arm is counted; each reads only those of its own histogram."""
    if objective.latency is None:
        return ()
    found = {
        edge
        for bracket in (objective.latency.edges, objective.latency.stable)
        for edge in (bracket.lower, bracket.upper, bracket.far)
    }
    return tuple(sorted(edge for edge in found if edge is not None and 0 < edge < math.inf))


def arm_of(traffic: Traffic) -> str:
    """The arm of the candidate that is judged on `traffic`."""
    return CANDIDATE if traffic is Traffic.LIVE else SHADOW


def requests(arm: ArmCounts) -> int:
    """How many requests an arm had in an interval, good and bad."""
    return arm.tallies[_ERRORS].total


def failures(arm: ArmCounts) -> int:
    """How many of the requests of an arm failed in an interval."""
    return arm.tallies[_ERRORS].bad[0]


def _comparable(candidate: ArmCounts, stable: ArmCounts | None) -> bool:
    if stable is None or not stable.pods or not candidate.pods:
        return True
    return _load(candidate) >= COMPARABLE_LOAD * _load(stable)


def _load(arm: ArmCounts) -> float:
    return requests(arm) / arm.pods
