"""The real HorizontalPodAutoscaler controller, with pods and their load made up.

`kube-controller-manager` runs that one controller. It reaches the API server through a proxy that
answers the metrics API itself and passes everything else on, so that no aggregated API server is
needed. Pods are real objects without a kubelet; their load follows the weights of the route.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from e2e.fixtures import ApiServer
from model_rollouts.cluster.kinds import DEPLOYMENT, HTTP_ROUTE, Kind
from model_rollouts.resources import names
from model_rollouts.routes import reader
from tests.engine.controllers import LOOK_S, Direct
from tests.fault_proxy import FaultProxy, fault_proxy

LOG = "kube-controller-manager.log"

POD = Kind("v1", "Pod", "pods")
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts")
AUTOSCALER = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")


class Load:
    """Pods for every Deployment, and the load of all users in whole pods."""

    def __init__(self, direct: Direct, load: float) -> None:
        self.load = load
        self.worst = 0.0
        """The highest load that a pod had while its version had as many as it was to have."""
        self._direct = direct
        self._pods: dict[str, int] = {}
        self._weights: dict[str, int] = {}

    async def run(self) -> None:
        """Make pods and end them, until cancelled."""
        while True:
            for deployment in await self._direct.all(DEPLOYMENT):
                await self._pods_of(deployment["metadata"]["name"], deployment["spec"]["replicas"])
            routes = await self._direct.all(HTTP_ROUTE)
            self._weights = reader.weights(routes[0]) if routes else {}
            self.worst = max([self.worst, *map(self.of, self._weights)])
            await asyncio.sleep(LOOK_S)

    async def _pods_of(self, revision: str, wanted: int) -> None:
        for number in range(self._pods.get(revision, 0), wanted):
            await self._direct.make(POD, _pod(revision, number))
            await self._direct.tell(POD, f"{revision}-{number}", _ready())
        for number in range(wanted, self._pods.get(revision, 0)):
            await self._direct.end(POD, f"{revision}-{number}")
        self._pods[revision] = wanted

    def of(self, revision: str) -> float:
        """The load of a pod of a revision."""
        share = self._weights.get(revision, 0) / max(1, sum(self._weights.values()))
        return self.load * share / max(1, self._pods.get(revision, 0))

    def metrics(self, selector: str) -> dict[str, Any]:
        """What the metrics API answers for pods that `selector` selects."""
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        items = [
            {
                "metadata": {"name": f"{revision}-{number}", "namespace": self._direct.namespace},
                "timestamp": now,
                "window": "1s",
                "containers": [
                    {"name": "model", "usage": {"cpu": f"{round(1000 * self.of(revision))}m"}}
                ],
            }
            for revision, count in self._pods.items()
            for number in range(count)
            if revision in selector
        ]
        return {"apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetricsList", "items": items}


@contextlib.asynccontextmanager
async def autoscaling(
    program: Path, server: ApiServer, load: Load, directory: Path
) -> AsyncIterator[None]:
    """The controller at work, once a second."""
    async with fault_proxy(server, directory, _answering(load)) as proxy:
        with (directory / LOG).open("w") as log:
            process = await asyncio.create_subprocess_exec(
                program,
                f"--kubeconfig={proxy.kubeconfig}",
                "--controllers=horizontal-pod-autoscaler-controller",
                "--kube-api-content-type=application/json",
                "--leader-elect=false",
                "--secure-port=0",
                "--horizontal-pod-autoscaler-sync-period=1s",
                "--horizontal-pod-autoscaler-cpu-initialization-period=0s",
                "--horizontal-pod-autoscaler-initial-readiness-delay=0s",
                stdout=log,
                stderr=log,
            )
        try:
            yield
            assert process.returncode is None, (directory / LOG).read_text()[-2000:]
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _answering(load: Load) -> type[FaultProxy]:
    class Metrics(FaultProxy):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            """Answer one request."""
            if request.path.startswith("/apis/metrics.k8s.io/"):
                return web.json_response(load.metrics(request.query.get("labelSelector", "")))
            # Go's clients send no token over plain HTTP: everybody is the administrator.
            return await self._pass_on(request)

    return Metrics


def autoscaler(target: str, most: int) -> dict[str, Any]:
    """One that keeps a pod at the load 1, and waits for nothing before it takes pods away."""
    return {
        "apiVersion": AUTOSCALER.api_version,
        "kind": AUTOSCALER.name,
        "metadata": {"name": target},
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "modelrollouts.dev/v1alpha1",
                "kind": "ModelDeployment",
                "name": target,
            },
            "minReplicas": 2,
            "maxReplicas": most,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "AverageValue", "averageValue": "1"},
                    },
                }
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        },
    }


def _pod(revision: str, number: int) -> dict[str, Any]:
    container = {
        "name": "model",
        "image": "registry.example.com/m",
        "resources": {"requests": {"cpu": "1"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{revision}-{number}",
            "labels": {names.REVISION_LABEL: revision},
        },
        "spec": {"containers": [container], "automountServiceAccountToken": False},
    }


def _ready() -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": now}
    return {"phase": "Running", "startTime": now, "conditions": [ready]}
