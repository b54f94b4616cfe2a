"""Scenes of the demo on the cluster, by the fields of the status and what users got.

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

AFTERWARDS_SECONDS = 5.0


@dataclass(frozen=True)
class Told:
    """What came of the scenes, and what users got when all was over; they still come."""

    endings: dict[int, Ending]
    memory: Memory
    afterwards: dict[str, Count]
    sent: int
    stage: Stage

    @property
    def courses(self) -> dict[str, Course]:
        """The rollouts by version."""
        return self.memory.courses


def told(*numbers: int) -> object:
    """A fixture of a module: the scenes of these numbers, played once."""

    @pytest.fixture(scope="module")
    def story(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
        setting = Setting(tmp_path_factory.mktemp("demo"), cluster.provider)
        console = Console(width=120)
        progress.run(setting.steps(), console)
        memory, endings = Memory(), {}
        try:
            with Stage(setting, Teller(console)) as stage:
                for scene in SCENES:
                    if scene.number in numbers:
                        stage.scene(scene.number, scene.title, scene.words)
                        endings[scene.number] = scene.play(stage, memory)
                over = time.time() + AFTERWARDS_SECONDS
                stage.until(lambda: time.time() > over, "users still get answers", 60)
                ledger = stage.users.ledger
                last = {version: ledger.of(version, over - 3) for version in memory.courses}
                yield Told(endings, memory, last, ledger.sent, stage)
        finally:
            setting.clear()

    return story
