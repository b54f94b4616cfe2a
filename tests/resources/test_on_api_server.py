"""A real API server accepts what is built, under restricted pod security."""

import json
from dataclasses import replace
from itertools import starmap
from typing import Any

import pytest
import yaml

from e2e.cluster.progress import StepError
from e2e.fixtures import ApiServer
from model_rollouts.resources.capture import Capture
from model_rollouts.resources.controller_revision import controller_revision, objects, render
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.resources.revision import canonical, is_same, new_name
from model_rollouts.routes.http_route import Backend, Mirror, RouteSpec, http_route
from model_rollouts.routes.record import RouteRecord, decode
from tests.resources import openshift
from tests.resources.example import (
    CAPTURED,
    MODEL,
    OWNER,
    SETTINGS,
    THRESHOLDS_MS,
    WITH_OBSERVER,
    revision_input,
    template,
)
from tests.resources.test_revision import CHANGES, DEFAULTS, edited

RECORD = RouteRecord("m-1", "m-2", "Canary", "25%", 1, None, 7)


@pytest.fixture
def restricted(api_server: ApiServer, namespace: str) -> str:
    """A namespace that admits only pods under restricted pod security."""
    enforce = "pod-security.kubernetes.io/enforce=restricted"
    api_server.kubectl("label", "namespace", namespace, enforce)
    # No controller of this server makes it, and without it no pod is admitted.
    api_server.kubectl("create", "serviceaccount", "default", "-n", namespace)
    return namespace


def built(
    namespace: str, settings: ProxySettings = WITH_OBSERVER, **changes: Any
) -> list[dict[str, Any]]:
    """Everything of one revision in `namespace`: ControllerRevision, Deployment, Services."""
    given = revision_input(**changes)
    name, _ = new_name(MODEL, given, ())
    rendered = render(MODEL, name, given, THRESHOLDS_MS, settings, namespace=namespace)
    stored = controller_revision(
        MODEL, name, given, rendered, namespace=namespace, owner=OWNER, number=1
    )
    return [stored, *objects(stored, OWNER, replicas=2)]


def pod_of(deployment: dict[str, Any]) -> dict[str, Any]:
    """The pod that the Deployment would make."""
    template = deployment["spec"]["template"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        **template,
        "metadata": {**template["metadata"], "name": "pod"},
    }


def create(api_server: ApiServer, namespace: str, *things: dict[str, Any]) -> str:
    """Try to create the objects, without keeping them."""
    return api_server.kubectl(
        *("create", "--dry-run=server", "--validate=strict", "-n", namespace, "-f", "-"),
        stdin=yaml.safe_dump_all(things),
    )


@pytest.mark.parametrize("capture", [None, CAPTURED])
def test_the_objects_of_a_revision(
    api_server: ApiServer, restricted: str, capture: Capture | None
) -> None:
    stored, deployment, *services = built(restricted, capture=capture)

    create(api_server, restricted, stored, deployment, *services, pod_of(deployment))


def test_the_proxy_is_what_restricted_pod_security_looks_at(
    api_server: ApiServer, restricted: str
) -> None:
    """The test above can fail: one field of the proxy less and the pod is refused."""
    _, deployment, *_ = built(restricted)
    pod = pod_of(deployment)
    del pod["spec"]["initContainers"][0]["securityContext"]["capabilities"]

    with pytest.raises(StepError, match=r"unrestricted capabilities.*rollout-proxy"):
        create(api_server, restricted, pod)


@pytest.mark.parametrize("capture", [None, CAPTURED])
def test_users_that_the_platform_assigns(
    api_server: ApiServer, restricted: str, capture: Capture | None
) -> None:
    """As on OpenShift: nobody writes a user, and each namespace has others."""
    given = template()
    del given["spec"]["securityContext"]["runAsUser"]
    settings = replace(WITH_OBSERVER, user=None)
    _, deployment, *_ = built(restricted, settings, template=given, capture=capture)
    pod = pod_of(deployment)
    assert "runAsUser" not in str(pod["spec"])

    assert openshift.violations(pod["spec"]) == []
    create(api_server, restricted, pod, deployment)
    assigned = {**pod, "spec": openshift.assigned(pod["spec"])}
    create(api_server, restricted, assigned)
    assert openshift.violations(built(restricted)[1]["spec"]["template"]["spec"]) == [
        "pod: runAsUser 1000",
        "rollout-proxy: runAsUser 65532",
    ]


def test_the_route(api_server: ApiServer, restricted: str) -> None:
    spec = RouteSpec(
        parent_refs=[{"name": "models", "namespace": "gateways"}],
        hostnames=["arrival.example.com"],
        rules=[
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/v2"}}],
                "timeouts": {"request": "10s"},
            }
        ],
    )
    backends = [Backend("m-1", 95), Backend("m-2", 5)]
    route = http_route(
        *(MODEL, spec, backends, RECORD),
        namespace=restricted,
        owner=OWNER,
        mirror=Mirror("m-2", 10),
    )

    api_server.kubectl.apply(json.dumps(route))

    kept = api_server.kubectl.get("httproute", MODEL, "-n", restricted)
    (text,) = kept["metadata"]["annotations"].values()
    assert decode("the route", text) == RECORD
    assert kept["spec"]["rules"][0]["backendRefs"][1]["weight"] == 5


def test_applying_a_revision_again_changes_nothing(api_server: ApiServer, restricted: str) -> None:
    things = yaml.safe_dump_all(built(restricted))
    api_server.kubectl.apply(things)
    before = versions(api_server, restricted)

    api_server.kubectl.apply(things)

    assert versions(api_server, restricted) == before


def test_the_longest_names_are_accepted(api_server: ApiServer, restricted: str) -> None:
    given = revision_input()
    name, _ = new_name("a" * 45, given, ())
    rendered = render("a" * 45, name, given, (), SETTINGS, namespace=restricted)
    stored = controller_revision(
        "a" * 45, name, given, rendered, namespace=restricted, owner=OWNER, number=1
    )

    create(api_server, restricted, stored, *objects(stored, OWNER))


def versions(api_server: ApiServer, namespace: str) -> dict[str, str]:
    """The resourceVersion of each object: it changes with every write that changes something."""
    kinds = "controllerrevisions,deployments,services"
    return {
        f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["resourceVersion"]
        for each in api_server.kubectl.get(kinds, "-n", namespace)["items"]
    }


def test_what_the_api_server_hands_back_is_the_same_input(
    api_server: ApiServer, restricted: str
) -> None:
    stored, *_ = built(restricted)
    api_server.kubectl.apply(json.dumps(stored))

    read = api_server.kubectl.get("controllerrevision", "-n", restricted)["items"][0]

    assert is_same(read["data"]["input"], revision_input())


def stored(api_server: ApiServer, namespace: str, templates: list[Any]) -> list[Any]:
    """The pods of a Deployment of each template, as the API server would store them."""
    made = []
    for number, each in enumerate(templates):
        given = revision_input(template=each)
        rendered = render(
            MODEL,
            "arrival-delay-0123456789",
            given,
            THRESHOLDS_MS,
            SETTINGS,
            namespace=namespace,
        )
        body = rendered["deployment"]
        metadata = {**body["metadata"], "name": f"tried-{number}", "namespace": namespace}
        made.append({**body, "metadata": metadata})
    answer = api_server.kubectl(
        *("create", "--dry-run=server", "-o", "yaml", "-f", "-"), stdin=yaml.safe_dump_all(made)
    )
    return [each["spec"]["template"] for each in yaml.safe_load_all(answer)]


def test_what_has_one_form_is_stored_alike_and_nothing_else(
    api_server: ApiServer, namespace: str
) -> None:
    """The table of defaults is that of the API server, both ways."""
    rows = [*DEFAULTS, *CHANGES]

    first, *others = stored(api_server, namespace, [template(), *starmap(edited, rows)])

    wrong = [
        (path, value)
        for (path, value), found in zip(rows, others, strict=True)
        if (found == first)
        != is_same(canonical(revision_input()), revision_input(template=edited(path, value)))
    ]
    assert wrong == []
