"""What a real API server hands back of our objects is what was written, and no edit of others."""

import json
from fractions import Fraction
from typing import Any

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.api.deployment import read
from model_rollouts.api.phase import Phase
from model_rollouts.resources.capture import Capture
from model_rollouts.resources.controller_revision import controller_revision, objects, render
from model_rollouts.resources.names import Owner
from model_rollouts.resources.revision import new_name
from model_rollouts.rollout.objects.drift import drifted
from model_rollouts.rollout.objects.route import desired_route
from model_rollouts.rollout.standing import Roles
from model_rollouts.routes.http_route import RouteSpec
from model_rollouts.routes.reader import differences
from tests.api.objects import changed
from tests.resources.example import CAPTURED, WITH_OBSERVER, revision_input, template

CANARY = Roles("m-a", "m-b", None, Phase.CANARY, Fraction(1, 4), 1, None, 2)
ROUTES: dict[str, dict[str, Any]] = {
    "the smallest": {},
    "full of defaults": {
        "spec.route.matches": [
            {"path": {"value": "/a"}, "headers": [{"name": "x", "value": "1"}]},
            {"queryParams": [{"name": "q", "value": "2"}], "method": "POST"},
        ],
        "spec.route.timeouts": {"request": "10s", "backendRequest": "5s"},
    },
    "one match that is the default": {"spec.route.matches": [{"path": {"value": "/"}}]},
    "a parent in its own namespace": {
        "spec.route.parentRefs": [{"name": "models", "sectionName": "http"}]
    },
}


def applied(api_server: ApiServer, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
    """The object as the server keeps it."""
    api_server.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(body))
    name = body["metadata"]["name"]
    found: dict[str, Any] = api_server.kubectl.get(body["kind"], name, "-n", namespace)
    return found


@pytest.mark.parametrize("case", ROUTES)
@pytest.mark.parametrize("marks", [True, False])
def test_a_route(api_server: ApiServer, namespace: str, case: str, marks: bool) -> None:
    obj = changed({"metadata.namespace": namespace, "metadata.uid": "u-1"} | ROUTES[case])
    model = read(obj)
    spec = RouteSpec.of(model.spec.route, marks_backends=marks)
    body = desired_route(model, CANARY, spec)

    found = applied(api_server, namespace, body)

    assert differences(found, body) == ()
    later = CANARY._replace(weight=Fraction(1, 2))
    assert differences(found, desired_route(model, later, spec)) != ()


@pytest.mark.parametrize("capture", [None, CAPTURED])
def test_the_objects_of_a_revision(
    api_server: ApiServer, namespace: str, capture: Capture | None
) -> None:
    owner = Owner("modelrollouts.dev/v1alpha1", "ModelDeployment", "arrival-delay", "u-1")
    odd = template()
    odd["spec"]["containers"][0] |= {
        "env": [{"name": "EMPTY", "value": ""}, {"name": "SET", "value": "1"}],
        "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}},
        "volumeMounts": [{"name": "scratch", "mountPath": "/tmp", "readOnly": False}],
    }
    odd["spec"]["volumes"] = [{"name": "scratch", "emptyDir": {}}]
    given = revision_input(template=odd, capture=capture)
    name, _ = new_name("arrival-delay", given, ())
    rendered = render("arrival-delay", name, given, [300], WITH_OBSERVER, namespace=namespace)
    stored = controller_revision(
        "arrival-delay", name, given, rendered, namespace=namespace, owner=owner, number=1
    )

    for body in [stored, *objects(stored, owner)]:
        assert not drifted(applied(api_server, namespace, body), body), body["kind"]
