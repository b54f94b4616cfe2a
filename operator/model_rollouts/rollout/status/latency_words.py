"""How long requests and their stages took, as people read it: what buckets prove, and no more."""

import math

from model_rollouts.api.status import MOST_LATENCIES, LatencyStatus, Status
from model_rollouts.metrics.spreads import Within, bracket_of
from model_rollouts.rollout.observed import Latencies, Spread
from model_rollouts.rollout.status.case_words import is_same_candidate
from model_rollouts.rollout.status.summary import StatusInput
from model_rollouts.text import cut, seconds

REQUEST = "request"

_SHARES = (("p50", 0.50, 1), ("p95", 0.95, 20), ("p99", 0.99, 100))
"""Name, share, and from how many requests on it is more than the slowest of them."""


def latency_of(given: StatusInput, before: Status) -> tuple[LatencyStatus, ...]:
    """What is known of the present rollout, and afterwards what was known last.

    `before` is the status that the object has.
    """
    found, candidate = given.latencies, given.candidate
    if given.phase.is_judged:
        if found is not None and candidate is not None and _is_of(found, candidate.revision):
            rows = _rows(given, found)
            if rows:
                return rows
        return before.latency if is_same_candidate(given, before) else ()
    return () if given.phase.is_preparing else before.latency


def without_numbers(rows: tuple[LatencyStatus, ...]) -> tuple[LatencyStatus, ...]:
    """The rows as far as they are worth a write: counts grow and means waver all the time."""
    return tuple(each.model_copy(update={"requests": 0, "mean": None}) for each in rows)


def _is_of(found: Latencies, candidate: str) -> bool:
    return found.asked.revisions[0] == candidate


def _rows(given: StatusInput, found: Latencies) -> tuple[LatencyStatus, ...]:
    versions = {
        each.revision: each.version for each in (given.stable, given.candidate) if each is not None
    }
    totals = {each.revision: each.within[-1][1] for each in found.spreads if each.of is None}
    judged = found.asked.revisions[0]
    rows = []
    for spread in found.spreads:
        total = spread.within[-1][1] if spread.within else totals.get(spread.revision, 0.0)
        version = versions.get(spread.revision)
        if version is None or total < 1:
            continue
        mirrored = found.asked.mirrors and spread.revision == judged
        rows.append(
            LatencyStatus(
                of=cut(spread.of or REQUEST, 320),
                version=cut(version, 63),
                traffic="mirrored" if mirrored else "users",
                requests=round(total),
                **_times(spread, total),
            )
        )
    return tuple(rows[:MOST_LATENCIES])


def _times(spread: Spread, total: float) -> dict[str, str]:
    if spread.mean is not None:
        return {"mean": seconds(spread.mean)}
    return {name: words(spread.within, share) for name, share, fewest in _SHARES if total >= fewest}


def words(within: Within, share: float) -> str:
    """Within which time a share of requests was answered, e.g. `between 180 and 200 ms`."""
    lower, upper = bracket_of(within, share)
    if math.isinf(upper):
        return f"above {seconds(lower)}" if lower else "not known"
    if not lower:
        return f"at most {seconds(upper)}"
    first, last = seconds(lower), seconds(upper)
    number, _, unit = first.partition(" ")
    return f"between {number if last.endswith(f' {unit}') else first} and {last}"
