"""A namespace of its own for a scene, with its operator, its ModelDeployment and its users.

Scenes that run at the same time cannot disturb each other so, and others may use the cluster too.
"""

import contextlib
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from e2e.cluster import addons
from e2e.fixtures import Cluster
from e2e.scenes.operator_process import Operator
from e2e.scenes.rollout import Chronicles, Rollout
from e2e.scenes.traffic import Traffic


class Stage:
    """A context manager; the namespace and all in it goes when it ends."""

    def __init__(self, cluster: Cluster, chronicles: Chronicles, title: str, logs: Path) -> None:
        """Name the stage after its scene; the operator's log goes into the folder `logs`."""
        self.cluster = cluster
        self.namespace = f"scene-{title}-{uuid.uuid4().hex[:6]}"
        self.host = f"{self.namespace}.example.com"
        self.rollout = Rollout(cluster.kubectl, chronicles, self.namespace, self.host)
        self.operator = operator_of(cluster, logs / f"{title}.log", self.namespace)
        self._shares = False
        self._traffic: list[Traffic] = []

    def share(self, operator: Operator) -> None:
        """Let an operator that runs already, and goes on after the scene, serve this one."""
        self.operator = operator
        self._shares = True

    def __enter__(self) -> Self:
        """Make the namespace, under restricted pod security."""
        self.cluster.kubectl("create", "namespace", self.namespace)
        enforce = "pod-security.kubernetes.io/enforce=restricted"
        self.cluster.kubectl("label", "namespace", self.namespace, enforce)
        return self

    def __exit__(self, *_: object) -> None:
        """End its operator by pid, and delete the namespace: its load ends with it."""
        if self._shares:
            # The operator would go on with them while all that they own is deleted.
            everything = ("modeldeployments", "--all", "-n", self.namespace)
            self.cluster.kubectl("delete", *everything, "--wait=false")
        else:
            self.operator.stop()
        self.cluster.kubectl("delete", "namespace", self.namespace, "--wait=false")
        for traffic in self._traffic:
            traffic.abandon()

    def traffic(self, rate: float = 50, patience: float = 10, header: str = "") -> Traffic:
        """Users who ask for the model of this stage."""
        name = f"users-{len(self._traffic)}"
        made = Traffic(
            self.cluster.kubectl,
            self.namespace,
            self.cluster.gateway_address,
            self.host,
            rate,
            patience,
            name,
            header,
        )
        self._traffic.append(made)
        return made


def operator_of(
    cluster: Cluster,
    log: Path,
    *namespaces: str,
    lease: str | None = None,
    kubeconfig: Path | None = None,
) -> Operator:
    """An operator that serves `namespaces` of the cluster, not started yet.

    `kubeconfig` is another way to its API server.
    """
    prometheus_url = addons.prometheus_url(cluster.provider)
    kubeconfig = kubeconfig or cluster.provider.kubeconfig
    return Operator(kubeconfig, prometheus_url, log, *namespaces, lease=lease)


@contextlib.contextmanager
def under_one_operator(stages: Mapping[str, Stage], log: Path) -> Iterator[Mapping[str, Stage]]:
    """Stages with one operator, which runs inside: cheaper than one for each of them.

    Each is entered when its scene begins, and left when that ends.
    """
    first, *_ = stages.values()
    operator = operator_of(first.cluster, log, *(stage.namespace for stage in stages.values()))
    operator.start()
    for stage in stages.values():
        stage.share(operator)
    try:
        yield stages
    finally:
        operator.stop()
