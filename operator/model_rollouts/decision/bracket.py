"""Latency thresholds and the bucket edges of the histogram they are read from.

Counts are exact only at bucket edges. For a threshold between two edges the number of slow answers
lies between the count above the upper edge and the count above the lower one. Fail then uses
the first and Pass the second, so that both guarantees survive and only time is lost. Nothing is
interpolated: interpolation errs by a factor of two in either direction.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from model_rollouts.text import seconds

FAR_MULTIPLE = 1.25
"""The second boundary of the dual rule is the first edge at or above this multiple."""

_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Bracket:
    """The edges in seconds at which a threshold is read.

    lower <= threshold <= upper; equal when the threshold is an edge. 0 and infinity stand for "no
    edge on that side". `far` is the dual boundary, None when no edge lies that far up.
    """

    lower: float
    upper: float
    far: float | None

    @property
    def exact(self) -> bool:
        """Whether the threshold is an edge."""
        return self.lower == self.upper


def bracket(threshold: float, edges: Sequence[float], *, far_from: float = 0.0) -> Bracket:
    """The edges around `threshold`, all in seconds. `edges` are finite, in any order.

    The dual boundary is not below `far_from`: that of stable lies at the candidate's or above it,
    so that a difference between the two histograms never speaks for the candidate.
    """
    ordered = sorted(edges)
    # Prometheus writes edges as text: "0.30" and 0.3 must be the same edge.
    lower = max((e for e in ordered if e <= threshold * (1 + _SAME)), default=0.0)
    upper = min((e for e in ordered if e >= threshold * (1 - _SAME)), default=math.inf)
    least = max(FAR_MULTIPLE * threshold, far_from) * (1 - _SAME)
    far = next((e for e in ordered if e >= least and e >= upper), None)
    return Bracket(lower, upper, far)


_OBSERVER = "model_rollouts_observer_"
_CHECK_NAME = "the name of the histogram, its matchers, and whether the model server is scraped"
_CHECK_HEADER = (
    "whether its answers have the header Server-Timing with a name and `dur`, whether spec.capture "
    "is set, and whether the observer is scraped"
)


def no_bucket_boundary(threshold: float, edges: Bracket, own: str | None = None) -> str | None:
    """What to tell people about a missing edge, with the nearest usable ones; None if none is.

    `own` is the text of the model server's own histogram, None for the proxy's.
    """
    if edges.exact:
        if edges.far is not None:
            return None
        return (
            f"the histogram has no bucket edge at or above {seconds(FAR_MULTIPLE * threshold)}, "
            "so how slow the slow requests are is not judged."
        )
    if edges.lower == 0 and edges.upper == math.inf and own is not None:
        return (
            f"found no buckets of {own} in Prometheus for this version, so this objective neither "
            "passes nor fails; it is asked for again. If the version has answered requests, check "
            f"{_CHECK_HEADER if own.startswith(_OBSERVER) else _CHECK_NAME}."
        )
    if edges.lower == 0 and edges.upper == math.inf:
        return (
            "the histogram has no known bucket edges, so this objective neither passes nor fails."
        )
    usable = [seconds(e) for e in (edges.lower, edges.upper) if 0 < e < math.inf]
    told = (
        f"found {seconds(threshold)}, which is not a bucket edge of the histogram; "
        f"write {' or '.join(usable)}."
    )
    at = seconds(threshold)
    if edges.lower == 0:
        return f"{told} The objective cannot pass: every request may have taken more than {at}."
    if edges.upper == math.inf:
        return f"{told} The objective cannot fail: no request certainly took more than {at}."
    return (
        f"{told} Until then requests slower than {seconds(edges.upper)} fail the objective and "
        f"those within {seconds(edges.lower)} pass it, which takes longer to decide."
    )


def no_boundary_of_stable(threshold: float, edges: Bracket) -> str | None:
    """The same about stable's histogram, where only the candidate's has the edge."""
    if edges.exact:
        return None
    return (
        f"found {seconds(threshold)}, which is not a bucket edge of stable's histogram. The "
        "comparison with the target is exact, the one with stable takes longer to decide."
    )
