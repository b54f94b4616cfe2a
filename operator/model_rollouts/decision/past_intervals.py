"""Whether stable is worse, interval by interval, than it was in the intervals before.

How well a rate is known from the past depends on how much bad answers come in bursts: one cold
start among five minutes, and any rate may have been its past. Intervals can be ranked whatever
their law. If nothing changed, those of now and of before are exchangeable, so each rank of the next
one among all of them is equally likely. Bets that the next is above the j-th worst of the past, and
clearly so, cannot win on average then: what they have won is an e-process, at which one may look
after each interval (Ville 1939; bets on ranks: Vovk, Nouretdinov and Gammerman 2003). Nothing is
assumed about rates or bursts within an interval; bad times that last for several count as worse.
"""

import math
from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from model_rollouts.decision.counts import Counts
from model_rollouts.decision.objective import Objective
from model_rollouts.decision.verdict import Seen

LEAST_REQUESTS = 20
"""With fewer requests in an interval, its share of bad ones is chance, and it is left out."""
MOST_INTERVALS = 60
"""Intervals before that are ranked: five minutes, of five seconds each."""
_PARTS = (0.1, 0.25, 0.5)
"""The worst parts of the past that are not what stable is: it may have started, or been disturbed.
The smaller, the sooner a worse stable is found; evidence is the mean of the three e-values."""
_KEPT = int(MOST_INTERVALS * _PARTS[-1]) + 1
_TIMES = 2.0
"""Worse is twice as bad: less is for the judge who knows rates."""
_WORSE, _NOT_WORSE = 9.0, 1.0
"""The beta law of how often a stable that suffers is worse: in nine of ten intervals."""


@dataclass(frozen=True, slots=True)
class PastIntervals:
    """The number of intervals before, and the shares of bad answers in the worst, ascending."""

    number: int = 0
    worst: tuple[float, ...] = ()

    def with_one(self, counts: Counts) -> "PastIntervals":
        """These and one more."""
        if counts.total < LEAST_REQUESTS or self.number >= MOST_INTERVALS:
            return self
        worst = list(self.worst)
        insort(worst, round(counts.bad_at_most / counts.total, 4))
        return PastIntervals(self.number + 1, tuple(worst[-_KEPT:]))

    @property
    def is_whole(self) -> bool:
        """Whether it holds as many of the worst as its number of intervals says."""
        return self.number <= MOST_INTERVALS and len(self.worst) == min(self.number, _KEPT)

    @property
    def ranks(self) -> tuple[int, ...]:
        """Which of the worst a worse interval has to exceed, from 1, for each part."""
        return tuple(int(self.number * part) + 1 for part in _PARTS)

    @property
    def levels(self) -> tuple[float, ...]:
        """Their shares of bad answers; 1 without a past."""
        return tuple(self.worst[-rank] if self.number else 1.0 for rank in self.ranks)


@dataclass(frozen=True, slots=True)
class NewIntervals:
    """So many intervals since, and what was counted in all.

    For each of the levels before, `above` is how many of them exceeded it, and `worse` how many did
    so clearly; `bets` are the logarithms of what was won on it. Empty without any interval.
    """

    number: int = 0
    above: tuple[int, ...] = ()
    worse: tuple[int, ...] = ()
    bets: tuple[float, ...] = ()
    seen: Seen = field(default_factory=lambda: Seen(0.0, 0.0))

    def with_one(
        self, counts: Counts, before: PastIntervals, objective: Objective
    ) -> "NewIntervals":
        """These and one more, held against those before."""
        seen = Seen(self.seen.total + counts.total, self.seen.bad + counts.bad_at_least)
        if counts.total < LEAST_REQUESTS or not before.number:
            return replace(self, seen=seen)
        share, slack = counts.bad_at_least / counts.total, objective.slack * objective.good
        none = (0,) * len(_PARTS)
        above, worse, bets = [], [], []
        for rank, level, known_above, known_worse, won in zip(
            before.ranks,
            before.levels,
            self.above or none,
            self.worse or none,
            self.bets or none,
            strict=True,
        ):
            # Ranks are equally likely, so the chance to be above is known exactly (Laplace's rule
            # of succession over all intervals); to be worse, it is at most that.
            if_same = (rank + known_above) / (before.number + 1 + self.number)
            if_worse = max((_WORSE + known_worse) / (_WORSE + _NOT_WORSE + self.number), if_same)
            is_worse = share > max(_TIMES * level, objective.good) + slack
            above.append(known_above + (share > level))
            worse.append(known_worse + is_worse)
            bets.append(won + _won(is_worse, if_same, if_worse))
        return NewIntervals(self.number + 1, tuple(above), tuple(worse), tuple(bets), seen)

    @property
    def log_evidence(self) -> float:
        """The log e-value that these are worse than before; 0 without any."""
        if not self.bets:
            return 0.0
        most = max(self.bets)
        return most + math.log(sum(math.exp(each - most) for each in self.bets) / len(self.bets))


def proven_worse(since: Mapping[str, NewIntervals], *, false_alarm: float) -> str | None:
    """The name of the objective that shows most that stable is worse; None while none proves it.

    The chance that one of them ever does for a stable that is as it was is at most `false_alarm`.
    """
    evidence = {name: each.log_evidence for name, each in since.items()}
    most = max(evidence, key=evidence.__getitem__, default=None)
    if most is None or evidence[most] < math.log(len(evidence) / false_alarm):
        return None
    return most


def _won(is_worse: bool, if_same: float, if_worse: float) -> float:
    """The log of what a bet on worse wins.

    It cannot win on average while the chance is at most `if_same`: `if_worse` is not below.
    """
    if is_worse:
        return math.log(if_worse / if_same)
    return math.log((1 - if_worse) / (1 - if_same))
