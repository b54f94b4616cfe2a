"""What is known of gateways: a table, and what follows for routes of several parents."""

import re

import pytest

from e2e.cluster.paths import REPOSITORY
from model_rollouts.routes import controllers
from model_rollouts.routes.controllers import ANY, CONTROLLERS, MOST_WEIGHT
from model_rollouts.routes.features import MIRROR, MIRROR_PERCENT, REQUEST_TIMEOUT
from tests.gateways import ENVOY_GATEWAY

GKE = "networking.gke.io/gateway"
ALB = "gateway.k8s.aws/alb"
ISTIO = "istio.io/gateway-controller"
UNKNOWN = "example.com/gateway"


def test_the_page_has_the_table() -> None:
    page = (REPOSITORY / "docs" / "gateways.md").read_text()
    rows = re.findall(r"^\| (.+) \| `(.+)` \| ([\d,]+) \| (yes|no) \| (yes|no) \|$", page, re.M)

    def said(is_so: bool) -> str:
        return "yes" if is_so else "no"

    assert sorted(rows) == sorted(
        (
            row.title,
            name,
            f"{row.most_weight:,}",
            said({MIRROR, MIRROR_PERCENT} <= (row.features or set())),
            said(REQUEST_TIMEOUT in (row.features or ())),
        )
        for name, row in CONTROLLERS.items()
    )


def test_a_controller_that_is_in_no_row_does_what_gateway_api_asks_of_all() -> None:
    assert controllers.of([UNKNOWN], {}) == ANY
    assert controllers.of([], {}) == ANY
    assert ANY.most_weight == MOST_WEIGHT
    assert ANY.features is None


@pytest.mark.parametrize("names", [[GKE, ALB, ENVOY_GATEWAY], [ENVOY_GATEWAY, ALB, GKE]])
def test_the_least_of_several_parents_decides(names: list[str]) -> None:
    found = controllers.of(names, {})

    assert found.most_weight == 999
    assert found.features == frozenset()
    assert not found.marks_backends
    assert found.keeps_places
    assert found.title == "Envoy Gateway and AWS Load Balancer Controller and GKE Gateway"


def test_nothing_is_known_of_the_features_where_one_parent_is_unknown() -> None:
    assert controllers.of([ISTIO, UNKNOWN], {}).features is None


def test_what_the_administrator_says_counts_before_the_table() -> None:
    said = {UNKNOWN: 100, GKE: 500}

    assert controllers.of([UNKNOWN], said).most_weight == 100
    assert controllers.of([UNKNOWN, GKE], said).most_weight == 100
    assert controllers.of([GKE], said).most_weight == 500
    assert controllers.of([ALB], said).most_weight == 999
