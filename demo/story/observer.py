"""The observer of the story: its certificate, what it has, and how it is killed."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import trustme
from prometheus_client.parser import text_string_to_metric_families

from e2e.chart import image
from e2e.cluster.images import OBSERVER
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.provider import Provider

TLS, CA = "observer-tls", "observer-ca"
"""The Secret with its certificate, and the ConfigMap with what proxies check it by."""
LOG = "/var/lib/model-rollouts"
JOB = "model-rollouts-observer"
"""By which the Prometheus of `make cluster` scrapes it."""

LOST = "model_rollouts_observer_lost_records_total"
_KEPT = f"""
import json
import duckdb
from deltalake import DeltaTable
files = DeltaTable("{LOG}/predictions").file_uris()
query = (
    "SELECT revision, arm, count(DISTINCT request_id) "
    "FROM read_parquet($files, hive_partitioning = true) GROUP BY ALL"
)
print(json.dumps(duckdb.sql(query, params={{"files": files}}).fetchall()))
"""

Arm = tuple[str, str]
"""A revision, and `live` or `shadow`."""
Row = Mapping[str, Any]
"""A row of the log, as `model-rollouts predictions -o json` prints it."""


def values() -> Mapping[str, Any]:
    """The values of the chart."""
    return {
        "enabled": True,
        "image": image(OBSERVER.reference),
        "tlsSecret": {"name": TLS},
        "caConfigMap": {"name": CA},
        # The cluster of the tests has no volumes to give. The log outlives the process so.
        "persistence": {"enabled": False},
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "768Mi"}},
        "targetLabels": {"job": JOB},
    }


def certify(kubectl: Kubectl, namespace: str) -> None:
    """Give it a new certificate for its Services."""
    authority = trustme.CA()
    made = authority.issue_cert(f"*.{namespace}.svc")
    chain = "".join(each.bytes().decode() for each in made.cert_chain_pems)
    where = {"apiVersion": "v1", "metadata": {"namespace": namespace}}
    secret = {
        **where,
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": TLS, "namespace": namespace},
        "stringData": {"tls.crt": chain, "tls.key": made.private_key_pem.bytes().decode()},
    }
    trusted = {
        **where,
        "kind": "ConfigMap",
        "metadata": {"name": CA, "namespace": namespace},
        "data": {"ca.crt": authority.cert_pem.bytes().decode()},
    }
    kubectl.apply("\n---\n".join(map(json.dumps, (secret, trusted))))


@dataclass(frozen=True)
class Observer:
    """The observer's only pod, on the cluster of `provider`."""

    provider: Provider
    namespace: str
    pod: str

    @property
    def _kubectl(self) -> Kubectl:
        return Kubectl(self.provider.kubeconfig)

    def kill(self) -> None:
        """End its process by SIGKILL; the kubelet starts another one in the same pod."""
        pod = self._kubectl.get("pod", self.pod, "-n", self.namespace)
        (container,) = pod["status"]["containerStatuses"]
        self.provider.kill(container["containerID"].rpartition("/")[2])

    def lost(self) -> Counter[Arm]:
        """Records that its process, which may be the second one, says that it lacks."""
        place = f"/api/v1/namespaces/{self.namespace}/pods/{self.pod}:9801/proxy/metrics"
        found: Counter[Arm] = Counter()
        for family in text_string_to_metric_families(self._kubectl("get", "--raw", place)):
            for sample in family.samples:
                if sample.name == LOST:
                    arm = sample.labels["modelrollouts_revision"], sample.labels["arm"]
                    found[arm] += round(sample.value)
        return found

    def kept(self) -> Counter[Arm]:
        """Requests in the log."""
        told = json.loads(self._inside("python3", "-c", _KEPT))
        return Counter({(revision, arm): requests for revision, arm, requests in told})

    def worst_command(self, namespace: str, revision: str, limit: int) -> str:
        """The command that shows where a revision disagrees most."""
        words = self._worst(namespace, revision, limit)
        return f"kubectl -n {self.namespace} exec {self.pod} -- {' '.join(words)}"

    def worst(self, namespace: str, revision: str, limit: int) -> Sequence[Row]:
        """Where a revision disagrees most: each row of it after the one that it disagrees with."""
        told = self._inside(*self._worst(namespace, revision, limit), "-o", "json")
        return [json.loads(line) for line in told.splitlines()]

    def answered(self, prediction_id: str) -> Sequence[Row]:
        """What became of a request, by the id of an answer to it: rows of both versions."""
        words = ("model-rollouts", "predictions", "--log", LOG, "--id", prediction_id)
        return [json.loads(line) for line in self._inside(*words, "-o", "json").splitlines()]

    def _worst(self, namespace: str, revision: str, limit: int) -> Sequence[str]:
        # What was answered with an error has no species to show.
        what = ("--disagreements", "--answered")
        which = ("--namespace", namespace, "--revision", revision, *what)
        return ("model-rollouts", "predictions", "--log", LOG, *which, "--limit", f"{limit}")

    def _inside(self, *command: str) -> str:
        return self._kubectl("exec", self.pod, "-n", self.namespace, "--", *command)
