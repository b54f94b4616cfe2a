"""Healthy pods and bad ones as a Prometheus shows them that is slow, late, doubled or in parts.

Time is made up: pods answer requests at a steady rate, each Prometheus scrapes each pod at its own
moments, and each sample is seen by queries from some moment on. What was counted is held against
what the pods answered.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from model_rollouts.metrics.answers import Answer
from model_rollouts.metrics.batching import Query
from model_rollouts.metrics.counts import Counted, IntervalCounts
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import errors, latency
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.series import LabelNames, Sample, Series, read_series
from model_rollouts.metrics.watermark import Watermark

STEP_S = 5
START_S = 1_000_000
SETTLE_S = 0.5
LOOKBACK_S = 300
AGE_S = 10_000
"""How long the pods have been up."""

Lag = Callable[[random.Random, str], float]
"""Seconds from a scrape until a series of it can be seen."""

Labels = dict[str, str]


@dataclass(frozen=True)
class Pod:
    """One pod, scraped `at` seconds after the beginning of an interval.

    `bad` and `slow` are shares of its requests.
    """

    name: str
    revision: str
    at: float
    rate: float = 5.0
    bad: float = 0.0
    slow: float = 0.0

    def answered(self, seconds: float) -> int:
        """Requests so many seconds after counting began; no two intervals have the same."""
        return int(self.rate * (seconds + AGE_S) + (seconds + AGE_S) ** 2 / 2_000)

    def counters(self, seconds: float) -> Iterator[tuple[Labels, int]]:
        """What it shows so many seconds after counting began."""
        done = self.answered(seconds)
        http = {"envoy_http_conn_manager_prefix": "live"}
        rq = "envoy_http_downstream_rq_"
        yield {"__name__": f"{rq}completed", **http}, done
        yield {"__name__": f"{rq}rx_reset", **http}, 0
        yield (
            {"__name__": f"{rq}xx", **http, "envoy_response_code_class": "5"},
            int(self.bad * done),
        )
        yield {"__name__": f"{rq}time_count", **http}, done
        yield (
            {"__name__": f"{rq}time_bucket", **http, "le": "299"},
            done - int(self.slow * done),
        )
        yield {"__name__": "envoy_server_uptime"}, int(seconds + AGE_S)


STABLE, CANDIDATE = "old", "new"
PODS = (
    Pod("s1", STABLE, 1.3, 20.0),
    Pod("s2", STABLE, 3.9, 20.0),
    Pod("c1", CANDIDATE, 4.7),
)


def _punctual(dice: random.Random, name: str) -> float:
    return 0.0


@dataclass
class Disturbed:
    """What `replicas` Prometheus have, scraping every `every_s`, and what is seen of it when."""

    pods: Sequence[Pod] = PODS
    every_s: float = STEP_S
    replicas: int = 1
    lag: Lag = _punctual
    behind_s: tuple[float, ...] = (0.0, 0.0)
    """How much later each replica has everything."""
    dropped: frozenset[str] = frozenset()
    """Metrics that are never stored."""
    seed: int = 0
    until_s: float = 600.0
    _seen: list[list[tuple[Labels, list[tuple[float, float, str]]]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        dice = random.Random(self.seed)
        for replica in range(self.replicas):
            series: dict[tuple[tuple[str, str], ...], list[tuple[float, float, str]]] = {}
            for pod in self.pods:
                at = -LOOKBACK_S + pod.at * self.every_s / STEP_S + 2.2 * replica
                while at < self.until_s:
                    for labels, value in pod.counters(at):
                        if labels["__name__"] in self.dropped:
                            continue
                        target = {
                            "namespace": "shop",
                            "pod": pod.name,
                            "modelrollouts_revision": pod.revision,
                            "job": "models",
                        }
                        key = tuple(sorted((labels | target).items()))
                        seen = at + self.behind_s[replica] + self.lag(dice, labels["__name__"])
                        series.setdefault(key, []).append((at, seen, str(value)))
                    at += self.every_s
            self._seen.append([(dict(key), samples) for key, samples in series.items()])

    def is_exact(self, total: int, pod: Pod, until_s: float) -> bool:
        """Whether `total` is what a pod answered from a scrape near 0 to one after `until_s`.

        It counts each request between the two once, or it would be another number.
        """
        times = sorted(
            {
                at
                for series in self._seen
                for labels, samples in series
                if labels["pod"] == pod.name
                for at, _, _ in samples
            }
        )
        firsts = [at for at in times if -self.every_s - 15 <= at <= 0]
        lasts = [at for at in times if at >= until_s]
        return any(
            total == pod.answered(last) - pod.answered(first) for first in firsts for last in lasts
        )

    def answer(self, query: Query, now_s: float, replica: int) -> list[tuple[Series, list[Sample]]]:
        """What a replica answers at a moment (seconds after counting began)."""
        found = []
        for labels, samples in self._seen[replica]:
            shown = [
                (START_S + at, value)
                for at, seen, value in samples
                if seen <= now_s and query.after_ms < 1000 * (START_S + at) <= query.at_ms
            ]
            for template in query.templates if shown else ():
                series = read_series(template, labels, LabelNames())
                if series is not None:
                    found.append((series, shown))
        return found


MEASURED = MeasuredRollout(
    "shop/model",
    "shop",
    (Arm("stable", STABLE), Arm("candidate", CANDIDATE)),
    (errors("errors"), latency("latency", [0.3])),
    START_S * 1000,
)


@dataclass
class Operator:
    """Reads what a disturbed Prometheus shows; `ahead_s` is how far its clock is ahead."""

    world: Disturbed
    ahead_s: float = 0.0
    turns: Callable[[int], int] = lambda tick: 0
    """Which replica answers the queries of a tick."""
    since: Watermark | None = None
    records: list[IntervalCounts] = field(default_factory=list)
    last: Counted | None = None
    told_at: list[float] = field(default_factory=list)
    """When each record was known (seconds)."""

    def run(self, begin_s: float, until_s: float, intake: Intake | None = None) -> None:
        """Tick in each interval of the configured length, as a new process that knows `since`.

        With `intake` it is the process that has this one.
        """
        intake = intake or Intake(Grid(STEP_S * 1000, LOOKBACK_S * 1000))
        for number in range(round(begin_s / STEP_S) + 1, round(until_s / STEP_S) + 1):
            now_s = number * STEP_S + SETTLE_S
            as_if_ms = round(1000 * (START_S + now_s + self.ahead_s - SETTLE_S + STEP_S))
            replica = self.turns(number)
            behind = True
            while behind:
                tick = intake.plan([Request(MEASURED, self.since)], as_if_ms)
                answers: list[Answer] = [
                    self.world.answer(query, now_s, replica) for query in tick.queries
                ]
                counted = intake.advance(tick, answers)[MEASURED.key]
                assert isinstance(counted, Counted)
                self.records += counted.intervals
                self.told_at += [now_s] * len(counted.intervals)
                self.since = counted.watermark
                self.last, behind = counted, counted.behind

    def total(self, arm: str, objective: str = "errors") -> int:
        """The requests of an arm."""
        return sum(each.arms[arm].tallies[objective].total for each in self.records)

    def bad(self, arm: str, objective: str = "errors") -> int:
        """The bad ones among them."""
        return sum(each.arms[arm].tallies[objective].bad[0] for each in self.records)

    def judged(self, arm: str, after_s: float = 0.0) -> float:
        """The share of the time after a moment that is in intervals which hold no arm."""
        later = [each for each in self.records if each.start_ms >= 1000 * (START_S + after_s)]
        good = [each for each in later if arm not in each.held_arms]
        whole = sum(each.end_ms - each.start_ms for each in later)
        return sum(each.end_ms - each.start_ms for each in good) / whole if whole else 0.0
