"""The chart on a real API server: what it accepts, what the operator may do, how a CRD upgrades.

There are no controllers, so nothing runs; `e2e/install` is where the operator does.
"""

import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from e2e.chart import CHART, REQUIRED, Release, Values, render
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.paths import REPOSITORY
from e2e.cluster.progress import StepError
from e2e.fixtures import ApiServer
from e2e.rights import LEASES, MAY, MAY_NOT, Right, allowed, own
from model_rollouts.api.crd import NAME, custom_resource_definition
from model_rollouts.cli.crd import CHART_TEMPLATE, CRD, chart_template

WATCHED = "kube-public"
NOVELTY = {"type": "string"}
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
pytestmark = [pytest.mark.chart, pytest.mark.usefixtures("helm")]


def new_release(api_server: ApiServer) -> Release:
    """A release that is not installed, in a fresh namespace under restricted pod security."""
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    api_server.kubectl("create", "namespace", namespace)
    api_server.kubectl("label", "namespace", namespace, RESTRICTED)
    return Release(api_server.kubeconfig, namespace, namespace)


@pytest.fixture(scope="module")
def everywhere(api_server: ApiServer) -> Iterator[Release]:
    """An operator for all namespaces."""
    yield from installed(api_server, REQUIRED)


@pytest.fixture(scope="module")
def somewhere(api_server: ApiServer) -> Iterator[Release]:
    """An operator for one namespace."""
    yield from installed(api_server, {**REQUIRED, "watch": {"namespaces": [WATCHED]}})


def installed(api_server: ApiServer, values: Values) -> Iterator[Release]:
    release = new_release(api_server)
    # The CRD belongs to the test run, and two releases would quarrel about it.
    release.apply({**values, "crds": {"enabled": False}})
    yield release
    release.uninstall()


@pytest.fixture
def with_crd(api_server: ApiServer) -> Iterator[Release]:
    """A release that owns the CRD, which is as it was before afterwards."""
    release = new_release(api_server)
    release.apply(REQUIRED)
    yield release
    release.uninstall()
    api_server.kubectl("replace", "-f", REPOSITORY / CRD)


def ids(rights: Sequence[Right]) -> list[str]:
    return [str(right) for right in rights]


def test_the_operator_may(api_server: ApiServer, everywhere: Release) -> None:
    assert ids(allowed(api_server.kubectl, everywhere.user, MAY)) == ids(MAY)


def test_the_operator_may_not(api_server: ApiServer, everywhere: Release) -> None:
    assert ids(allowed(api_server.kubectl, everywhere.user, MAY_NOT)) == []


@pytest.mark.parametrize("watches", ["everywhere", "somewhere"])
def test_of_leases_it_may_use_its_own_alone(
    api_server: ApiServer, request: pytest.FixtureRequest, watches: str
) -> None:
    release = request.getfixturevalue(watches)
    lease = release.fullname
    others = [Right(verb, LEASES, "leases", "another") for verb in ("get", "patch", "delete")]
    asked = [*own(lease), *others, Right("list", LEASES, "leases"), Right("delete", LEASES, lease)]

    there = allowed(api_server.kubectl, release.user, asked, release.namespace)

    assert ids(there) == ids(own(lease))


def test_with_names_it_may_the_same_in_these_namespaces(
    api_server: ApiServer, somewhere: Release
) -> None:
    there = allowed(api_server.kubectl, somewhere.user, [*MAY, *MAY_NOT], WATCHED)

    assert ids(there) == ids(MAY)


def test_with_names_it_may_read_gateways_elsewhere_and_nothing_else(
    api_server: ApiServer, somewhere: Release
) -> None:
    elsewhere = allowed(api_server.kubectl, somewhere.user, [*MAY, *MAY_NOT], "default")

    assert ids(elsewhere) == ids([right for right in MAY if "gateway" in right.resource])


def test_restricted_pod_security_admits_the_pod(api_server: ApiServer) -> None:
    release = new_release(api_server)
    objects = yaml.safe_load_all(render(REQUIRED))
    template = next(obj for obj in objects if obj["kind"] == "Deployment")["spec"]["template"]
    template["spec"] |= {"serviceAccountName": "default", "automountServiceAccountToken": False}
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] |= {"name": "operator", "namespace": release.namespace}
    api_server.kubectl("create", "serviceaccount", "default", "-n", release.namespace)

    create_dry(api_server.kubectl, json.dumps(pod))

    del pod["spec"]["securityContext"]["runAsNonRoot"]
    with pytest.raises(StepError, match="violates PodSecurity"):
        create_dry(api_server.kubectl, json.dumps(pod))


def create_dry(kubectl: Kubectl, manifest: str) -> None:
    kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=manifest)


@pytest.mark.parametrize("names", [[], [WATCHED]], ids=["everywhere", "somewhere"])
def test_the_api_server_accepts_every_object(api_server: ApiServer, names: list[str]) -> None:
    everything = yaml.safe_load(Path(__file__).with_name("everything.yaml").read_text())
    # Their CRDs are the Prometheus Operator's.
    off = {
        "metrics": {},
        "proxyMetrics": {},
        "modelMetrics": {},
        "prometheusRule": {},
        "notifications": {**everything["notifications"], "podMonitor": {}},
        "observer": {**everything["observer"], "podMonitor": {}},
        "crds": {"enabled": False},
    }
    if not names:
        # Those of model pods need namespaces that are known.
        off["modelNetworkPolicy"] = {}
    values = {**everything, **off, "watch": {"namespaces": names}}

    text = render(values).replace("namespace: operators", "namespace: default")

    create_dry(api_server.kubectl, text)


def test_an_upgrade_of_the_chart_upgrades_the_crd(
    api_server: ApiServer, with_crd: Release, tmp_path: Path
) -> None:
    crd = custom_resource_definition()
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["novelty"] = NOVELTY
    newer = shutil.copytree(CHART, tmp_path / "chart")
    (newer / "templates" / CHART_TEMPLATE.name).write_text(chart_template(crd))

    with_crd.apply(REQUIRED, chart=newer)

    schema = api_server.kubectl.get("crd", NAME)["spec"]["versions"][0]["schema"]
    assert schema["openAPIV3Schema"]["properties"]["novelty"] == NOVELTY


def test_the_crd_outlives_the_chart_and_a_new_release_takes_it_back(
    api_server: ApiServer, with_crd: Release
) -> None:
    manifest = with_crd.manifest()

    with_crd.uninstall()

    found = api_server.kubectl("get", "-f", "-", "--ignore-not-found", "-o=name", stdin=manifest)
    assert found.split() == [f"customresourcedefinition.apiextensions.k8s.io/{NAME}"]
    with_crd.apply(REQUIRED)
