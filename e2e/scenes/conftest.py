"""Fixtures of the scenes: the CRD, what is followed on the cluster, the operator, stages."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.cluster.paths import REPOSITORY
from e2e.cluster.progress import StepError
from e2e.fixtures import Cluster
from e2e.scenes.chronicle import Chronicle
from e2e.scenes.operator_process import Operator
from e2e.scenes.rollout import Chronicles
from e2e.scenes.stage import Stage
from model_rollouts.api.deployment import GROUP, PLURAL, VERSION

OpenStage = Callable[[str], Stage]


@pytest.fixture(scope="session")
def chronicles(cluster: Cluster, crd: None) -> Iterator[Chronicles]:
    """Every change of the objects that scenes look at."""
    with contextlib.ExitStack() as following:
        paths = (
            f"/apis/{GROUP}/{VERSION}/{PLURAL}",
            "/apis/gateway.networking.k8s.io/v1/httproutes",
            "/api/v1/pods",
        )
        yield Chronicles(
            *(following.enter_context(Chronicle(cluster.kubectl, path)) for path in paths)
        )


@pytest.fixture(scope="session")
def crd(cluster: Cluster) -> Iterator[None]:
    """The CRD of this checkout. It goes again if it was not there: a chart brings its own."""
    name = f"{PLURAL}.{GROUP}"
    folder = str(REPOSITORY / "crds")
    try:
        cluster.kubectl.get("crd", name)
        was_there = True
    except StepError:
        was_there = False
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", folder)
    cluster.kubectl("wait", f"crd/{name}", "--for=condition=Established", "--timeout=60s")
    yield
    if not was_there:
        cluster.kubectl("delete", "-f", folder, "--timeout=120s")


@pytest.fixture(scope="module")
def operator(
    cluster: Cluster, crd: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """An operator that is not running yet; it is ended by pid."""
    directory: Path = tmp_path_factory.mktemp("operator")
    made = Operator(cluster, directory)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def open_stage(cluster: Cluster, chronicles: Chronicles) -> OpenStage:
    """Opens a stage; the caller enters it."""
    return lambda title: Stage(cluster, chronicles, title)
