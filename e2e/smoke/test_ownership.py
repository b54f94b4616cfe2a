"""A cluster is ended and replaced only by those who name its state directory."""

from pathlib import Path

import pytest

from e2e.cluster.local.layout import Layout
from e2e.cluster.local.node import Node
from e2e.cluster.local.provider import LocalProvider
from e2e.cluster.progress import StepError
from e2e.fixtures import Cluster


def test_another_state_directory_leaves_a_running_cluster_alone(
    cluster: Cluster, tmp_path: Path
) -> None:
    if not isinstance(cluster.provider, LocalProvider):
        pytest.skip("kind knows its clusters by name")
    stranger = Node(Layout(tmp_path))

    with pytest.raises(StepError, match="another cluster, with its state in") as raised:
        stranger.create()
    with pytest.raises(StepError, match="another cluster"):
        stranger.destroy()

    assert str(cluster.provider.layout.state) in raised.value.hint
    assert cluster.kubectl.get("nodes")["items"]
