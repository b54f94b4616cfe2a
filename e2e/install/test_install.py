"""The operator installed with Helm on the cluster: it runs, is upgraded, and leaves what it should.

It acts on one namespace only, so that it leaves alone what else the cluster has. What it may do is
asked in `tests/helm`.
"""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import yaml

from e2e.chart import Release, Values, image
from e2e.cluster import images
from e2e.fixtures import Cluster
from e2e.rights import OURS, allowed, rights
from e2e.scenes.manifest import NAME, Wanted
from e2e.waiting import wait_until
from model_rollouts.api.crd import NAME as CRD

MODEL = f"modeldeployment/{NAME}"
IMAGES = {image.name: image.reference for image in (*images.OURS, *images.NODE)}


@pytest.fixture(scope="module")
def definition_as_before(cluster: Cluster) -> Iterator[None]:
    """The CRD is afterwards what it was, in case the cluster had one."""
    found = cluster.kubectl("get", "crd", CRD, "--ignore-not-found", "-o", "json")
    yield
    if found:
        before = json.loads(found)
        kept = {key: before["metadata"].get(key) for key in ("name", "labels", "annotations")}
        before["metadata"] = kept
        cluster.kubectl("replace", "-f", "-", stdin=json.dumps(before))


@pytest.fixture
def values(cluster_namespace: str) -> Values:
    """An operator that acts on a namespace with one ModelDeployment."""
    return {
        "image": image(IMAGES["operator"]),
        "proxy": {"image": image(IMAGES["envoy"])},
        "prometheus": {"url": "http://prometheus.monitoring:9090"},
        "watch": {"namespaces": [cluster_namespace]},
        "metrics": {"service": True},
    }


@pytest.fixture
def release(
    cluster: Cluster,
    cluster_namespace: str,
    values: Values,
    helm: object,
    definition_as_before: None,
) -> Iterator[Release]:
    """The chart, installed under restricted pod security."""
    namespace = f"{cluster_namespace}-operator"
    cluster.kubectl("create", "namespace", namespace)
    enforce = "pod-security.kubernetes.io/enforce=restricted"
    cluster.kubectl("label", "namespace", namespace, enforce)
    release = Release(cluster.provider.kubeconfig, namespace, cluster_namespace)
    try:
        release.apply(values, "--wait", "--timeout=2m")
        model = Wanted().manifest(cluster_namespace, f"{cluster_namespace}.example.com")
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(model))
        yield release
    finally:
        release.uninstall()
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def pods(cluster: Cluster, release: Release) -> list[Any]:
    """The operator's pods, the ending ones too."""
    return list(cluster.kubectl.get("pods", "-n", release.namespace)["items"])


def leader(cluster: Cluster, release: Release) -> str:
    """The pod that leads, by the Lease; none while nobody does."""
    lease = cluster.kubectl.get("lease", release.fullname, "-n", release.namespace)
    holder: str = lease["spec"].get("holderIdentity", "")
    return holder.partition("_")[0]


def ask(cluster: Cluster, release: Release, path: str) -> str:
    """What the operator that leads answers at its port."""
    wait_until(lambda: bool(leader(cluster, release)), "nobody leads")
    where = f"namespaces/{release.namespace}/pods/{leader(cluster, release)}:8080"
    return cluster.kubectl("get", "--raw", f"/api/v1/{where}/proxy{path}")


def left(cluster: Cluster, namespace: str) -> set[str]:
    """The names of all objects in a namespace, by kind."""
    listed = ("api-resources", "--namespaced", "--verbs=list,delete", "-o", "name")
    kinds = [kind for kind in cluster.kubectl(*listed).split() if not kind.startswith("events")]
    return set(cluster.kubectl("get", ",".join(kinds), "-n", namespace, "-o", "name").split())


def test_the_operator_runs(cluster: Cluster, release: Release) -> None:
    running = pods(cluster, release)
    restarts = [
        each["restartCount"] for pod in running for each in pod["status"]["containerStatuses"]
    ]
    assert restarts == [0, 0]
    assert ask(cluster, release, "/readyz") == "ok: leading"
    assert "modeldeployment_spec_not_serving" in ask(cluster, release, "/metrics")
    crd = cluster.kubectl.get("crd", CRD)
    assert {"Established": "True"}.items() <= {
        each["type"]: each["status"] for each in crd["status"]["conditions"]
    }.items()


def test_it_rolls_out_with_the_rights_that_it_has(
    cluster: Cluster, cluster_namespace: str, release: Release
) -> None:
    ready = ("--for=condition=Ready", "--timeout=150s")
    cluster.kubectl("wait", MODEL, "-n", cluster_namespace, *ready)

    for pod in pods(cluster, release):
        logs = cluster.kubectl("logs", pod["metadata"]["name"], "-n", release.namespace)
        assert "forbidden" not in logs
    events = cluster.kubectl.get("events.events.k8s.io", "-n", cluster_namespace)["items"]
    assert "ModelDeployment" in {event["regarding"]["kind"] for event in events}


@pytest.mark.parametrize(
    ("role", "may"), [("view", "get list watch"), ("edit", "get list watch create update patch")]
)
def test_the_roles_of_the_cluster_have_it(
    cluster: Cluster, cluster_namespace: str, release: Release, role: str, may: str
) -> None:
    where = ("-n", cluster_namespace)
    person = ("--clusterrole", role, "--user", role)
    cluster.kubectl("create", "rolebinding", role, *where, *person)
    asked = rights("get list watch create update patch", OURS, "modeldeployments")
    asked += rights("update patch", OURS, "modeldeployments/status")

    found = partial(allowed, cluster.kubectl, role, asked, cluster_namespace)

    # A controller adds the rules of one role to the other.
    expected = rights(may, OURS, "modeldeployments")
    wait_until(lambda: found() == expected, f"{role} has other rights")


def test_an_upgrade_replaces_the_operator(
    cluster: Cluster, values: Values, release: Release
) -> None:
    wait_until(lambda: bool(leader(cluster, release)), "nobody leads")
    before = {pod["metadata"]["uid"] for pod in pods(cluster, release)}

    release.apply({**values, "podAnnotations": {"upgraded": "yes"}}, "--wait", "--timeout=2m")

    def replaced() -> bool:
        after = pods(cluster, release)
        return (
            len(after) == len(before)
            and before.isdisjoint(pod["metadata"]["uid"] for pod in after)
            and leader(cluster, release) in [pod["metadata"]["name"] for pod in after]
        )

    wait_until(replaced, "the pods were not replaced, or none of the new ones leads")
    assert {pod["metadata"]["annotations"]["upgraded"] for pod in pods(cluster, release)} == {"yes"}


def test_only_the_resource_outlives_the_chart(
    cluster: Cluster, cluster_namespace: str, release: Release
) -> None:
    manifest = release.manifest()
    assert len(list(yaml.safe_load_all(manifest))) > 8

    release.uninstall()

    found = cluster.kubectl("get", "-f", "-", "--ignore-not-found", "-o=name", stdin=manifest)
    assert found.split() == [f"customresourcedefinition.apiextensions.k8s.io/{CRD}"]
    wait_until(
        lambda: (
            left(cluster, release.namespace)
            == {
                "configmap/kube-root-ca.crt",
                "serviceaccount/default",
                # The operator made it: one that starts again knows by it that nobody leads.
                f"lease.coordination.k8s.io/{release.fullname}",
            }
        ),
        "something stayed in the operator's namespace",
    )
    cluster.kubectl("get", MODEL, "-n", cluster_namespace)
