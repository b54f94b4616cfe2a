"""Users and what they get: requests split as the gateway does, answered as versions do.

Answers are made when somebody looks: whoever changes what users get has to `settle` before.
"""

import bisect
import math
import random
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from model_rollouts.metrics.sources import Listener
from tests.faults.virtual_time import NOON, now
from tests.rollout.simulated_cluster import Answered

SCRAPE_S = 5.0
KEPT_S = 900.0
"""How far back scrapes are made up; before, nobody has looked."""


@dataclass(frozen=True)
class Quality:
    """How a version answers: shares of errors, and of answers that take so many seconds."""

    errors: float = 0.0
    slow: Mapping[float, float] = field(default_factory=dict)

    def answers(self, requests: int, dice: random.Random) -> Answered:
        """Answers to so many requests."""
        slow = {seconds: binomial(dice, requests, share) for seconds, share in self.slow.items()}
        return Answered(requests, binomial(dice, requests, self.errors), slow)


GOOD = Quality()

Arm = tuple[str, Listener]


@dataclass(frozen=True)
class Sample:
    """What the pods of a revision had counted when they were scraped (seconds)."""

    at: float
    counted: Answered
    pods: int


@dataclass(frozen=True)
class Split:
    """How the gateway sent users from a moment on."""

    at: float
    weights: Mapping[str, int]
    mirror: tuple[str, int]


class Users:
    """All users of one ModelDeployment. Times are seconds of the history."""

    def __init__(self, rate: float, dice: random.Random, scrape_s: float = SCRAPE_S) -> None:
        self.rate = rate
        self.scrape_s = scrape_s
        self.weights: Mapping[str, int] = {}
        self.mirror: tuple[str, int] = ("", 0)
        self.pods: dict[str, int] = {}
        self.pods_since: list[tuple[float, str, int]] = []
        """Since when a revision has so many ready pods."""
        self.started: dict[str, float] = {}
        """Since when a revision has its pods."""
        self.versions: dict[str, str] = {}
        self.qualities: dict[str, Quality] = {}
        self.qualities_since: list[tuple[float, str, Quality]] = []
        """Since when a version answers how."""
        self.counted: dict[Arm, Answered] = defaultdict(Answered)
        self.unanswered = 0.0
        """Requests for which there was no route or no pod."""
        self.splits_since: list[Split] = []
        self._dice = dice
        self._at = 0.0
        self._owed: dict[Arm, float] = defaultdict(float)
        self._samples: dict[Arm, list[Sample]] = defaultdict(list)
        self._offsets: dict[tuple[str, int], float] = {}
        self.scraped: Callable[[str, int, float], None] | None = None
        """Told of each scrape: the revision, by which replica of Prometheus, and when."""
        self.replicas = 1
        """Of Prometheus: each scrapes at its own times, and samples here are those of the first."""

    def starts(self, revision: str, version: str, pods: int) -> None:
        """A revision has so many ready pods from now on."""
        self.settle()
        self.versions[revision] = version
        if pods and not self.pods.get(revision):
            self.started[revision] = now()
        self.pods[revision] = pods
        self.pods_since.append((now(), revision, pods))
        for replica in range(self.replicas):
            self._offsets.setdefault((revision, replica), self._dice.uniform(0.0, self.scrape_s))

    def splits(self, weights: Mapping[str, int], mirror: tuple[str, int]) -> None:
        """The gateway sends users by these weights, and mirrors so many percent to a revision."""
        self.settle()
        self.weights, self.mirror = weights, mirror
        self.splits_since.append(Split(now(), weights, mirror))

    def becomes(self, version: str, quality: Quality) -> None:
        """A version answers like this from now on."""
        self.settle()
        self.qualities[version] = quality
        self.qualities_since.append((now(), version, quality))

    def sample(self, arm: Arm, until: float) -> Sample | None:
        """The last sample of an arm up to a time that is settled, None when there is none."""
        samples = self._samples[arm]
        index = bisect.bisect_right(samples, until, key=lambda each: each.at)
        return samples[index - 1] if index else None

    def settle(self) -> None:
        """Answer the requests that came until now, and scrape on the way."""
        until = now()
        while self._at < until:
            scrapes = {
                (revision, replica): _next(self._at, offset, self.scrape_s)
                for (revision, replica), offset in self._offsets.items()
                if self.pods.get(revision)
            }
            first = min(scrapes.values(), default=until)
            skipped = until - KEPT_S
            end = skipped if self._at < skipped else min(until, first)
            self._serve(end - self._at)
            self._at = end
            for (revision, replica), at in scrapes.items():
                if at <= end:
                    self._scrape(revision, replica, end)

    def _serve(self, seconds: float) -> None:
        requests, total = self.rate * seconds, sum(self.weights.values())
        for revision, weight in self.weights.items():
            self._answer((revision, Listener.LIVE), requests * weight / total)
        if not total:
            self.unanswered += requests
        revision, percent = self.mirror
        if percent and self.pods.get(revision):
            self._answer((revision, Listener.SHADOW), requests * percent / 100)

    def _answer(self, arm: Arm, requests: float) -> None:
        # Weighted round robin: what is left of a request comes next time.
        due = self._owed[arm] + requests
        whole = int(due + 1e-9)
        self._owed[arm] = due - whole
        revision, _ = arm
        if not whole:
            return
        if not self.pods.get(revision):
            self.unanswered += whole
            return
        quality = self.qualities.get(self.versions[revision], GOOD)
        self.counted[arm] += quality.answers(whole, self._dice)

    def _scrape(self, revision: str, replica: int, at: float) -> None:
        if self.scraped is not None:
            self.scraped(revision, replica, at)
        if replica:
            return
        for listener in Listener:
            samples = self._samples[revision, listener]
            samples.append(Sample(at, self.counted[revision, listener], self.pods[revision]))


def _next(after: float, offset: float, every: float) -> float:
    """The first scrape after a time."""
    # By the wall clock, as Prometheus does: intervals lie on it too.
    beats = math.floor((NOON + after - offset) / every + 1e-6) + 1
    return beats * every + offset - NOON


def binomial(dice: random.Random, requests: int, share: float) -> int:
    """How many of `requests` fall into a share: the gaps between them are geometric."""
    if share > 0.5:
        return requests - binomial(dice, requests, 1 - share)
    if share <= 0:
        return 0
    found, at, log = 0, 0, math.log1p(-share)
    while True:
        at += int(math.log(1 - dice.random()) / log) + 1
        if at > requests:
            return found
        found += 1
