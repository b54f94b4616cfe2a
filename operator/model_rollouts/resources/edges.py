"""Bucket edges of the proxy's latency histograms: which thresholds it can count exactly.

Envoy records whole milliseconds, rounded down, in bins of two significant digits, and counts the
bin that an edge lies in as a whole: an edge at 100 ms holds answers of up to 109 ms (measured with
Envoy 1.40). So the answers within a threshold of 100 ms are those at the edge 99, the last
millisecond of the bin below, and for such an edge the label `le` says exactly what was counted.
"""

from collections.abc import Iterable
from functools import lru_cache

from model_rollouts.resources.errors import ResourceError

_FIRST_DECADE = (2, 3, 4, 5, 6, 7, 8)
_DECADE = (10, 12, 15, 18, 20, 25, 30, 35, 40, 50, 60, 75, 90)
_LAST_MS = 60_000
_LONGEST_MS = 3_600_000

LADDER_MS = (
    *_FIRST_DECADE,
    *(
        threshold * scale
        for scale in (1, 10, 100, 1_000)
        for threshold in _DECADE
        if threshold * scale <= _LAST_MS
    ),
)
"""Thresholds that every revision counts, in milliseconds, so that one chosen later lies in a narrow
bucket: each millisecond up to 5, from there on neighbours with a ratio of at most 1.25."""


def bucket_edge(threshold_ms: int) -> int:
    """The edge, in milliseconds, that counts the answers within a threshold."""
    return threshold_ms - 1


def bucket_edges(resource: str, thresholds_ms: Iterable[int]) -> tuple[int, ...]:
    """The edges for the ladder and for the thresholds of objectives, ascending, in milliseconds.

    Raises ResourceError, naming `resource`, for a threshold that lies inside a bin: an objective
    counted at another threshold than its own would be judged wrongly.
    """
    thresholds = tuple(thresholds_ms)
    for threshold in thresholds:
        require_exact(resource, threshold)
    return tuple(sorted({bucket_edge(each) for each in (*LADDER_MS, *thresholds)}))


@lru_cache(maxsize=256)
def thresholds_ms(edges: tuple[int, ...]) -> tuple[int, ...]:
    """The thresholds that bucket edges count exactly, ascending, both in milliseconds."""
    return tuple(sorted(edge + 1 for edge in edges))


def require_exact(resource: str, threshold: int) -> None:
    """Raise ResourceError, naming `resource`, unless the proxy can count at `threshold` (ms)."""
    if type(threshold) is not int or not 2 <= threshold <= _LONGEST_MS:
        raise ResourceError(
            resource,
            "latency.within",
            f"{threshold} ms",
            "write a whole number of milliseconds from 2 ms to 1 h",
        )
    bin_width = int(10 ** max(len(str(threshold)) - 2, 0))
    if threshold % bin_width:
        below = threshold - threshold % bin_width
        raise ResourceError(
            resource,
            "latency.within",
            f"{threshold} ms",
            f"write {below} ms or {below + bin_width} ms: the proxy counts exactly at two"
            " significant digits",
        )
