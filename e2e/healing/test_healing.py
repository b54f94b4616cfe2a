"""`make cluster` heals a cluster of which any one process was ended, and loses nothing in it."""

import os
import signal
from collections.abc import Iterator

import pytest
from rich.console import Console

from e2e.cluster import addons, images, progress
from e2e.cluster.local import process
from e2e.cluster.local.node import HOLDER
from e2e.cluster.local.provider import LocalProvider
from e2e.fixtures import Cluster

PROCESSES = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "containerd",
    "kubelet",
    "kube-proxy",
    HOLDER,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def local(cluster: Cluster) -> LocalProvider:
    """The local provider; kind heals its own node."""
    if not isinstance(cluster.provider, LocalProvider):
        pytest.skip("kind's node looks after its own processes")
    return cluster.provider


@pytest.fixture
def kept(cluster: Cluster, cluster_namespace: str) -> Iterator[str]:
    """A namespace with something in it that must survive."""
    cluster.kubectl("create", "configmap", "kept", "-n", cluster_namespace)
    yield cluster_namespace


@pytest.mark.parametrize("name", PROCESSES)
def test_one_ended_process_is_healed(
    cluster: Cluster, local: LocalProvider, kept: str, name: str
) -> None:
    ended = process.pid(local.layout.run, name)
    assert ended is not None
    os.kill(ended, signal.SIGKILL)

    took = progress.run([*local.create(), *addons.install(local)], Console())

    print(f"{name}: healed in {took:.0f} s")
    healed = process.pid(local.layout.run, name)
    assert healed not in (None, ended)
    assert cluster.kubectl.get("configmap", "kept", "-n", kept)["metadata"]["name"] == "kept"
    _pods_still_start(cluster, kept)


def _pods_still_start(cluster: Cluster, namespace: str) -> None:
    """A new pod starts, finds a Service by name, and gets an answer from it."""
    load = next(image for image in images.OURS if image.name == "load-generator")
    cluster.kubectl(
        *("run", "probe", "-n", namespace, f"--image={load.reference}"),
        *("--image-pull-policy=IfNotPresent", "--restart=Never", "--"),
        "--url=http://prometheus.monitoring.svc.cluster.local:9090/-/ready",
        *("--method=GET", "--requests=1"),
    )
    cluster.kubectl(
        *("wait", "pod/probe", "-n", namespace, "--timeout=90s"),
        "--for=jsonpath={.status.phase}=Succeeded",
    )


def test_a_stopped_cluster_leaves_nothing_and_starts_again(local: LocalProvider) -> None:
    progress.run(local.delete(), Console())
    assert local.node.leftovers() == []
    # Once more: idempotent.
    progress.run(local.delete(), Console())

    took = progress.run([*local.create(), *addons.install(local)], Console())
    print(f"warm start: {took:.0f} s")
