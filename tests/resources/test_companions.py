"""Objects beside Services, from templates of the administrator."""

import re
from typing import Any

import pytest

from model_rollouts.resources import companions
from model_rollouts.resources.errors import ResourceError

CHECK: dict[str, Any] = {
    "plural": "healthcheckpolicies",
    "template": {
        "apiVersion": "networking.gke.io/v1",
        "kind": "HealthCheckPolicy",
        "metadata": {"labels": {"of": "$(model)"}},
        "spec": {
            "default": {"config": {"httpHealthCheck": {"port": 17090, "requestPath": "/ready"}}},
            "targetRef": {"group": "", "kind": "Service", "name": "$(service)"},
            "notes": ["$(namespace)/$(revision)", 7],
        },
    },
}
SERVICE = {
    "metadata": {"name": "arrival-0a1b-shadow", "namespace": "flights", "uid": "u-1", "labels": {}}
}


def changed(**template: Any) -> dict[str, Any]:
    return {**CHECK, "template": {**CHECK["template"], **template}}


def test_names_are_filled_in_wherever_they_stand() -> None:
    (companion,) = companions.parse([CHECK])

    body = companions.rendered(companion, SERVICE, "arrival", "arrival-0a1b")

    assert body["metadata"]["name"] == "arrival-0a1b-shadow"
    assert body["metadata"]["namespace"] == "flights"
    assert body["metadata"]["labels"]["of"] == "arrival"
    assert body["metadata"]["labels"]["modelrollouts.dev/revision"] == "arrival-0a1b"
    assert body["spec"]["targetRef"]["name"] == "arrival-0a1b-shadow"
    assert body["spec"]["notes"] == ["flights/arrival-0a1b", 7]
    assert body["spec"]["default"] == CHECK["template"]["spec"]["default"]


@pytest.mark.parametrize("name", ["$(service)", "$(model)-$(service)-check"])
def test_it_is_named_without_being_rendered(name: str) -> None:
    (companion,) = companions.parse([changed(metadata={"name": name})])
    known = SERVICE, "arrival", "arrival-0a1b"

    body = companions.rendered(companion, *known)
    named = companions.named(companion, *known)
    assert named == f"{body['kind']}/{body['metadata']['name']}"


def test_it_goes_with_its_service_and_is_not_controlled_by_it() -> None:
    """A reference that blocks the end of the Service would need a right over its finalizers."""
    (companion,) = companions.parse([CHECK])

    body = companions.rendered(companion, SERVICE, "arrival", "arrival-0a1b")

    owner = {"apiVersion": "v1", "kind": "Service", "name": "arrival-0a1b-shadow", "uid": "u-1"}
    assert body["metadata"]["ownerReferences"] == [owner]


@pytest.mark.parametrize(
    ("found", "error"),
    [
        ({}, "companions, all: found {}; write a list of at most 8 templates"),
        ([CHECK] * 9, "write a list of at most 8 templates"),
        ([7], "companions[0], all: found 7; write a mapping such as"),
        ([{**CHECK, "service": "live"}], "companions[0], service: found 'live'; write nothing"),
        ([{**CHECK, "plural": "Health/../x"}], "plural: found 'Health/../x'; write the name"),
        ([{**CHECK, "services": ["canary"]}], "services: found ['canary']; write live, shadow"),
        ([{"plural": "x"}], "companions[0], template: found nothing; write an object"),
        ([changed(apiVersion="v1")], "template.apiVersion: found 'v1'; write group and version"),
        ([changed(apiVersion="a.b/../../v1")], "template.apiVersion: found"),
        ([changed(kind="HTTPRoute")], "template.kind: found 'HTTPRoute'; write a kind that"),
        ([changed(kind=None)], "template.kind: found nothing; write a kind, such as"),
        ([changed(metadata={"namespace": "x"})], "template.metadata: found"),
        ([changed(metadata={"name": "one"})], "template.metadata.name: found 'one'; write a name"),
        (
            [changed(spec={"a": [{"b": "$(POD_NAME)"}]})],
            "companions[0], template.spec.a[0].b: found '$(POD_NAME)'; write one of $(service), "
            "$(revision), $(model), $(namespace) in place of $(POD_NAME)",
        ),
        (
            [CHECK, CHECK],
            "companions[1], template.metadata.name: found '$(service)'; write another",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_to_write(found: Any, error: str) -> None:
    with pytest.raises(ResourceError, match=re.escape(error)):
        companions.parse(found)
