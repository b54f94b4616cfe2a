"""kind: for machines with a Docker engine. Thin on purpose; kind does the work."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from e2e.cluster import images, tools
from e2e.cluster.images import Image
from e2e.cluster.paths import CACHE
from e2e.cluster.progress import Step, StepError
from e2e.cluster.shell import run

NAME = "model-rollouts"
CONFIG = Path(__file__).with_name("kind.yaml")
LOG = CACHE / "logs" / "kind.log"


class KindProvider:
    """A cluster in a container, from a pinned node image."""

    name = "kind"
    kubeconfig = CACHE / "kind" / "kubeconfig"
    node_address = "127.0.0.1"
    brings_dns = True
    images: ClassVar[Mapping[str, str]] = {
        "envoy-gateway": "docker.io/envoyproxy/gateway:v1.9.1",
        "envoy": "docker.io/envoyproxy/envoy:distroless-v1.40.0",
        "prometheus": "docker.io/prom/prometheus:v3.13.5",
    }

    def unable(self) -> str:
        """Why kind cannot be used here; empty when it can."""
        if shutil.which("docker") is None:
            return "there is no docker command"
        asked = subprocess.run(["docker", "info"], capture_output=True, text=True)
        return "" if asked.returncode == 0 else "no Docker engine answers"

    def create(self, audit: bool | None = None) -> Sequence[Step]:
        """The steps that make the cluster."""
        if audit:
            raise StepError(
                "only the local provider writes an audit log", hint="use PROVIDER=local"
            )
        missing = [name for name in self.programs() if not tools.built([name])]
        return [
            *(Step(f"build {name}", partial(tools.build, name)) for name in missing),
            Step("create the kind cluster", self._create),
            *(Step(f"image {image.name}", partial(self.load, image)) for image in images.OURS),
        ]

    def programs(self) -> Sequence[str]:
        """kind, and what sets the cluster up."""
        return ("kind", "kubectl", "helm")

    def parts(self) -> Sequence[Step]:
        """The images that run on the cluster."""
        return [
            Step(f"build image {image.name}", partial(self.build, image)) for image in images.OURS
        ]

    def build(self, image: Image) -> None:
        """Build `image` with Docker."""
        images.docker_build(image)

    def load(self, image: Image) -> None:
        """Build `image` with Docker and copy it to the node."""
        run(
            [*_kind("load", "docker-image"), images.docker_build(image)],
            log=LOG,
        )

    def kill(self, container: str) -> None:
        """End the first process of a container by SIGKILL."""
        client = ("docker", "exec", f"{NAME}-control-plane", "ctr", "-n", "k8s.io")
        run([*client, "tasks", "kill", "--signal", "SIGKILL", container], log=LOG)

    def delete(self) -> Sequence[Step]:
        """The step that deletes the cluster."""
        return [Step("delete the kind cluster", self._delete)]

    def _create(self) -> str:
        self.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        place = ("--kubeconfig", str(self.kubeconfig))
        if NAME in run([tools.binary("kind"), "get", "clusters"]).split():
            run([*_kind("export", "kubeconfig"), *place], log=LOG)
            return "there already"
        run(
            [*_kind("create", "cluster"), "--config", str(CONFIG), "--wait", "180s", *place],
            log=LOG,
        )
        return "made"

    def _delete(self) -> str:
        run([*_kind("delete", "cluster"), "--kubeconfig", self.kubeconfig], log=LOG)
        self.kubeconfig.unlink(missing_ok=True)
        return ""


def _kind(*words: str) -> list[str]:
    return [str(tools.binary("kind")), *words, "--name", NAME]
