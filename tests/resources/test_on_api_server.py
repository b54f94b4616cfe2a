"""A real API server accepts what is built, under restricted pod security."""

import json
from typing import Any

import pytest
import yaml

from e2e.cluster.progress import StepError
from e2e.fixtures import ApiServer
from model_rollouts.resources.controller_revision import controller_revision, objects, render
from model_rollouts.resources.revision import is_same, new_name
from model_rollouts.routes.http_route import Backend, Mirror, RouteSpec, http_route
from model_rollouts.routes.record import RouteRecord, decode
from tests.resources.example import MODEL, OWNER, SETTINGS, THRESHOLDS_MS, revision_input

RECORD = RouteRecord("m-1", "m-2", "Canary", "25%", 1, None, 7)


@pytest.fixture
def restricted(api_server: ApiServer, namespace: str) -> str:
    """A namespace that admits only pods under restricted pod security."""
    enforce = "pod-security.kubernetes.io/enforce=restricted"
    api_server.kubectl("label", "namespace", namespace, enforce)
    # No controller of this server makes it, and without it no pod is admitted.
    api_server.kubectl("create", "serviceaccount", "default", "-n", namespace)
    return namespace


def built(namespace: str, **changes: Any) -> list[dict[str, Any]]:
    """Everything of one revision in `namespace`: ControllerRevision, Deployment, Services."""
    given = revision_input(**changes)
    name, _ = new_name(MODEL, given, ())
    rendered = render(MODEL, name, given, THRESHOLDS_MS, SETTINGS)
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


def test_the_objects_of_a_revision(api_server: ApiServer, restricted: str) -> None:
    stored, deployment, *services = built(restricted)

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


def test_the_route(api_server: ApiServer, restricted: str) -> None:
    spec = RouteSpec(
        parent_refs=[{"name": "models", "namespace": "gateways"}],
        hostnames=["arrival.example.com"],
        matches=[{"path": {"type": "PathPrefix", "value": "/v2"}}],
        timeouts={"request": "10s"},
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
    rendered = render("a" * 45, name, given, (), SETTINGS)
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
