"""Whether stable is worse, interval by interval, than it was in the intervals before.

How well a rate is known from the past depends on how much bad answers come in bursts: one cold
start among five minutes, and any rate may have been its past. Intervals can be ranked whatever
their law. If nothing changed, those of now and of before are exchangeable, so the number of new
ones that are worse than the j-th worst of n follows a beta-binomial law. Evidence is the ratio of
the law of a stable that is worse most of the time to that law: an e-process in its own right, so
one may look after each interval (Ville 1939). Nothing is assumed about rates or bursts within an
interval; bad times that last for several count as worse.
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
        insort(worst, counts.bad_at_most / counts.total)
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

    `worse` is how many of them exceeded each of the levels before; empty without any interval.
    """

    number: int = 0
    worse: tuple[int, ...] = ()
    seen: Seen = field(default_factory=lambda: Seen(0.0, 0.0))

    def with_one(
        self, counts: Counts, before: PastIntervals, objective: Objective
    ) -> "NewIntervals":
        """These and one more, held against those before."""
        seen = Seen(self.seen.total + counts.total, self.seen.bad + counts.bad_at_least)
        if counts.total < LEAST_REQUESTS:
            return replace(self, seen=seen)
        share, slack = counts.bad_at_least / counts.total, objective.slack * objective.good
        worse = tuple(
            known + (share > max(_TIMES * level, objective.good) + slack)
            for known, level in zip(self.worse or (0,) * len(_PARTS), before.levels, strict=True)
        )
        return NewIntervals(self.number + 1, worse, seen)


def log_evidence(before: PastIntervals, since: NewIntervals) -> float:
    """The log e-value that intervals are worse than before; 0 without any."""
    if not before.number or not since.number:
        return 0.0
    return math.log(
        sum(
            math.exp(
                _log_likelihood(_WORSE, _NOT_WORSE, worse, since.number - worse)
                - _log_likelihood(rank, before.number + 1 - rank, worse, since.number - worse)
            )
            for rank, worse in zip(before.ranks, since.worse, strict=True)
        )
        / len(_PARTS)
    )


def proven_worse(
    before: Mapping[str, PastIntervals], since: Mapping[str, NewIntervals], *, false_alarm: float
) -> str | None:
    """The name of the objective that shows most that stable is worse; None while none proves it.

    The chance that one of them ever does for a stable that is as it was is at most `false_alarm`.
    """
    evidence = {
        name: log_evidence(before.get(name, PastIntervals()), each) for name, each in since.items()
    }
    most = max(evidence, key=evidence.__getitem__, default=None)
    if most is None or evidence[most] < math.log(len(evidence) / false_alarm):
        return None
    return most


def _log_likelihood(a: float, b: float, successes: int, failures: int) -> float:
    """Of one sequence of tries whose chance follows Beta(a, b), by its conjugate posterior."""
    return _log_beta(a + successes, b + failures) - _log_beta(a, b)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
