"""`spec.route` has every field of Gateway API's HTTPRoute: taken over, or refused in words.

A field that is not declared would be refused by kubectl, and lost without a word by a client that
does not ask the API server to validate.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from e2e.cluster import tools
from model_rollouts.api.crd import custom_resource_definition

OF_A_REFUSED_TYPE = frozenset({"requestMirror", "requestRedirect", "externalAuth"})
"""Members of filters whose `type` is refused."""

WHOLE = frozenset({"parentRefs", "hostnames", "rules", "useDefaultGateways"})


def declared(schema: dict[str, Any], *path: str) -> dict[str, Any]:
    """The properties of what stands at a path; `[]` are the items of a list."""
    for key in path:
        schema = schema["items"] if key == "[]" else schema["properties"][key]
    found: dict[str, Any] = schema.get("properties", {})
    return found


def channels() -> Iterator[dict[str, Any]]:
    """The schema of the spec of an HTTPRoute, standard and experimental."""
    if not tools.built(tools.API_SERVER):
        pytest.skip("the modules of Gateway API are not there: run `make tools`")
    folder = tools.module_directory("sigs.k8s.io/gateway-api") / "config" / "crd"
    for channel in ("standard", "experimental"):
        path = folder / channel / "gateway.networking.k8s.io_httproutes.yaml"
        versions = yaml.safe_load(path.read_text())["spec"]["versions"]
        (schema,) = [each["schema"] for each in versions if each["name"] == "v1"]
        yield schema["openAPIV3Schema"]["properties"]["spec"]


OURS = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
ROUTE = OURS["properties"]["spec"]["properties"]["route"]


@pytest.mark.parametrize(
    "path",
    [
        ("parentRefs", "[]"),
        ("rules", "[]"),
        ("rules", "[]", "matches", "[]"),
        ("rules", "[]", "matches", "[]", "path"),
        ("rules", "[]", "matches", "[]", "headers", "[]"),
        ("rules", "[]", "matches", "[]", "queryParams", "[]"),
        ("rules", "[]", "timeouts"),
        ("rules", "[]", "filters", "[]"),
        ("rules", "[]", "filters", "[]", "cors"),
        ("rules", "[]", "filters", "[]", "urlRewrite"),
        ("rules", "[]", "filters", "[]", "urlRewrite", "path"),
        ("rules", "[]", "filters", "[]", "extensionRef"),
        ("rules", "[]", "filters", "[]", "requestHeaderModifier"),
        ("rules", "[]", "filters", "[]", "responseHeaderModifier"),
    ],
    ids=".".join,
)
def test_no_field_of_an_httproute_is_lost(path: tuple[str, ...]) -> None:
    theirs = {name for spec in channels() for name in declared(spec, *path)}

    assert theirs - OF_A_REFUSED_TYPE <= set(declared(ROUTE, *path))


def test_the_whole_of_an_httproute_is_known() -> None:
    assert {name for spec in channels() for name in declared(spec)} <= WHOLE
