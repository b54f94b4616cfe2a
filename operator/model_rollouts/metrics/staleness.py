"""Markers of staleness: where a target, or one of its series, was gone.

A Prometheus stores them and leaves them out of a range selector. VictoriaMetrics shows them, with
the time of a scrape: each time when a scrape fails, and when a series is not shown any more.
"""

from collections.abc import Iterable, MutableMapping, Sequence
from math import isnan
from typing import TypeVar

from model_rollouts.metrics.series import Series

MARKER = "NaN"
"""How it is written. No counter has that value."""

Key = TypeVar("Key")


def leave_out(
    scrapes: MutableMapping[Key, list[tuple[Series, float]]], marked: Iterable[Key]
) -> None:
    """Take markers out of the scrapes of a process, of which those `marked` have some.

    Without a single number it was no scrape: taken for one, it would hide that the process began
    anew before it. A series that is there from the start is never gone from a scrape that reached
    the process: then it shows what is not a count, and stays.
    """
    for key in marked:
        scrapes[key] = left = _numbers(scrapes[key])
        if not left:
            del scrapes[key]


def _numbers(samples: Sequence[tuple[Series, float]]) -> list[tuple[Series, float]]:
    if all(isnan(value) for _, value in samples):
        return []
    return [
        (series, value)
        for series, value in samples
        if series.template.counter.from_start or not isnan(value)
    ]
