"""The rights of optional features: a row each, with the feature on and off.

A feature that needs another right gets its row here and in docs/security.md.
"""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from e2e.chart import REQUIRED, render
from e2e.cluster.paths import REPOSITORY
from model_rollouts.resources.names import DOMAIN
from tests.resources.test_companions import CHECK

pytestmark = pytest.mark.usefixtures("helm")

ROLE = ("Role", "ClusterRole")
READ = "get, list, watch"
OWN = "operators"
"""The namespace of the release."""

OF_THE_OPERATOR = {
    f"modeldeployments.{DOMAIN}": READ,
    f"modeldeployments/status.{DOMAIN}": "patch",
    f"modeldeployments/finalizers.{DOMAIN}": "update",
    "controllerrevisions.apps": f"{READ}, create, patch, delete",
    "deployments.apps": f"{READ}, create, patch, delete",
    "pods": READ,
    "poddisruptionbudgets.policy": f"{READ}, create, patch, delete",
    "services": f"{READ}, create, patch, delete",
    "httproutes.gateway.networking.k8s.io": f"{READ}, create, patch, delete",
    "events.events.k8s.io": "get, list, create, patch",
}
LEADS = {
    "leases.coordination.k8s.io": "create",
    "leases.coordination.k8s.io named model-rollouts": "get, patch",
}
GATEWAYS = {
    "gateways.gateway.networking.k8s.io": READ,
    "gatewayclasses.gateway.networking.k8s.io": READ,
}
OWN_EVENTS = {"events.events.k8s.io": "create, patch"}


def at(place: str, rights: Mapping[str, str]) -> set[str]:
    return {f"{verbs} {what} in {place}" for what, verbs in rights.items()}


OBSERVER = {
    "enabled": True,
    "image": {"repository": "registry.example.com/observer"},
    "tlsSecret": {"name": "observer-tls"},
    "caConfigMap": {"name": "observer-ca"},
}
TARGETS = {
    "image": {"repository": "registry.example.com/notifications"},
    "targets": [{"name": "a", "type": "Apprise", "secret": {"name": "slack"}}],
}
EVERYWHERE = at("all namespaces", OF_THE_OPERATOR)
ALWAYS = at(OWN, LEADS) | at("all namespaces", GATEWAYS)
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any], set[str], set[str]]] = {
    "rbac.create": (
        {"rbac": {"create": True}},
        {"rbac": {"create": False}},
        EVERYWHERE | ALWAYS,
        set(),
    ),
    "watch.namespaces": (
        {"watch": {"namespaces": ["flights", "shop"]}},
        {"watch": {"namespaces": []}},
        at("flights", OF_THE_OPERATOR) | at("shop", OF_THE_OPERATOR) | at(OWN, OWN_EVENTS),
        EVERYWHERE,
    ),
    "gateways.companions": (
        {"gateways": {"companions": [CHECK]}},
        {"gateways": {"companions": []}},
        at("all namespaces", {"healthcheckpolicies.networking.gke.io": "create, patch"}),
        set(),
    ),
    # To another ServiceAccount; the operator has the same right. A test below looks at the role.
    "notifications.targets": (
        {"notifications": TARGETS},
        {"notifications": {"targets": []}},
        set(),
        set(),
    ),
    "observer.enabled": (
        {"observer": OBSERVER},
        {"observer": {"enabled": False}},
        at(
            "all namespaces",
            {
                "tokenreviews.authentication.k8s.io": "create",
                "pods": "get",
                f"modeldeployments.{DOMAIN}": "get",
            },
        ),
        set(),
    ),
    **{
        feature: (on, off, set(), set())
        for feature, on, off in (
            ("replicas", {"replicas": 3}, {"replicas": 1}),
            (
                "podDisruptionBudget.enabled",
                {"podDisruptionBudget": {"enabled": True}},
                {"podDisruptionBudget": {"enabled": False}},
            ),
            (
                "metrics.podMonitor.enabled",
                {"metrics": {"podMonitor": {"enabled": True}}},
                {"metrics": {"podMonitor": {"enabled": False}}},
            ),
            (
                "prometheusRule.enabled",
                {"prometheusRule": {"enabled": True}},
                {"prometheusRule": {"enabled": False}},
            ),
            (
                "networkPolicy.enabled",
                {"networkPolicy": {"enabled": True}},
                {"networkPolicy": {"enabled": False}},
            ),
            ("proxy.inMesh", {"proxy": {"inMesh": True}}, {"proxy": {"inMesh": False}}),
        )
    },
}


def rights(values: Mapping[str, Any]) -> set[str]:
    """What the operator may do, as texts."""
    found = set()
    for obj in yaml.safe_load_all(render({**REQUIRED, **values})):
        if not obj or obj["kind"] not in ROLE:
            continue
        labels = obj["metadata"].get("labels") or {}
        if any("aggregate-to" in label for label in labels):
            continue
        place = obj["metadata"].get("namespace", "all namespaces")
        for rule in obj["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    what = f"{resource}.{group}" if group else resource
                    named = "".join(f" named {each}" for each in rule.get("resourceNames", ()))
                    found.add(f"{', '.join(rule['verbs'])} {what}{named} in {place}")
    return found


@pytest.mark.parametrize("feature", ROWS)
def test_a_feature_has_the_rights_of_its_row_and_no_others(feature: str) -> None:
    on, off, more, fewer = ROWS[feature]

    with_it, without_it = rights(on), rights(off)

    assert with_it - without_it == more
    assert without_it - with_it == fewer


@pytest.mark.parametrize("namespaces", [[], ["flights", "shop"]])
def test_what_sends_messages_may_read_modeldeployments_and_nothing_else(
    namespaces: list[str],
) -> None:
    values = {**REQUIRED, "notifications": TARGETS, "watch": {"namespaces": namespaces}}
    objects = [each for each in yaml.safe_load_all(render(values)) if each]
    name = "model-rollouts-notifications"

    bound = [
        (each["roleRef"]["kind"], each["roleRef"]["name"], each["metadata"].get("namespace"))
        for each in objects
        if each["kind"] in ("RoleBinding", "ClusterRoleBinding")
        and any(subject["name"] == name for subject in each["subjects"])
    ]
    roles = {
        (each["kind"], each["metadata"]["name"], each["metadata"].get("namespace")): each["rules"]
        for each in objects
        if each["kind"] in ROLE
    }

    places: list[str | None] = [*namespaces] or [None]
    kind = "Role" if namespaces else "ClusterRole"
    assert bound == [(kind, name, each) for each in places]
    only = {
        "apiGroups": [DOMAIN],
        "resources": ["modeldeployments"],
        "verbs": ["get", "list", "watch"],
    }
    assert [roles[each] for each in bound] == [[only]] * len(places)


def test_users_get_rights_by_aggregation_only_where_it_is_asked_for() -> None:
    def aggregated(wanted: bool) -> list[Any]:
        objects = yaml.safe_load_all(render({**REQUIRED, "rbac": {"aggregateRoles": wanted}}))
        return [
            each["metadata"]["name"]
            for each in objects
            if each and any("aggregate-to" in label for label in each["metadata"].get("labels", {}))
        ]

    assert len(aggregated(True)) >= 2
    assert aggregated(False) == []


def test_the_page_has_a_row_for_each_feature() -> None:
    page = (REPOSITORY / "docs" / "security.md").read_text()
    table = page.partition("| value of the chart |")[2].partition("\n\n")[0]

    named = {line.split("`")[1] for line in table.splitlines()[2:]}

    assert named == {*ROWS, "rbac.aggregateRoles"}
