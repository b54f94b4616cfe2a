"""What was answered beside the passes, how long it holds, and when it is worth asking again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from model_rollouts.resources.shapes import Object
from model_rollouts.rollout import BucketsQuery, Checked, History, HistoryQuery, ScrapedBuckets

NEVER = float("inf")

FIRST_AGAIN_S = 2.0
LONGEST_AGAIN_S = 60.0
"""Seconds until something is asked again whose answer may change without a change of the spec: from
the first to the longest, doubled while the answer stays the same."""

EAGER_TIMES = 5
"""So often Prometheus is asked again at the first pace: users wait for the first scrape of pods."""

MEASURED_S = 600.0
"""How long a dispersion holds that was measured on a day."""


def again_after(same: int) -> float:
    """Seconds that an answer holds that came `same` times before in a row."""
    return min(FIRST_AGAIN_S * 2.0 ** min(same, 20), LONGEST_AGAIN_S)


@dataclass(frozen=True, slots=True)
class Answered:
    """What was asked for admission, when (Unix seconds), and how often it was the same before."""

    checked: Checked
    at: float
    same: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing that was found can be cured without a change of the spec."""
        found = self.checked
        return not (found.refusal or found.gateway.conflicts or found.gateway.missing)

    @property
    def again_at(self) -> float:
        """When it is asked again (Unix seconds)."""
        return NEVER if self.is_clean else self.at + again_after(self.same)

    def followed_by(self, checked: Checked, at: float) -> "Answered":
        """The next answer."""
        return Answered(checked, at, self.same + 1 if checked == self.checked else 0)


@dataclass(frozen=True, slots=True)
class Absent:
    """Which Gateways of those that were `asked` for did not exist, at `at` (Unix seconds).

    `same` is how often the answer was the same before.
    """

    asked: tuple[str, ...]
    names: frozenset[str]
    at: float
    same: int = 0

    @property
    def again_at(self) -> float:
        """When it is asked again (Unix seconds), should they be silent then."""
        return self.at + again_after(self.same)

    def followed_by(self, after: "Absent") -> "Absent":
        """The next answer, which knows how often it was the same before."""
        is_same = (after.asked, after.names) == (self.asked, self.names)
        return replace(after, same=self.same + 1 if is_same else 0)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found about the past of what `asked` names, and when: nothing of a candidate."""

    asked: HistoryQuery
    history: History
    at: float

    def holds_for(self, query: HistoryQuery, now: float) -> bool:
        """Whether the same past is asked about, not long after."""
        same = replace(self.asked, candidate=None) == replace(query, candidate=None)
        return same and now - self.at <= MEASURED_S


@dataclass(frozen=True, slots=True)
class Remembered:
    """What Prometheus said of the past of `asked` for one generation of the spec, and when.

    `pods` is how the candidate's were then, and `same` how often the answer was the same before.
    """

    asked: HistoryQuery
    generation: int
    history: History
    at: float
    pods: Any = None
    same: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing that may come without a change of the spec."""
        return self.asked.candidate is None or self.history.scraped_ms is not None

    @property
    def lacks_usual(self) -> bool:
        """Whether stable has answered too little so far to say how long that takes."""
        return bool(self.asked.edges) and self.history.usual is None

    def again_at(self, pods: Any, *, begun: bool) -> float:
        """When it is asked again (Unix seconds): at once after the `pods` have changed.

        `begun`: the trial has, for which what is usual at stable is fixed by then.
        """
        if self.is_whole and (begun or not self.lacks_usual):
            return NEVER
        return 0.0 if pods != self.pods else self.at + again_after(max(0, self.same - EAGER_TIMES))

    def followed_by(self, after: "Remembered") -> "Remembered":
        """The next answer, which knows how often it was the same before."""
        same = (after.history, after.asked, after.generation, after.pods) == (
            self.history,
            self.asked,
            self.generation,
            self.pods,
        )
        return replace(after, same=self.same + 1 if same else 0)


class Buckets(NamedTuple):
    """What Prometheus said of histograms: edges as in `ScrapedBuckets`, and what it did not answer.

    `unanswered` has what came back, by `Histogram.text`.
    """

    edges: Mapping[tuple[str, str], tuple[float, ...]]
    unanswered: Mapping[str, str]


def buckets_after(
    before: ScrapedBuckets | None, asked: BucketsQuery, found: Buckets, at: float
) -> ScrapedBuckets:
    """The next answer about buckets, which came at `at` (Unix seconds).

    It knows how often it was the same before, and when it is asked again if something is lacking.
    """
    after = ScrapedBuckets(asked, found.edges, NEVER, unanswered=found.unanswered)
    is_same = before is not None and (before.asked, before.edges) == (asked, after.edges)
    same = before.same + 1 if before is not None and is_same else 0
    again_at = NEVER if after.is_whole else at + again_after(max(0, same - EAGER_TIMES))
    return replace(after, same=same, again_at=again_at)


def pods_of(revision: str | None, deployments: Mapping[str, Object]) -> Any:
    """How the pods of a revision are, as far as their Deployment tells; None without any."""
    deployment = deployments.get(revision or "")
    if deployment is None:
        return None
    status = deployment.get("status") or {}
    counts = ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas")
    return (deployment["spec"].get("replicas"), *(status.get(each) for each in counts))
