"""kubectl with one kubeconfig: the only way in which the tooling talks to the API server."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.cluster import tools
from e2e.cluster.shell import run


@dataclass(frozen=True)
class Kubectl:
    """kubectl bound to a cluster; call it with its arguments."""

    kubeconfig: Path

    def __call__(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """Run kubectl and return what it printed.

        Raises:
            StepError: it failed; the message holds what it said.
        """
        program = tools.binary("kubectl")
        return run([program, "--kubeconfig", self.kubeconfig, *arguments], stdin=stdin)

    def apply(self, manifests: str) -> None:
        """Apply `manifests` (YAML) server-side, taking over fields from earlier tries."""
        self(
            *("apply", "--server-side", "--force-conflicts", "--field-manager=cluster-tooling"),
            *("-f", "-"),
            stdin=manifests,
        )

    def get(self, *arguments: str) -> Any:
        """Return what `kubectl get` answers, decoded."""
        return json.loads(self("get", *arguments, "-o", "json"))
