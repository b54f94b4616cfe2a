"""The stories that the tests ask about: what happened, from outside, as plain facts.

Each plays on a stage of its own, so that they run at the same time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from e2e.scenes.answers import Answers
from e2e.scenes.chronicle import Object
from e2e.scenes.manifest import Wanted
from e2e.scenes.operator_process import Move
from e2e.scenes.rollout import RouteWrite, conditions
from e2e.scenes.scrapes import Scrape, first_with, scrapes
from e2e.scenes.stage import Stage
from e2e.scenes.traffic import Traffic


@dataclass(frozen=True)
class Serving:
    """A first version that serves users. `settled` is when they began to be answered."""

    traffic: Traffic
    settled: float
    wanted: Wanted
    object: Object


def first_version(stage: Stage, wanted: Wanted, rate: float, patience: float = 10) -> Serving:
    """Apply a first version, wait until it is Ready as people would, and send users."""
    if not stage.operator.running:
        stage.operator.start()
    stage.rollout.apply(wanted)
    stage.rollout.wait_for_condition("Ready")
    traffic = stage.traffic(rate, patience)
    settled = traffic.start()
    return Serving(traffic, settled, wanted, stage.rollout.now())


@dataclass(frozen=True)
class Promotion:
    """A good version that was promoted, and then the way back to the first one."""

    first: Object
    """The resource while the first version served."""
    promoted: Object
    reverted: Object
    ready: list[str]
    """The status of Ready from the second version's application to its promotion, by change."""
    route: list[RouteWrite]
    """The writes of the route for the second version."""
    reverting_route: list[RouteWrite]
    answers: Answers
    """Of all users from the first good answer on."""
    pods_started: Mapping[str, int]
    """Starts of the second version by pod."""
    writes: Mapping[str, int]
    """Writes of the operator for the second version, by kind."""


def promotion(stage: Stage, rate: float = 50) -> Promotion:
    """Version 1 serves, version 2 is good; afterwards version 1 is wanted again."""
    rollout, first = stage.rollout, Wanted("1")
    serving = first_version(stage, first, rate)
    before, since = stage.operator.writes(), serving.traffic.so_far().last.sent

    generation = rollout.apply(replace(first, version="2"))
    rollout.wait_for_condition("Ready=False")
    rollout.wait_for_condition("Ready", seconds=240)
    promoted = rollout.wait_for_phase("Full", generation).object
    after = stage.operator.writes()
    ready = [
        conditions({"status": status})["Ready"]["status"]
        for _, status in rollout.statuses(since)
        if status["observedGeneration"] >= generation
    ]
    route = rollout.route_writes(since)

    reverted_at = serving.traffic.so_far().last.sent
    reverted_generation = rollout.apply(first)
    rollout.wait_for_phase("Full", reverted_generation)
    rollout.wait_for_condition("Ready")
    # A write that should not be there would follow soon: while users get this many answers.
    serving.traffic.wait_for_more(round(5 * rate), "1")
    reverted = rollout.now()
    return Promotion(
        serving.object,
        promoted,
        reverted,
        ready,
        route,
        rollout.route_writes(reverted_at),
        serving.traffic.stop().since(serving.settled),
        rollout.pods_started("2"),
        {kind: count - before.get(kind, 0) for kind, count in after.items()},
    )


@dataclass(frozen=True)
class RolledBack:
    """A bad version that was rolled back. `version` is its own, times are Unix seconds."""

    version: str
    object: Object
    answers: Answers
    route: list[RouteWrite]
    """The writes of the route for the bad version: the first gave it users, the last took them."""
    decided: Move
    """The operator's own word of the last one."""
    scrape: Scrape
    """The first scrape that had seen what the decision was made from."""

    @property
    def behind_the_scrape(self) -> float:
        """Seconds from that scrape to the decision."""
        return self.decided.at - self.scrape.at

    @property
    def behind_the_decision(self) -> float:
        """Seconds from the decision to the last request that the bad version got, above 0."""
        return max(self.answers.of(self.version).last.sent - self.decided.at, 0.0)


def rolled_back(
    stage: Stage, bad: Wanted, *, rate: float = 50, patience: float = 10, seconds: float = 240
) -> RolledBack:
    """Version 1 serves, a bad one follows and is rolled back."""
    serving = first_version(stage, Wanted("1", target=bad.target, steps=bad.steps), rate, patience)
    return fall(stage, serving, bad, seconds)


def fall(stage: Stage, serving: Serving, bad: Wanted, seconds: float = 240) -> RolledBack:
    """Apply `bad`, wait until it was rolled back, and stop the users."""
    rollout = stage.rollout
    since = serving.traffic.so_far().last.sent
    generation = rollout.apply(bad)
    begun = rollout.wait_for_share(0.01, since=since)
    ended = rollout.wait_for_phase("RolledBack", generation, since=since, seconds=seconds)
    # Who still got the bad version would have told so by then.
    serving.traffic.wait_for_more(round(5 * serving.traffic.rate), "1")
    answers = serving.traffic.stop().since(serving.settled)
    bad_ones, total = judged(ended.object["status"])
    found = scrapes(stage.cluster, stage.namespace, str(begun.record["candidate"]))
    return RolledBack(
        bad.version,
        ended.object,
        answers,
        rollout.route_writes(since),
        stage.operator.moves()[-1],
        first_with(found, total, bad_ones),
    )


def judged(status: Mapping[str, Any]) -> tuple[int, int]:
    """Bad requests of the version that was rolled back and all of them, where it failed."""
    failed = [each for each in status["objectives"] if each["verdict"] == "Fail"]
    assert failed, f"a rollback without an objective that failed: {status['objectives']}"
    return int(failed[0]["bad"]), int(failed[0]["total"])
