"""Stories with two operators: who leads is lost while users get a version that fails."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from e2e.scenes.answers import Answers
from e2e.scenes.chronicle import Object
from e2e.scenes.manifest import Wanted
from e2e.scenes.operator_process import Operator
from e2e.scenes.stage import Stage, operator_of
from e2e.scenes.stories import first_version
from e2e.scenes.way import Way
from e2e.waiting import wait_until
from model_rollouts.cluster.kinds import LEASE

FAILS = Wanted("2", {"ERRORS": "1"})
LONGEST_S = 60.0


@dataclass(frozen=True)
class TakenOver:
    """What came of it. Times are seconds from when the first one was lost."""

    led_after: float
    off_after: float
    """When the last request was sent that the version got which fails."""
    object: Object
    answers: Answers
    counted: list[tuple[float, int]]
    """How many requests of that version a status said were judged, and when (Unix seconds)."""


def leader_killed(stage: Stage, logs: Path) -> TakenOver:
    """Who leads dies."""
    leader, standby = _pair(stage, logs)
    try:
        return _taken_over(stage, leader, standby, leader.kill)
    finally:
        standby.stop()


@dataclass(frozen=True)
class CutOff:
    """What came of one that was cut off from the API server, and not from Prometheus."""

    taken_over: TakenOver
    wrote: tuple[int, int]
    """How many writes it had tried when the other one led, and when users were off."""
    code: int | None
    """With which it ended after the cut was healed."""


def leader_cut_off(stage: Stage, logs: Path) -> CutOff:
    """Who leads reaches the API server no more, and goes on reading samples."""
    leads_over = logs / f"{stage.namespace}-kubeconfig"
    with Way(stage.cluster.provider.kubeconfig, leads_over) as way:
        leader, standby = _pair(stage, logs, way.kubeconfig)
        tried: list[int] = []

        def cut() -> None:
            way.cut()
            wait_until(lambda: standby.leads, "the standby does not lead", LONGEST_S)
            tried.append(_tried(leader))

        try:
            taken_over = _taken_over(stage, leader, standby, cut)
            tried.append(_tried(leader))
            way.heal()
            wait_until(lambda: not leader.running, "one that was followed did not end", LONGEST_S)
        finally:
            standby.stop()
        return CutOff(taken_over, (tried[0], tried[1]), leader.code)


def _tried(operator: Operator) -> int:
    """The writes that it has tried, but for those of its Lease."""
    return sum(count for kind, count in operator.writes().items() if kind != LEASE.plural)


def _pair(stage: Stage, logs: Path, kubeconfig: Path | None = None) -> tuple[Operator, Operator]:
    """Two operators that share a Lease, not started yet; the first has another kubeconfig."""
    lease = f"{stage.namespace}/model-rollouts"
    leader, standby = (
        operator_of(
            stage.cluster,
            logs / f"{stage.namespace}-{name}.log",
            stage.namespace,
            lease=lease,
            kubeconfig=way,
        )
        for name, way in (("leader", kubeconfig), ("standby", None))
    )
    return leader, standby


def _taken_over(
    stage: Stage, leader: Operator, standby: Operator, lose: Callable[[], object]
) -> TakenOver:
    """Version 1 serves, version 2 fails each request, and `lose` is called as it gets its users."""
    stage.operator = leader
    leader.start()
    wait_until(lambda: leader.leads, "the first operator does not lead")
    standby.start()
    serving = first_version(stage, Wanted("1", target=FAILS.target), 50)
    since = serving.traffic.so_far().last.sent
    generation = stage.rollout.apply(FAILS)
    stage.rollout.wait_for_share(0.01, since=since)
    lost = time.time()
    lose()
    wait_until(lambda: standby.leads, "the standby does not lead", LONGEST_S)
    led_after = time.time() - lost
    stage.rollout.wait_for_phase("RolledBack", generation, since=since, seconds=LONGEST_S)
    # Who still got the version that fails would have told so by then.
    serving.traffic.wait_for_more(300, "1")
    answers = serving.traffic.stop().since(serving.settled)
    counted = [
        (at, objective.get("total", 0))
        for at, status in stage.rollout.statuses(since)
        if status.get("observedGeneration", 0) >= generation
        for objective in status.get("objectives", ())
        if objective["name"] == "errors"
    ]
    failed = answers.of(FAILS.version)
    off_after = max(failed.last.sent - lost, 0.0) if len(failed) else 0.0
    return TakenOver(led_after, off_after, stage.rollout.now(), answers, counted)
