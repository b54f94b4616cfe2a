"""The worst disagreements of a revision: those furthest apart, and of equals the latest."""

import heapq
from itertools import count

import msgspec

from model_rollouts.observer.compare.catalogue import Row

KEPT = 100


class Case(msgspec.Struct, frozen=True):
    """A disagreement as it is told. `stable` and `candidate` are null when values are not kept."""

    prediction_id: str
    request_id: str
    slice: str
    comparison: str
    why: str
    score: float
    stable: Row | None = None
    candidate: Row | None = None


class Worst:
    """The worst `kept` of all cases that were added."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._order = count()
        self._heap: list[tuple[float, int, Case]] = []

    def add(self, case: Case) -> None:
        """Keep a case, in place of the least bad one when there are enough."""
        entry = (case.score, next(self._order), case)
        if len(self._heap) < self._kept:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def cases(self, limit: int) -> list[Case]:
        """The worst first, at most `limit`."""
        return [case for _, _, case in sorted(self._heap, reverse=True)[:limit]]
