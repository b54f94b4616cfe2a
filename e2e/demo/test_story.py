"""Scenes 1 to 4 of the demo on the cluster, by the fields of the status and what users got.

The load generator's books are the truth here: neither the proxy nor Prometheus nor the operator
keeps them.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from rich.console import Console

from demo.load.replay import Count
from demo.story.environment import Setting
from demo.story.followed_rollout import Course
from demo.story.scenes import SCENES, Ending, Memory
from demo.story.stage import Stage
from demo.story.terminal import Teller
from e2e.cluster import progress
from e2e.fixtures import Cluster

PLAYED = (1, 2, 3, 4)
AFTERWARDS_SECONDS = 5.0


@dataclass(frozen=True)
class Told:
    """What came of the scenes, and what users got when all was over."""

    endings: dict[int, Ending]
    courses: dict[str, Course]
    afterwards: dict[str, Count]
    sent: int


@pytest.fixture(scope="module")
def told(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The scenes, played once."""
    console = Console(width=120)
    setting = Setting(tmp_path_factory.mktemp("demo"), cluster.provider)
    progress.run(setting.steps(), console)
    memory, endings = Memory(), {}
    try:
        with Stage(setting, Teller(console)) as stage:
            for scene in SCENES:
                if scene.number in PLAYED:
                    stage.scene(scene.number, scene.title, scene.words)
                    endings[scene.number] = scene.play(stage, memory)
            over = time.time() + AFTERWARDS_SECONDS
            stage.until(lambda: time.time() > over, "users still get answers", 60)
            ledger = stage.users.ledger
            last = {version: ledger.of(version, over - 3) for version in ("2", "3", "4")}
            yield Told(endings, memory.courses, last, ledger.sent)
    finally:
        setting.clear()


def test_every_scene_ends_as_expected(told: Told) -> None:
    assert {number: each.happened for number, each in told.endings.items()} == {
        1: "got all users",
        2: "promoted",
        3: "rolled back in shadow",
        4: "rolled back in canary",
    }
    assert all(each.as_expected for each in told.endings.values())


def test_no_request_to_the_better_version_fails(told: Told) -> None:
    course = told.courses["2"]

    assert course.phases == ["Starting", "Shadow", "Canary", "Full"]
    assert course.got.total > 0
    assert course.got.errors == 0


def test_no_user_met_the_version_that_is_slow_for_a_few(told: Told) -> None:
    course = told.courses["3"]

    assert max(one.weight for one in course.seen) == 0
    assert max(one.copies for one in course.seen) > 0
    assert course.got.total == 0
    assert "latency" in course.end.failed
    assert course.end.rolled_back[:1] == ("3",)


def test_the_version_that_became_slow_was_rolled_back(told: Told) -> None:
    course = told.courses["4"]

    assert course.phases == ["Starting", "Shadow", "Canary", "RolledBack"]
    assert 0 < course.got.bad < told.sent / 20
    assert course.end.stable == "2"


def test_users_are_served_by_the_better_version_in_the_end(told: Told) -> None:
    assert told.afterwards["2"].answered > 0
    assert told.afterwards["3"].total == told.afterwards["4"].total == 0
