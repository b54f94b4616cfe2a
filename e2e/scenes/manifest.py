"""The ModelDeployment that a scene applies."""

from dataclasses import dataclass, field
from typing import Any

from e2e.cluster import addons, images
from model_rollouts.resources import names

NAME = "arrival"
PORT = 8080
ACCELERATOR = "example.com/accelerator"
(_MODEL_SERVER,) = (each for each in images.OURS if each.name == "model-server")


@dataclass(frozen=True)
class Wanted:
    """What the user of a scene wants. `switches` are those of the model server."""

    version: str = "1"
    switches: dict[str, str] = field(default_factory=dict)
    target: str = "99%"
    steps: tuple[str, ...] = ("10%", "50%")
    step_duration: str = "10s"
    replicas: int = 1
    extra_replicas: int | None = None
    accelerators: int = 0
    """Of those that `scarcity.py` gives the node."""
    paused: bool = False
    attempt: int = 1
    override: dict[str, str] | None = None

    def manifest(self, namespace: str, host: str) -> dict[str, Any]:
        """The resource in `namespace`, reached under `host`."""
        strategy: dict[str, Any] = {
            # These scenes are about users: none of them waits for a shadow.
            "shadow": {"percent": 0},
            "canary": {
                "steps": list(self.steps),
                "minStepDuration": self.step_duration,
                "warmup": "20s",
            },
            "watch": {"duration": "10m"},
            "progressDeadline": "3m",
            "attempt": self.attempt,
        }
        if self.extra_replicas is not None:
            strategy["maxExtraReplicas"] = self.extra_replicas
        if self.override is not None:
            strategy["override"] = self.override
        return {
            "apiVersion": "modelrollouts.dev/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": NAME, "namespace": namespace},
            "spec": {
                "model": {"version": self.version},
                # The image was built on this machine: there is no registry that gave it a digest.
                "provenance": {"mode": "Warn"},
                "replicas": self.replicas,
                "port": PORT,
                "template": self._template(),
                "route": {
                    "parentRefs": [addons.chosen().parent],
                    "hostnames": [host],
                },
                "objectives": [
                    {
                        "name": "errors",
                        "type": "Availability",
                        "availability": {"target": self.target},
                    }
                ],
                "strategy": strategy,
                "paused": self.paused,
            },
        }

    def _template(self) -> dict[str, Any]:
        environment = {"MODEL_VERSION": self.version, **self.switches}
        limits = {ACCELERATOR: str(self.accelerators)} if self.accelerators else {}
        return {
            "spec": {
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 65532,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": names.MODEL_CONTAINER,
                        "image": _MODEL_SERVER.reference,
                        "imagePullPolicy": "IfNotPresent",
                        "env": [
                            {"name": name, "value": value} for name, value in environment.items()
                        ],
                        "resources": {"limits": limits},
                        "readinessProbe": {
                            "httpGet": {"path": "/healthz", "port": PORT},
                            "periodSeconds": 1,
                        },
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
            },
        }
