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


def no_bucket_boundary(threshold: float, edges: Bracket) -> str | None:
    """What to tell people about a missing edge, with the nearest usable ones; None if none is."""
    if edges.exact:
        if edges.far is not None:
            return None
        return (
            f"the histogram has no edge at or above {seconds(FAR_MULTIPLE * threshold)}: "
            "how slow the slow answers are is not judged."
        )
    if edges.lower == 0 and edges.upper == math.inf:
        return "the histogram has no bucket edges that are known, so it neither passes nor fails."
    usable = [seconds(e) for e in (edges.lower, edges.upper) if 0 < e < math.inf]
    told = (
        f"{seconds(threshold)} is no bucket edge of the histogram; usable: {' or '.join(usable)}."
    )
    if edges.lower == 0:
        return f"{told} Every answer may be slower than {seconds(threshold)}, so it never passes."
    if edges.upper == math.inf:
        return f"{told} No answer is surely slower than {seconds(threshold)}, so it never fails."
    return (
        f"{told} Until then it is taken back for answers slower than {seconds(edges.upper)} and "
        f"promoted for answers within {seconds(edges.lower)}: more often nothing is decided."
    )


def no_boundary_of_stable(threshold: float, edges: Bracket) -> str | None:
    """The same about stable's histogram, where only the candidate's has the edge."""
    if edges.exact:
        return None
    return (
        f"{seconds(threshold)} is no bucket edge of stable's histogram: against the target it is "
        "judged exactly, against stable less sharply."
    )
