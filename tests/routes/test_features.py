"""What a route needs of a gateway, by names that Gateway API has."""

import re

import pytest

from e2e.cluster import tools
from model_rollouts.api.route import Route
from model_rollouts.routes import features

PARENT = {"name": "models"}
HEADERS = {"set": [{"name": "x-a", "value": "1"}]}


def needs(**route: object) -> list[tuple[str, str]]:
    return list(features.needed(Route.model_validate({"parentRefs": [PARENT], **route})))


def rule(**fields: object) -> dict[str, object]:
    return {"rules": [fields]}


ROWS: list[tuple[dict[str, object], list[tuple[str, str]]]] = [
    ({"hostnames": ["a.example.com"]}, []),
    ({"parentRefs": [{**PARENT, "port": 80}]}, [("parentRefs", "HTTPRouteParentRefPort")]),
    ({"timeouts": {"request": "1s"}}, [("timeouts", "HTTPRouteRequestTimeout")]),
    (
        rule(timeouts={"backendRequest": "1s"}),
        [("rules.timeouts", "HTTPRouteBackendTimeout")],
    ),
    ({"matches": [{"method": "GET"}]}, [("matches", "HTTPRouteMethodMatching")]),
    (
        rule(matches=[{"queryParams": [{"name": "a", "value": "1"}]}]),
        [("rules.matches", "HTTPRouteQueryParamMatching")],
    ),
    (rule(name="a"), [("rules.name", "HTTPRouteNamedRouteRule")]),
    (
        rule(
            filters=[
                {"type": "RequestHeaderModifier", "requestHeaderModifier": HEADERS},
                {"type": "ResponseHeaderModifier", "responseHeaderModifier": HEADERS},
                {"type": "CORS", "cors": {}},
                {
                    "type": "URLRewrite",
                    "urlRewrite": {
                        "hostname": "a",
                        "path": {"type": "ReplaceFullPath", "replaceFullPath": "/"},
                    },
                },
            ]
        ),
        [
            ("rules.filters", "HTTPRouteResponseHeaderModification"),
            ("rules.filters", "HTTPRouteCORS"),
            ("rules.filters", "HTTPRouteHostRewrite"),
            ("rules.filters", "HTTPRoutePathRewrite"),
        ],
    ),
]


@pytest.mark.parametrize(("route", "needed"), ROWS)
def test_only_what_a_route_has_is_needed(
    route: dict[str, object], needed: list[tuple[str, str]]
) -> None:
    assert needs(**route) == needed


def test_gateway_api_has_each_name() -> None:
    if not tools.built(tools.API_SERVER):
        pytest.skip("the modules of Gateway API are not there: run `make tools`")
    folder = tools.module_directory("sigs.k8s.io/gateway-api") / "pkg" / "features"
    text = "".join(path.read_text() for path in folder.glob("*.go"))
    names = set(re.findall(r'FeatureName = "(\w+)"', text))

    asked = {feature for _, needed in ROWS for _, feature in needed}

    assert {*asked, features.MIRROR, features.MIRROR_PERCENT, features.MIRRORS} <= names
    # What the table of controllers does not tell of, it must not deny.
    assert asked - {features.REQUEST_TIMEOUT, features.BACKEND_TIMEOUT} == features.UNTOLD
