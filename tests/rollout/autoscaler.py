"""A HorizontalPodAutoscaler as kube-controller-manager has it, in the simulated cluster.

It looks at the pods that `status.selector` selects, takes a load within a tenth of the target for
what is wanted, and answers `spec.replicas` then; else it asks for what the load of those pods takes
(`ReplicaCalculator.GetResourceReplicas`). Nothing holds it back: that is the worst case.
"""

import math
import re
from dataclasses import dataclass, field

from model_rollouts.routes import reader
from tests.rollout.simulated_cluster import INTERVAL, World

TOLERANCE = 0.1
SYNC_SECONDS = 15
LAG_SECONDS = 30
"""Metrics of pods are averages of a while ago."""


@dataclass
class Autoscaler:
    """It keeps the load of a pod at 1. `load` is what all users bring, in such pods."""

    world: World
    load: float
    least: int = 1
    seen: list[dict[str, float]] = field(default_factory=list)
    """The load of a pod by revision, one each interval."""
    worst: float = 0.0
    """The highest load that a pod of any revision had."""

    def run(self, seconds: float) -> None:
        """Let time pass, with the autoscaler at work."""
        for _ in range(int(seconds // INTERVAL)):
            self.world.run(INTERVAL)
            self._look()
            if self.world.time % SYNC_SECONDS == 0:
                self._sync()

    def _look(self) -> None:
        assert self.world.route is not None
        weights = reader.weights(self.world.route)
        pods = {name: self._ready(name) for name in weights}
        loads = {
            name: self.load * weight / sum(weights.values()) / max(pods[name], 0.5)
            for name, weight in weights.items()
        }
        self.worst = max([self.worst, *loads.values()])
        self.seen.append(loads)

    def _ready(self, name: str) -> int:
        obj = self.world.objects.get(("Deployment", name), {})
        found: int = obj.get("status", {}).get("availableReplicas", 0)
        return found

    def _sync(self) -> None:
        selected = re.findall(r"arrival-[0-9a-f]+", self.world.status.get("selector", ""))
        pods = {name: self._ready(name) for name in selected}
        ready = sum(pods.values())
        spec = self.world.obj["spec"]["replicas"]
        if spec == 0 or not ready:
            return
        before = self.seen[max(0, len(self.seen) - LAG_SECONDS // INTERVAL)]
        usage = sum(before.get(name, 0.0) * count for name, count in pods.items()) / ready
        wanted = spec if abs(usage - 1) <= TOLERANCE else math.ceil(usage * ready - 1e-9)
        wanted = self.least if spec < self.least else max(wanted, self.least)
        # kube-controller-manager doubles at most, or adds four pods.
        wanted = min(wanted, max(2 * spec, spec + 4))
        if wanted != spec:
            self.world.edit(replicas=wanted)
