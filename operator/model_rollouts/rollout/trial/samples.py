"""Counts meet the judge: from an interval's tallies to what the decision engine is fed.

The two rooms know nothing of each other; this is where they meet.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from model_rollouts.decision import (
    NO_COUNTS,
    Bracket,
    CounterPair,
    Counts,
    Interval,
    Objective,
    Sample,
    Shared,
    Traffic,
    is_comparable,
)
from model_rollouts.metrics.counts import ArmCounts, IntervalCounts, Tally
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.objectives import (
    CountedObjective,
    client_errors,
    errors,
    latency,
    own_counters,
    own_latency,
    pairs,
    records,
)
from model_rollouts.metrics.sources import source_of

STABLE = "stable"
CANDIDATE = "candidate"
SHADOW = "shadow"

_ERRORS = "errors of requests"
_REFUSED = "refused requests"
_RECORDS = "records of the observer"
_IN_SLICE = "errors of slice "

NO_LIVES: Mapping[str, Counts] = MappingProxyType({})
"""Nothing is known of the pods."""


@dataclass(frozen=True, slots=True)
class Past:
    """What is asked of the past for an objective: how much its bad answers come in bursts.

    `edge` (seconds) is the bucket edge that a revision must have to have counted it, None for none,
    and `slice` the slice.
    """

    key: str
    counted: CountedObjective
    edge: float | None = None
    slice: str | None = None


def past_of(objective: Objective) -> Past | None:
    """The past of an objective; None for those that are counted as errors are, or not at all.

    Of a histogram of the model server's own none is asked: revisions of the past may have had other
    buckets.
    """
    if objective.counters is not None:
        pair = objective.counters
        return Past(pair.text, _own(objective.name, pair))
    slice = _slice_of(objective)
    if objective.latency is None and slice is not None:
        return Past(f"{_IN_SLICE}{slice}", errors(objective.name, slice), slice=slice)
    if objective.latency is None or objective.latency.histogram is not None:
        return None
    bracket = objective.latency.stable
    edge = bracket.lower if math.isinf(bracket.upper) else bracket.upper
    return timed_past(objective.name, edge, slice) if edge else None


def timed_past(name: str, edge: float, slice: str | None = None) -> Past:
    """The past of answers slower than `edge` (seconds), of all requests or of a slice."""
    key = f"{edge:g}" if slice is None else f"{edge:g} of slice {slice}"
    return Past(key, latency(name, (edge,), slice), edge, slice)


def _own(name: str, pair: CounterPair) -> CountedObjective:
    return own_counters(
        name,
        bad=pair.bad,
        total=pair.total,
        bad_matchers=pair.bad_matchers,
        total_matchers=pair.total_matchers,
        total_is_good=pair.total_is_good,
    )


def _slice_of(objective: Objective) -> str | None:
    return None if objective.slice is None else objective.slice.name


def _timed_by(objective: Objective, edges: tuple[float, ...]) -> CountedObjective:
    timed = objective.latency
    own = None if timed is None else timed.histogram
    if own is None:
        return latency(objective.name, edges, _slice_of(objective))
    return own_latency(objective.name, own.metric, edges, unit=own.unit, matchers=own.matchers)


@lru_cache(maxsize=4096)
def counted_by(objectives: tuple[Objective, ...]) -> tuple[CountedObjective, ...]:
    """The sums to count, always the same ones: thousands of rollouts have the same objectives."""
    timed = [_timed_by(each, _edges(each)) for each in objectives if _edges(each)]
    slices = {name: None for each in objectives if (name := _slice_of(each))}
    sliced = [errors(f"{_IN_SLICE}{name}", name) for name in slices]
    own = [_own(each.name, each.counters) for each in objectives if each.counters is not None]
    compared = [pairs(each.name, each.comparison) for each in objectives if each.comparison]
    if compared:
        compared.append(records(_RECORDS))
    refused = any(each.kind.traits.has_client_errors for each in objectives)
    return (
        errors(_ERRORS),
        *((client_errors(_REFUSED),) if refused else ()),
        *sliced,
        *timed,
        *own,
        *compared,
    )


@dataclass(frozen=True, slots=True)
class Counting:
    """What has to be counted for a set of objectives, and how to hand it on."""

    objectives: tuple[Objective, ...]

    def counted(self) -> tuple[CountedObjective, ...]:
        """The sums to count. Errors and breaker share theirs."""
        return counted_by(self.objectives)

    def interval(
        self,
        record: IntervalCounts,
        started_ms: int,
        traffic: Traffic,
        lives: Mapping[str, Counts] = NO_LIVES,
    ) -> Interval:
        """The interval as the judge takes it.

        Where requests may count twice there are no samples. Where an arm was not scraped, or had
        no requests, its counts are none, and those of the other wait for them. A record without the
        arm of stable gives samples without a baseline. `lives` are the crashes of the model and the
        pod-minutes of each arm, where they are known.
        """
        candidate = record.arms[arm_of(traffic)]
        stable = record.arms.get(STABLE)
        samples: dict[str, Sample] = {}
        held = {finding.reason for finding in self.held(record, traffic)}
        for objective in self.objectives if Reason.UNLIKE_TARGETS not in held else ():
            if objective.kind.traits.is_of_users and traffic is Traffic.SHADOW:
                continue
            shared = None
            if not objective.is_rate:
                found = counts(objective, candidate, stable=False)
                base = None if stable is None else counts(objective, stable, stable=True)
                shared = _shared(objective, stable, started_ms)
            elif held:
                continue
            else:
                found, base = lives.get(arm_of(traffic)), lives.get(STABLE)
            if found is not None:
                samples[objective.name] = Sample(found, base or NO_COUNTS, shared)
        return Interval(
            (record.start_ms - started_ms) / 1000,
            (record.end_ms - started_ms) / 1000,
            samples,
            traffic,
            _comparable(candidate, stable),
            stable_seen=stable is None or stable.pods > 0,
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
                or (finding.arm == STABLE and finding.reason is Reason.UNLIKE_TARGETS)
            )
        )


def counts(objective: Objective, arm: ArmCounts, *, stable: bool) -> Counts | None:
    """What an arm counted for an objective on requests.

    None where its counters tell of two arms at once, or no edge of its histogram is known, and for
    an objective that is on no requests.
    """
    if objective.is_rate:
        return None
    tally = arm.tallies.get(_tally_of(objective))
    return None if tally is None else _counts(objective, tally, stable=stable)


def _tally_of(objective: Objective) -> str:
    if objective.kind.traits.has_client_errors:
        return _REFUSED
    if objective.latency or objective.counters or objective.comparison:
        return objective.name
    return f"{_IN_SLICE}{objective.slice.name}" if objective.slice else _ERRORS


def _counts(objective: Objective, tally: Tally, *, stable: bool) -> Counts:
    if objective.latency is None:
        return Counts.of(tally.total, tally.bad[0])
    bracket = objective.latency.stable if stable else objective.latency.edges
    return _timed(tally, _edges(objective), bracket)


def _is_beside(objective: Objective) -> bool:
    """Whether the observer counts it, which tells of both arms at once."""
    timed = objective.latency
    own = None if timed is None else timed.histogram
    return bool(objective.comparison) or (own is not None and source_of(own.metric).is_beside)


def _shared(objective: Objective, arm: ArmCounts | None, started_ms: int) -> Shared | None:
    """Stable's counts in the candidate's seconds; None where those of the interval are taken."""
    if arm is None or arm.shared is None or _is_beside(objective):
        return None
    found = arm.shared.get(_tally_of(objective))
    if found is None:
        # Of the candidate there is no scrape yet.
        return Shared(0.0, NO_COUNTS)
    early, late = (Tally(max(bad, default=0), bad) for bad in (found.early, found.late))
    return Shared(
        (found.until_ms - started_ms) / 1000,
        _counts(objective, found.tally, stable=True),
        _counts(objective, early, stable=True),
        _counts(objective, late, stable=True),
    )


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


def requests_in_slices(arm: ArmCounts) -> Mapping[str, int]:
    """How many requests an arm had in each slice that an objective is on."""
    return {
        name.removeprefix(_IN_SLICE): tally.total
        for name, tally in arm.tallies.items()
        if name.startswith(_IN_SLICE)
    }


def failures(arm: ArmCounts) -> int:
    """How many of the requests of an arm failed in an interval."""
    return arm.tallies[_ERRORS].bad[0]


def kept_records(arm: ArmCounts) -> Tally | None:
    """The records of an arm that should have come to the observer, and how many of them were lost.

    None where nothing is compared.
    """
    return arm.tallies.get(_RECORDS)


def _comparable(candidate: ArmCounts, stable: ArmCounts | None) -> bool:
    if stable is None or not stable.pods or not candidate.pods:
        return True
    return is_comparable(requests(candidate), requests(stable), candidate.pods / stable.pods)
