"""A story in which the operator is killed again and again, and every time another one goes on."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from e2e.scenes.answers import Answers
from e2e.scenes.chronicle import Object
from e2e.scenes.manifest import Wanted
from e2e.scenes.operator_process import KILLED
from e2e.scenes.rollout import RouteWrite
from e2e.scenes.stage import Stage
from e2e.scenes.stories import Serving, first_version
from e2e.waiting import wait_until

EVIDENCE, ROUTE, STATUS = "after-evidence", "after-route", "after-status"
IN_A_PROMOTION = (STATUS, ROUTE, STATUS, EVIDENCE, ROUTE, STATUS, EVIDENCE, ROUTE, STATUS)
IN_A_ROLLBACK = (STATUS, ROUTE, STATUS, ROUTE, STATUS)
ENDS = ("Full", "RolledBack")
JUDGED = ("Canary", *ENDS)


@dataclass(frozen=True)
class Survived:
    """What came of a rollout whose operators were killed."""

    killed_at: Sequence[str]
    object: Object
    route: list[RouteWrite]
    answers: Answers
    counted: list[tuple[float, int]]
    """How many requests of the candidate a status said were judged, and when."""
    pods_started: Mapping[str, int]
    deployments: int
    revisions: int


def killed_at_points(stage: Stage, candidate: Wanted, points: Sequence[str]) -> Survived:
    """Version 1 serves; for `candidate` an operator is killed at each of `points` in turn."""
    serving = first_version(stage, Wanted("1", target=candidate.target), 50)
    since = serving.traffic.so_far().last.sent
    stage.operator.stop()
    generation = stage.rollout.apply(candidate)
    killed = []
    for point in points:
        if _ended(stage, generation):
            break
        stage.operator.start(crash_at=point)
        wait_until(
            lambda: not stage.operator.running or _ended(stage, generation),
            f"{point} was not reached",
            120,
        )
        if stage.operator.running:
            break
        assert stage.operator.code == KILLED, stage.operator.tail()
        killed.append(point)
    return _end(stage, serving, generation, since, candidate, killed)


def killed_at_random(stage: Stage, candidate: Wanted, kills: int, seed: int) -> Survived:
    """Version 1 serves; for `candidate` operators are killed whenever it happens."""
    serving = first_version(stage, Wanted("1", target=candidate.target), 50)
    since = serving.traffic.so_far().last.sent
    generation = stage.rollout.apply(candidate)
    draw = random.Random(seed)  # noqa: S311 - no secret depends on it
    killed: list[str] = []
    while len(killed) < kills and not _ended(stage, generation):
        # Up to six seconds of users' requests: from the middle of its start to the next tick.
        serving.traffic.wait_for_more(draw.randrange(1, 300))
        stage.operator.kill()
        killed.append("random")
        stage.operator.start()
    return _end(stage, serving, generation, since, candidate, killed)


def _ended(stage: Stage, generation: int) -> bool:
    status = stage.rollout.latest().get("status", {})
    return status.get("phase") in ENDS and status.get("observedGeneration", 0) >= generation


def _end(
    stage: Stage,
    serving: Serving,
    generation: int,
    since: float,
    candidate: Wanted,
    killed: Sequence[str],
) -> Survived:
    """Let one operator go on to the end and a little further."""
    rollout = stage.rollout
    stage.operator.stop()
    stage.operator.start()
    wait_until(lambda: _ended(stage, generation), f"{stage.namespace} did not come to an end", 240)
    # What the last operator should leave alone it would have touched by then.
    serving.traffic.wait_for_more(300)
    where = ("-n", stage.namespace)
    counted = [
        (at, objective["total"])
        for at, status in rollout.statuses(since)
        # Until the candidate has users the objectives are those of what is watched beside it.
        if status.get("observedGeneration", 0) >= generation and status["phase"] in JUDGED
        for objective in status.get("objectives", ())
        if objective["name"] == "errors"
    ]
    return Survived(
        killed,
        rollout.now(),
        rollout.route_writes(since),
        serving.traffic.stop().since(serving.settled),
        counted,
        rollout.pods_started(candidate.version),
        len(stage.cluster.kubectl.get("deployments", *where)["items"]),
        len(stage.cluster.kubectl.get("controllerrevisions", *where)["items"]),
    )
