"""Jobs in a namespace of the cluster that run a command."""

import json
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster import images
from e2e.cluster.kubectl import Kubectl
from e2e.waiting import SECONDS, wait_until

TEMPLATE = Path(__file__).with_name("job.yaml")
READY_SECONDS = 150
"""A node with little to spare starts one pod after the other."""
LOAD = ("python3", "/app/load.py")
"""The load generator; its options follow."""


@dataclass(frozen=True)
class Jobs:
    """The Jobs of one namespace."""

    kubectl: Kubectl
    namespace: str

    def run(self, name: str, *command: str, image: str = "") -> None:
        """Start the Job `name` with `command`, in `image` or that of the load generator."""
        (usual,) = (each for each in images.OURS if each.name == "load-generator")
        filled = {
            "NAME": name,
            "IMAGE": image or usual.reference,
            "COMMAND": json.dumps(command),
        }
        job = TEMPLATE.read_text()
        for word, value in filled.items():
            job = job.replace(word, value)
        self.kubectl("apply", "-n", self.namespace, "-f", "-", stdin=job)

    def wait_until_ready(self, name: str) -> None:
        """Return once the pod of the Job `name` runs: it was scheduled, and its image is there."""
        ready = ("--for=jsonpath={.status.ready}=1", f"--timeout={READY_SECONDS}s")
        self.kubectl("wait", f"job/{name}", "-n", self.namespace, *ready)

    def ended(self, name: str) -> bool:
        """Whether the Job `name` has ended, well or not."""
        status = self.kubectl.get("job", name, "-n", self.namespace)["status"]
        return bool(status.get("succeeded") or status.get("failed"))

    def printed(self, name: str) -> str:
        """What the Job `name` has printed so far."""
        return self.kubectl("logs", f"job/{name}", "-n", self.namespace)

    def told(self, name: str, seconds: float = SECONDS) -> str:
        """What the Job `name` printed, once it has ended, well or not."""
        wait_until(lambda: self.ended(name), f"the job {name} did not end", seconds)
        return self.printed(name)
