"""A rendered revision on the cluster: restricted, measured, and ended without an error."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from e2e.cluster.kubectl import Kubectl
from e2e.fixtures import Cluster
from e2e.jobs import LOAD, Jobs
from e2e.proxy.revision import REPLICAS, Revision, start
from e2e.waiting import wait_until

HOSTILE = Path(__file__).with_name("hostile_model.py")
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
RATE = 25
REQUESTS = 1_200
"""For each of two ways to the pods: 50 requests per second for 48 s, longer than a pod takes to
end."""
ASK = """
import time, urllib.error, urllib.request
request = urllib.request.Request("URL", headers={"Host": "HOST"})
for _ in range(300):
    try:
        print(urllib.request.urlopen(request, timeout=10).headers["x-model-revision"])
        break
    except urllib.error.HTTPError:
        time.sleep(0.1)
"""
"""Asks until the gateway answers: a route is accepted a little before its endpoints are known, and
until then Envoy Gateway answers 500 by itself."""


@dataclass(frozen=True)
class Serving:
    """A revision that serves in a namespace under restricted pod security."""

    cluster: Cluster
    namespace: str
    revision: Revision

    @property
    def kubectl(self) -> Kubectl:
        return self.cluster.kubectl

    @property
    def jobs(self) -> Jobs:
        return Jobs(self.kubectl, self.namespace)

    def ask(self, job: str = "ask") -> str:
        """What the first answer through the gateway said about its revision."""
        accepted = partial(self.cluster.route_accepted, "arrival-delay", self.namespace)
        wait_until(accepted, "the route was not accepted")
        ask = ASK.replace("URL", self.cluster.gateway_address).replace("HOST", self.revision.host)
        self.jobs.run(job, "python3", "-c", ask)
        return self.jobs.told(job)

    def counted(self, listener: str) -> float:
        """Answers that Prometheus knows of, of pods that it still sees."""
        found = self.cluster.query(
            f'envoy_http_downstream_rq_completed{{namespace="{self.namespace}",'
            f'modelrollouts_revision="{self.revision.name}",'
            f'envoy_http_conn_manager_prefix="{listener}"}}'
        )
        return sum(value for _, value in found)

    def pods(self) -> list[str]:
        """The names of the pods that are not ending."""
        pods = self.kubectl.get(
            "pods", "-n", self.namespace, "-l", f"modelrollouts.dev/revision={self.revision.name}"
        )
        return [
            pod["metadata"]["name"]
            for pod in pods["items"]
            if "deletionTimestamp" not in pod["metadata"]
        ]


@pytest.fixture
def serving(cluster: Cluster, cluster_namespace: str) -> Iterator[Serving]:
    """A revision whose pods are ready."""
    cluster.kubectl("label", "namespace", cluster_namespace, RESTRICTED)
    yield Serving(cluster, cluster_namespace, start(cluster.kubectl, cluster_namespace))


def test_answers_and_metrics_say_which_revision_it_was(serving: Serving) -> None:
    assert serving.ask().split() == [serving.revision.name]
    wait_until(lambda: serving.counted("live") == 1, "the answer was not counted")
    assert serving.counted("shadow") == 0


def test_users_that_the_platform_assigns_serve_and_are_counted(
    cluster: Cluster, cluster_namespace: str
) -> None:
    """As on OpenShift: proxy and model run as a user that no image knows."""
    cluster.kubectl("label", "namespace", cluster_namespace, RESTRICTED)
    revision = start(cluster.kubectl, cluster_namespace, user=1_000_660_000)
    serving = Serving(cluster, cluster_namespace, revision)

    assert serving.ask().split() == [revision.name]
    wait_until(lambda: serving.counted("live") == 1, "the answer was not counted")
    for pod in serving.pods():
        inside = ("exec", pod, "-n", cluster_namespace, "-c", "model", "--")
        assert serving.kubectl(*inside, "id", "-u").strip() == "1000660000"


def test_a_model_server_cannot_change_what_is_counted(serving: Serving) -> None:
    """From inside a model's container nothing resets, ends or pads the counts of its proxy."""
    serving.ask()
    wait_until(lambda: serving.counted("live") == 1, "the answer was not counted")

    for pod in serving.pods():
        inside = ("exec", pod, "-n", serving.namespace, "-c", "model", "--")
        told = serving.kubectl(*inside, "python3", "-c", HOSTILE.read_text())
        assert json.loads(told) == {
            "padded": [],
            "admin": ["404"],
            "listening": [8080, 17080, 17081, 17090],
            "taken": [],
            "sockets": [],
            "programs": ["python3"],
            # Reading is allowed, and shows that the proxy still serves.
            "served": 200,
        }

    serving.ask("again")
    wait_until(lambda: serving.counted("live") == 2, "what was counted was lost, or padded")
    assert serving.counted("shadow") == 0


def test_a_pod_that_ends_under_load_fails_no_request(serving: Serving) -> None:
    """Through the gateway, and from clients that keep their connections to the Service open."""
    serving.ask()
    ways = {
        "gateway": ["--url", serving.cluster.gateway_address, "--host", serving.revision.host],
        "service": ["--url", f"http://{serving.revision.name}"],
    }
    for name, way in ways.items():
        amount = ["--requests", str(REQUESTS), "--rate", str(RATE)]
        serving.jobs.run(name, *LOAD, *way, *amount)
    wait_until(lambda: serving.counted("live") > 2 * RATE, "no load arrived")
    victim, survivor = serving.pods()
    begun = time.monotonic()

    serving.kubectl("delete", "pod", victim, "-n", serving.namespace, "--timeout=60s")

    took = time.monotonic() - begun
    running = serving.kubectl.get("jobs", *ways, "-n", serving.namespace)["items"]
    assert [job["status"].get("active") for job in running] == [1, 1], "the load ended too early"
    for name in ways:
        told = json.loads(serving.jobs.told(name))
        print(f"{name}: the pod took {took:.1f} s to end; clients saw {told}")
        assert told["statuses"] == {"200": REQUESTS}
    assert len(serving.pods()) == REPLICAS
    assert survivor in serving.pods()
