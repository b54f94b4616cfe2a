"""Counts meet the judge: from an interval's tallies to what the decision engine is fed.

The two rooms know nothing of each other; this is where they meet.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from model_rollouts.decision import Arm as Traffic
from model_rollouts.decision import Counts, Interval, Kind, Objective, Sample
from model_rollouts.decision.counts import NOTHING
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.objectives import CountedObjective, errors, latency
from model_rollouts.metrics.records import ArmCounts, IntervalCounts, Tally

STABLE = "stable"
CANDIDATE = "candidate"
SHADOW = "shadow"

COMPARABLE_LOAD = 0.7
"""A candidate pod must carry at least this share of a stable pod's load to prove its latency."""

_ERRORS = "errors of requests"


@dataclass(frozen=True, slots=True)
class Counting:
    """What has to be counted for a set of objectives, and how to hand it on."""

    objectives: tuple[Objective, ...]

    def counted(self) -> tuple[CountedObjective, ...]:
        """The sums to count. Errors and breaker share theirs."""
        timed = [
            latency(each.name, self._edges(each)) for each in self.objectives if self._edges(each)
        ]
        return (errors(_ERRORS), *timed)

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
                counts = self.counts(objective, candidate, minutes)
                base = NOTHING if stable is None else self.counts(objective, stable, minutes)
                samples[objective.name] = Sample(counts, base)
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

    def counts(self, objective: Objective, arm: ArmCounts, minutes: float) -> Counts:
        """What one arm had of an objective in an interval of so many `minutes`."""
        if objective.kind is Kind.RESTARTS:
            return Counts.events(arm.pods * minutes, arm.restarts)
        edges = self._edges(objective)
        if not edges:
            tally = arm.tallies[_ERRORS]
            return Counts.of(tally.total, tally.bad[0])
        above = _above(arm.tallies[objective.name], edges)
        assert objective.latency is not None  # it has edges
        bracket = objective.latency.edges
        total = arm.tallies[objective.name].total
        return Counts(
            total,
            # Beyond the last edge nothing is surely slower, before the first everything may be.
            above.get(bracket.upper, 0),
            above.get(bracket.lower, total),
            above.get(bracket.far, 0) if bracket.far is not None else 0,
        )

    @staticmethod
    def _edges(objective: Objective) -> tuple[float, ...]:
        if objective.latency is None:
            return ()
        bracket = objective.latency.edges
        edges = {bracket.lower, bracket.upper, bracket.far}
        return tuple(sorted(edge for edge in edges if edge is not None and 0 < edge < float("inf")))


def arm_of(traffic: Traffic) -> str:
    """The arm of the candidate that is judged on `traffic`."""
    return CANDIDATE if traffic is Traffic.LIVE else SHADOW


def requests(arm: ArmCounts) -> int:
    """How many requests an arm had in an interval, good and bad."""
    return arm.tallies[_ERRORS].total


def _above(tally: Tally, edges: tuple[float, ...]) -> Mapping[float, int]:
    return dict(zip(edges, tally.bad, strict=True))


def _comparable(candidate: ArmCounts, stable: ArmCounts | None) -> bool:
    if stable is None or not stable.pods or not candidate.pods:
        return True
    return _load(candidate) >= COMPARABLE_LOAD * _load(stable)


def _load(arm: ArmCounts) -> float:
    return requests(arm) / arm.pods
