"""Fixtures of the scenes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from e2e.fixtures import Cluster
from e2e.scenes.rollout import Chronicles
from e2e.scenes.stage import Stage, under_one_operator
from e2e.scenes.surroundings import world

OpenStage = Callable[[str], Stage]
OpenTogether = Callable[..., AbstractContextManager[Mapping[str, Stage]]]


@pytest.fixture(scope="session")
def chronicles(cluster: Cluster) -> Iterator[Chronicles]:
    """Every change of the objects that scenes look at."""
    with world(cluster.kubectl) as following:
        yield following


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the logs of operators go."""
    return tmp_path_factory.mktemp("operators")


@pytest.fixture(scope="session")
def open_stage(cluster: Cluster, chronicles: Chronicles, logs: Path) -> OpenStage:
    """Opens a stage; the caller enters it."""
    return lambda title: Stage(cluster, chronicles, title, logs)


@pytest.fixture(scope="session")
def open_together(open_stage: OpenStage, logs: Path) -> OpenTogether:
    """Opens stages by title that one operator serves; the caller enters each when it begins."""

    def opened(*titles: str) -> AbstractContextManager[Mapping[str, Stage]]:
        return under_one_operator({each: open_stage(each) for each in titles}, logs / "shared.log")

    return opened
