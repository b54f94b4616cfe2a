"""Addresses and directories of the local node, in one place."""

import os
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.paths import CACHE

NODE_NAME = "node"
CGROUP = "model-rollouts"
HOST_LINK = "mr-node"
"""The machine's end of the cable to the node; the only link outside the node's namespace."""

HOST_ADDRESS = "10.245.0.2"
NODE_ADDRESS = "10.245.0.1"
LINK_BITS = 30
POD_RANGE = "10.244.0.0/16"
NODE_POD_RANGE = "10.244.0.0/24"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"
API_PORT = 6443


@dataclass(frozen=True)
class Layout:
    """The directories of one node, all below `state`."""

    state: Path

    @property
    def credentials(self) -> Path:
        """Certificates, tokens and the kubeconfigs of the components."""
        return self.state / "credentials"

    @property
    def config(self) -> Path:
        """Configuration files written for the components."""
        return self.state / "config"

    @property
    def logs(self) -> Path:
        """One log for each component."""
        return self.state / "logs"

    @property
    def run(self) -> Path:
        """Records of the running processes."""
        return self.state / "run"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.state / "kubeconfig"


def default_layout() -> Layout:
    """The layout below $MODEL_ROLLOUTS_STATE, or below the cache when that is not set."""
    return Layout(Path(os.environ.get("MODEL_ROLLOUTS_STATE") or CACHE / "cluster").absolute())
