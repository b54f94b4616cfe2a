"""Which records never came: gaps in the numbers that each proxy counts its records with.

No counter of Envoy is right in every case, so the record itself carries a number. A gap is told as
lost after a grace period: what two streams of one proxy send may overtake each other.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

GRACE_S = 5.0
FORGOTTEN_S = 3_600.0
"""A proxy that has been silent for so long is forgotten: its pod is gone."""
MOST_GAPS = 1_000
"""Open gaps of one proxy; of more the oldest are lost at once."""


class Origin(NamedTuple):
    """Who counts: one start of a proxy's script, in one arm of a pod of a revision."""

    namespace: str
    model: str
    revision: str
    arm: str
    pod_uid: str
    boot: str


State = tuple[str, str, str, str, str, str, int, list[tuple[int, int]]]
"""An Origin's fields, its highest number, and first and last of each open gap."""


class Lost(NamedTuple):
    """So many records of an origin never came."""

    origin: Origin
    records: int


@dataclass(slots=True)
class _Counted:
    highest: int
    seen_s: float
    gaps: list[tuple[int, int, float]] = field(default_factory=list)
    """First and last number that is missing, and since when."""


class Sequences:
    """Numbers that came, by origin."""

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self._grace_s = grace_s
        self._counted: dict[Origin, _Counted] = {}

    def came(self, origin: Origin, number: int, now: float) -> bool:
        """Take a number; False when it came before, or was already given up."""
        counted = self._counted.get(origin)
        if counted is None:
            counted = self._counted[origin] = _Counted(0, now)
        counted.seen_s = now
        if number == counted.highest + 1:
            counted.highest = number
            return True
        if number > counted.highest:
            counted.gaps.append((counted.highest + 1, number - 1, now))
            counted.highest = number
            return True
        for index, (first, last, since) in enumerate(counted.gaps):
            if first <= number <= last:
                rest = [(first, number - 1, since), (number + 1, last, since)]
                counted.gaps[index : index + 1] = [each for each in rest if each[0] <= each[1]]
                return True
        return False

    def lost(self, now: float) -> Iterator[Lost]:
        """What is given up now; each record is told once."""
        for origin, counted in list(self._counted.items()):
            if now - counted.seen_s > FORGOTTEN_S:
                del self._counted[origin]
            old = [each for each in counted.gaps if now - each[2] >= self._grace_s]
            old = old or counted.gaps[: max(len(counted.gaps) - MOST_GAPS, 0)]
            if old:
                counted.gaps = counted.gaps[len(old) :]
                yield Lost(origin, sum(last - first + 1 for first, last, _ in old))

    def state(self) -> list[State]:
        """What the next process has to know of the numbers that came.

        It is kept in one commit with the records that came until then: records that came later and
        were never kept are then a gap of the next process.
        """
        return [
            (*origin, counted.highest, [(first, last) for first, last, _ in counted.gaps])
            for origin, counted in self._counted.items()
        ]

    def resume(self, state: Iterable[State], now: float) -> None:
        """Continue from the `state` of another process."""
        for *names, highest, gaps in state:
            counted = _Counted(highest, now, [(first, last, now) for first, last in gaps])
            self._counted[Origin(*names)] = counted
