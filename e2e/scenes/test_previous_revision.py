"""Where a version does not answer, the one that served before does, and no user sees an error.

In a canary that is stable, and after the watch the one pod that stays of the version before.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.scenes.answers import Answers
from e2e.scenes.chronicle import Object
from e2e.scenes.conftest import OpenStage
from e2e.scenes.manifest import Wanted
from e2e.scenes.rollout import conditions
from e2e.scenes.stage import Stage
from e2e.waiting import wait_until

pytestmark = pytest.mark.slow

RATE = 50
SOME = 10
PODS = 2
"""More than one, to see that one stays."""


@dataclass(frozen=True)
class WithPrevious(Wanted):
    """A model in whose place the version before answers, and whose watch is short."""

    def manifest(self, namespace: str, host: str) -> dict[str, Any]:
        """The resource in `namespace`, reached under `host`."""
        written = super().manifest(namespace, host)
        written["spec"]["fallback"] = {"type": "PreviousRevision", "after": "2s"}
        written["spec"]["strategy"]["watch"] = {"duration": "20s"}
        return written


FIRST = WithPrevious("1", replicas=PODS)
BAD = dataclasses.replace(FIRST, version="2", switches={"ERRORS": "0.05"})
GOOD = dataclasses.replace(FIRST, version="3", switches={"LONG_ERRORS": "1"})
"""It fails for each long haul, which nobody asks before its watch is over."""


@dataclass(frozen=True)
class Story:
    """The resource at the turns of the story, and what users got."""

    alone: Object
    rolled_back: Object
    standby: int
    beside_bad: Answers
    of_long_hauls: Answers


@pytest.fixture(scope="module")
def story(open_stage: OpenStage) -> Iterator[Story]:
    """Version 1; version 2 fails for 5 %; version 3 is promoted, and fails later."""
    with open_stage("previous") as stage:
        yield _played(stage)


def _played(stage: Stage) -> Story:
    rollout = stage.rollout
    stage.operator.start()
    rollout.apply(FIRST)
    alone = rollout.wait_for_reason("FallbackAbsent", "NoneBefore", seconds=180)
    rollout.wait_for_condition("Ready")
    users = stage.traffic(RATE)
    begun = users.start()
    bad = rollout.apply(BAD)
    rolled_back = rollout.wait_for_phase("RolledBack", bad, seconds=300)
    good = rollout.apply(GOOD)
    rollout.wait_for_phase("Full", good, since=rolled_back.at, seconds=300)
    before = str(alone.object["status"]["stable"]["revision"])

    def watch_is_over() -> bool:
        latest = rollout.latest()
        return "Watching" not in conditions(latest) and _pods(stage, before) == 1

    wait_until(watch_is_over, "one pod of version 1 stays", seconds=180)
    standby = _pods(stage, before)
    everybody = users.stop().since(begun)
    long_hauls = stage.traffic(SOME, header="x-haul: long")
    long_hauls.start()
    long_hauls.wait_for_more(100)
    return Story(alone.object, rolled_back.object, standby, everybody, long_hauls.stop())


def _pods(stage: Stage, revision: str) -> int:
    """How many pods of a revision are ready."""
    found = stage.cluster.kubectl.get("deployment", revision, "-n", stage.namespace)
    return int(found.get("status", {}).get("readyReplicas", 0))


def test_a_first_version_has_nobody_to_stand_in(story: Story) -> None:
    assert story.alone["status"]["stable"]["version"] == "1"


def test_a_version_in_canary_is_rolled_back_and_stable_answered_for_it(story: Story) -> None:
    print(story.beside_bad.counts())
    status = story.rolled_back["status"]
    (errors,) = (each for each in status["objectives"] if each["name"] == "errors")

    assert status["stable"]["version"] == "1"
    assert errors["bad"] > 0
    assert len(story.beside_bad.bad) == len(story.beside_bad.lost) == 0


def test_one_pod_of_the_version_before_stays_and_answers_after_the_watch(story: Story) -> None:
    print(story.of_long_hauls.counts())

    assert story.standby == 1
    assert len(story.of_long_hauls.bad) == len(story.of_long_hauls.lost) == 0
    assert len(story.of_long_hauls.of("1")) == len(story.of_long_hauls)
