"""The command: measure, write benchmarks/results/pods.{json,md}.

The real operator process on a real API server, with two pods for each ModelDeployment: once while
all of them are ready, so that none is followed, and once while none is, so that all are.
"""

import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import httpx

from benchmarks.engine.fleet import IN_FLIGHT, NAMESPACES, place
from benchmarks.engine.measure import NO_PROMETHEUS, Bench
from benchmarks.machine import cpu_model, cpu_of, rss_mib
from e2e.fixtures import api_server_in
from e2e.scenes.operator_process import REQUESTS, Operator
from model_rollouts.cluster import connection
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.kinds import DEPLOYMENT, POD
from model_rollouts.cluster.requests import MERGE_PATCH, Requests

RESULTS = Path(__file__).resolve().parents[1] / "results"
PODS = 2

Object = dict[str, Any]


class PodBench(Bench):
    """An API server with ModelDeployments and their pods."""

    def measured(self, models: int, *, ready: bool) -> dict[str, Any]:
        """An operator that begins while all pods are ready, or none is."""
        asyncio.run(self._each(models, lambda *of: _set_ready(*of, ready=ready)))
        operator = Operator(self._server.kubeconfig, NO_PROMETHEUS, self._logs / f"{ready}.log")
        operator.start()
        try:
            while not self._is_over(operator, models, ready=ready):
                # Each look costs the operator a page of metrics.
                time.sleep(1)
            return {
                "ready": ready,
                "rss_mib": round(rss_mib(operator.pid), 1),
                "cpu_s": round(cpu_of(operator.pid), 1),
                "pod_lists": _pod_lists(operator),
            }
        finally:
            operator.stop()

    def _is_over(self, operator: Operator, models: int, *, ready: bool) -> bool:
        """Whether every model was planned, and all pods that are followed were listed."""
        try:
            return self._settled(operator, models) and (ready or _pod_lists(operator) >= models)
        except httpx.TimeoutException:
            # A busy machine, or a busy operator: neither is what is measured.
            return False

    def make(self, models: int) -> None:
        """All objects, two pods for each model."""
        self._grow_to(models)
        for number in range(NAMESPACES):
            namespace = place(number)[0]
            self._server.kubectl("create", "serviceaccount", "default", "-n", namespace)
        asyncio.run(self._each(models, _make_pods))
        self._say(f"{models}: pods are there")

    async def _each(self, models: int, act: Callable[..., Any]) -> None:
        """Do something for each Deployment, some at a time."""
        configuration = await connection.load(self._server.kubeconfig)
        requests = Requests(configuration, user_agent="benchmark")
        slots = asyncio.Semaphore(IN_FLIGHT)
        async with ClusterClient(requests) as client:

            async def one(number: int) -> None:
                async with slots:
                    (deployment,) = (
                        each
                        for each in self.pattern.copy(number)
                        if each["kind"] == DEPLOYMENT.name
                    )
                    await act(client, requests, deployment)

            async with asyncio.TaskGroup() as tasks:
                for number in range(models):
                    tasks.create_task(one(number))


async def _make_pods(client: ClusterClient, requests: Requests, deployment: Object) -> None:
    template, metadata = deployment["spec"]["template"], deployment["metadata"]
    for number in range(PODS):
        name = f"{metadata['name']}-{number}"
        await client.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {**template["metadata"], "name": name}
                | {"namespace": metadata["namespace"]},
                "spec": template["spec"],
            }
        )
        waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}}
        ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": "x" * 200}}
        containers = [
            {"name": each["name"], "image": each["image"], "imageID": "", "ready": False}
            | {"restartCount": 3, "state": waiting, "lastState": ended}
            for each in template["spec"]["containers"]
        ]
        ready = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-03-31T12:00:00Z"}
        status = {"phase": "Running", "conditions": [ready], "containerStatuses": containers}
        await _patch(requests, POD, metadata["namespace"], name, status)


async def _set_ready(
    client: ClusterClient, requests: Requests, deployment: Object, *, ready: bool
) -> None:
    metadata, number = deployment["metadata"], deployment["spec"]["replicas"]
    counts = {"availableReplicas": number if ready else 0, "readyReplicas": number if ready else 0}
    await _patch(requests, DEPLOYMENT, metadata["namespace"], metadata["name"], counts)


async def _patch(requests: Requests, kind: Any, namespace: str, name: str, status: Object) -> None:
    path = kind.path(namespace, name, "status")
    body = {"status": status}
    await requests.send("PATCH", kind, path, body=body, content_type=MERGE_PATCH)


def _pod_lists(operator: Operator) -> int:
    answers = operator.total(REQUESTS).items()
    return round(sum(count for (_, of, verb), count in answers if (of, verb) == ("pods", "GET")))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--models", default=1_000, show_default=True, type=click.IntRange(1))
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(models: int, output: Path) -> None:
    """Measure what the operator keeps of the pods of many ModelDeployments."""
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        audit_log = directory / "audit" / "audit.log"
        with api_server_in(directory / "server", audit_log) as server:
            bench = PodBench(
                server, audit_log, directory, 1, lambda line: click.echo(line, err=True)
            )
            bench.make(models)
            found = [bench.measured(models, ready=ready) for ready in (True, False)]
    report = {
        "conditions": {
            "command": f"python -m benchmarks.pods {' '.join(sys.argv[1:])}".strip(),
            "cpu": cpu_model(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_average": round(os.getloadavg()[0], 1),
        },
        "models": models,
        "found": found,
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "pods.json").write_text(json.dumps(report, indent=2) + "\n")
    (output / "pods.md").write_text(page(report))
    click.echo((output / "pods.md").read_text())


def page(report: dict[str, Any]) -> str:
    """The results as a page."""
    where, models = report["conditions"], report["models"]
    well, ailing = report["found"]
    more = ailing["rss_mib"] - well["rss_mib"]
    each = 1024 * more / (PODS * models)
    rows = (
        ("pods followed", "0", f"{PODS * models:,}"),
        ("memory of the operator", *(f"{of['rss_mib']} MiB" for of in (well, ailing))),
        ("CPU until each was planned", *(f"{of['cpu_s']} s" for of in (well, ailing))),
        ("lists of pods until then", *(f"{of['pod_lists']:,}" for of in (well, ailing))),
    )
    return "\n".join(
        [
            "# Pods: what the operator keeps of them",
            "",
            f"Command: `{where['command']}`, on {where['cores']} shared cores ({where['cpu']}, load"
            f" average {where['load_average']} at the end), Python {where['python']}. The real"
            f" operator process and a real API server with {models:,} ModelDeployments that serve"
            f" after their watch, {PODS} pods each. Pods are followed for rollouts, and for"
            " services some of whose pods are not ready; here that is no service, and then each.",
            "",
            "| | all pods ready | no pod ready |",
            "|---|---|---|",
            *(f"| {what} | {one} | {two} |" for what, one, two in rows),
            "",
            f"The difference is {more:.1f} MiB, {each:.1f} KiB for each pod. The watch of pods"
            " and its thread are in it, and what statuses and events say of those pods.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
