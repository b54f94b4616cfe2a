"""The API server of the test run is a real one: CRDs, admission and RBAC behave as in a cluster."""

import json

import pytest

from e2e.cluster.progress import StepError
from e2e.fixtures import ApiServer

ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: split, namespace: {namespace}}}
spec:
  parentRefs: [{{name: models}}]
  rules:
    - backendRefs:
        - {{name: stable, port: 80, weight: 90}}
        - {{name: candidate, port: 80, weight: {weight}}}
      filters:
        - type: RequestMirror
          requestMirror: {{backendRef: {{name: candidate, port: 80}}, percent: 30}}
"""


def test_gateway_api_is_installed_and_keeps_what_it_is_given(
    api_server: ApiServer, namespace: str
) -> None:
    api_server.kubectl.apply(ROUTE.format(namespace=namespace, weight=10))

    (rule,) = api_server.kubectl.get("httproute", "split", "-n", namespace)["spec"]["rules"]
    assert [backend["weight"] for backend in rule["backendRefs"]] == [90, 10]
    assert rule["filters"][0]["requestMirror"]["percent"] == 30


def test_a_bad_route_is_refused_with_the_name_of_the_field(
    api_server: ApiServer, namespace: str
) -> None:
    with pytest.raises(StepError, match=r"backendRefs\[1\]\.weight"):
        api_server.kubectl.apply(ROUTE.format(namespace=namespace, weight=-1))


def test_each_test_has_a_namespace_of_its_own(api_server: ApiServer, namespace: str) -> None:
    assert api_server.kubectl.get("httproute", "-n", namespace)["items"] == []


def test_rbac_is_on(api_server: ApiServer, namespace: str) -> None:
    # Somebody who may do everything asks what somebody without any role may do.
    with pytest.raises(StepError, match="forbidden"):
        api_server.kubectl("get", "pods", "-n", namespace, "--as=somebody")


def test_the_server_says_which_version_it_is(api_server: ApiServer) -> None:
    told = json.loads(api_server.kubectl("version", "-o", "json"))
    assert told["serverVersion"]["gitVersion"] == told["clientVersion"]["gitVersion"]
    assert told["serverVersion"]["minor"] == "36"
