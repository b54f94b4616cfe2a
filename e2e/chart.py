"""The project's Helm chart, with the Helm that the cluster is made with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.cluster import tools
from e2e.cluster.paths import REPOSITORY
from e2e.cluster.shell import run

CHART = REPOSITORY / "helm" / "model-rollouts"
Values = Mapping[str, Any]
REQUIRED: Values = {
    "image": {"repository": "registry.example.com/model-rollouts"},
    "prometheus": {"url": "http://prometheus.monitoring:9090"},
}
"""The values that have no default."""


def image(reference: str) -> Values:
    """The values of the image `reference`, which has a tag."""
    repository, _, tag = reference.rpartition(":")
    return {"repository": repository, "tag": tag, "digest": ""}


# A Helm that is built without its release scripts takes the cluster for Kubernetes 1.20.
_OFFLINE = ("--kube-version", "1.36.0")


def lint(values: Values, chart: Path = CHART) -> str:
    """What `helm lint` says; raises StepError when it finds anything."""
    return _helm("lint", "--strict", *_OFFLINE, chart, "--values", "-", values=values)


def render(
    values: Values,
    *,
    release: str = "model-rollouts",
    namespace: str = "operators",
    chart: Path = CHART,
) -> str:
    """The manifests, as text; raises StepError when the values are refused."""
    options = ("--namespace", namespace, *_OFFLINE, "--values", "-")
    return _helm("template", release, chart, *options, values=values)


@dataclass(frozen=True)
class Release:
    """The chart in a cluster, under a name and in a namespace that exists."""

    kubeconfig: Path
    namespace: str
    name: str

    @property
    def fullname(self) -> str:
        """The name of the Deployment, the ServiceAccount and the other objects."""
        return f"{self.name}-model-rollouts"

    @property
    def user(self) -> str:
        """The name by which the API server knows the operator."""
        return f"system:serviceaccount:{self.namespace}:{self.fullname}"

    def apply(self, values: Values, *options: str, chart: Path = CHART) -> None:
        """Install it, or upgrade it to these values and nothing else."""
        # Whoever tests the chart takes over a CRD that was there before.
        flags = ("upgrade", "--install", "--take-ownership", "--reset-values", *options)
        self._helm(*flags, self.name, chart, "--values", "-", values=values)

    def manifest(self) -> str:
        """What is installed, as Helm remembers it."""
        return self._helm("get", "manifest", self.name)

    def uninstall(self) -> None:
        """Remove it; fine when it is not there."""
        self._helm("uninstall", self.name, "--ignore-not-found", "--wait")

    def _helm(self, *arguments: str | Path, values: Values | None = None) -> str:
        where = ("--kubeconfig", self.kubeconfig, "--namespace", self.namespace)
        return _helm(*where, *arguments, values=values)


def _helm(*arguments: str | Path, values: Values | None) -> str:
    stdin = None if values is None else json.dumps(values)
    return run([tools.binary("helm"), *arguments], stdin=stdin)
