"""Fixtures of the scenes."""

from collections.abc import Callable, Iterator

import pytest

from e2e.fixtures import Cluster
from e2e.scenes.rollout import Chronicles
from e2e.scenes.stage import Stage
from e2e.scenes.surroundings import world

OpenStage = Callable[[str], Stage]


@pytest.fixture(scope="session")
def chronicles(cluster: Cluster) -> Iterator[Chronicles]:
    """Every change of the objects that scenes look at."""
    with world(cluster.kubectl) as following:
        yield following


@pytest.fixture(scope="session")
def open_stage(
    cluster: Cluster, chronicles: Chronicles, tmp_path_factory: pytest.TempPathFactory
) -> OpenStage:
    """Opens a stage; the caller enters it."""
    logs = tmp_path_factory.mktemp("operators")
    return lambda title: Stage(cluster, chronicles, title, logs)
