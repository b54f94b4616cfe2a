"""The process on a real API server, with the rights that the chart gives it and no others."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.chart import REQUIRED, render
from e2e.cluster.progress import StepError
from e2e.fixtures import ApiServer
from e2e.rights import MAY, MAY_NOT, Right, allowed
from model_rollouts.api.group import GROUP
from tests.api.objects import Client, changed
from tests.notifications.objects import OWNER, conditioned
from tests.notifications.receiver import Receiver
from tests.notifications.test_process import WATCHING, Office, hook, put_away, until

pytestmark = pytest.mark.usefixtures("helm")

VALUES: dict[str, Any] = {
    "image": {"repository": "registry.example.com/notifications"},
    "targets": [{"name": "hook", "type": "Webhook", "secret": {"name": "hook"}}],
    "networkPolicy": {"enabled": True},
}
NAME = "model-rollouts-notifications"
ITS_OWN = [Right(verb, GROUP, "modeldeployments") for verb in ("get", "list", "watch")]


@pytest.fixture
def office(api_server: ApiServer, namespace: str, tmp_path: Path) -> Iterator[Office]:
    """The process with the token of its ServiceAccount, told of one namespace."""
    values = {**REQUIRED, "notifications": VALUES, "watch": {"namespaces": [namespace]}}
    objects = [
        each
        for each in yaml.safe_load_all(render(values, namespace=namespace))
        if each and each["metadata"]["name"] == NAME
    ]
    text = "\n---\n".join(map(json.dumps, objects))
    api_server.kubectl("create", "-f", "-", stdin=text)
    token = api_server.kubectl("create", "token", NAME, "-n", namespace).strip()
    kubeconfig = yaml.safe_load(api_server.kubeconfig.read_text())
    for each in kubeconfig["users"]:
        each["user"] = {"token": token}
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    found = Office(tmp_path, tmp_path / "kubeconfig", "--namespace", namespace)
    yield found
    put_away(found)


def test_its_only_right_is_to_read_modeldeployments(
    api_server: ApiServer, namespace: str, office: Office
) -> None:
    user = f"system:serviceaccount:{namespace}:{NAME}"

    asked = [*ITS_OWN, *(each for each in (*MAY, *MAY_NOT) if each not in ITS_OWN)]

    there = allowed(api_server.kubectl, user, asked, namespace)

    assert {str(each) for each in there} == {str(each) for each in ITS_OWN}
    assert allowed(api_server.kubectl, user, asked, "default") == []


def test_a_status_is_told_once_over_restarts(
    api_server: ApiServer, namespace: str, office: Office, receiver: Receiver
) -> None:
    office.configure((hook(), receiver.url))
    with Client(api_server, namespace) as client:
        obj = client.create(changed({"spec.owner": OWNER}))
        process = office.start()
        until(lambda: office.metric(WATCHING))

        # By the watch.
        told = conditioned("Stalled", "True", "InvalidTemplate", "2027-01-15T09:00:00Z")
        stored = client.replace({**obj, "status": told["status"]}, subresource="status")
        (post,) = receiver.wait(1)
        process.terminate()
        assert process.wait(30) == 0

        # By the list of the next life.
        status = conditioned("FallbackActive", "True", "ModelFails", "2027-01-15T09:05:00Z")[
            "status"
        ]
        status["conditions"] += [
            each for each in told["status"]["conditions"] if each["type"] == "Stalled"
        ]
        client.replace({**stored, "status": status}, subresource="status")
        process = office.start()
        second = receiver.wait(2)[1]
        until(lambda: office.metric(WATCHING))

    assert [each["kind"] for each in post.body["occasions"]] == ["Stalled"]
    assert [each["kind"] for each in second.body["occasions"]] == ["FallbackActive"]
    assert post.body["occasions"][0]["owner"] == "vision (#vision-alerts)"
    assert len(receiver.posts) == 2


def test_restricted_pod_security_admits_the_pod(api_server: ApiServer, namespace: str) -> None:
    api_server.kubectl(
        "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted"
    )
    objects = yaml.safe_load_all(render({**REQUIRED, "notifications": VALUES}))
    (template,) = (
        each["spec"]["template"]
        for each in objects
        if each and each["kind"] == "Deployment" and each["metadata"]["name"] == NAME
    )
    template["spec"] |= {"serviceAccountName": "default", "automountServiceAccountToken": False}
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] |= {"name": "notifications", "namespace": namespace}
    api_server.kubectl("create", "serviceaccount", "default", "-n", namespace)

    def create() -> None:
        api_server.kubectl("create", "-f", "-", "--dry-run=server", stdin=json.dumps(pod))

    create()
    del pod["spec"]["securityContext"]["runAsNonRoot"]
    with pytest.raises(StepError, match="violates PodSecurity"):
        create()
