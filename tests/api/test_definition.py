"""The definition itself on a real API server: its budget, and what a second version of it does."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.cluster.kubectl import Kubectl
from e2e.fixtures import ApiServer
from model_rollouts.api.base import VALIDATIONS
from model_rollouts.api.crd import custom_resource_definition
from model_rollouts.api.group import PLURAL
from tests.api.objects import COUNTERS, ERRORS, LATENCY, OVERRIDE, Client, Object, changed

MOST_BYTES = 142_987
"""Of the definition as compact JSON: an eleventh of what etcd takes in one object."""

ROOM = 2
"""How many times each rule may cost what it costs until the API server refuses the definition."""


def of_group(definition: Object, group: str) -> Object:
    """The definition under another group, so that those of other tests stay as they are."""
    result = copy.deepcopy(definition)
    result["spec"]["group"] = group
    result["metadata"]["name"] = f"{PLURAL}.{group}"
    # Short names and categories are the original's.
    result["spec"]["names"] |= {"shortNames": [], "categories": []}
    return result


def schemas(schema: Any) -> Iterator[Object]:
    """The schema and every schema in it."""
    if isinstance(schema, dict):
        yield schema
        for inner in schema.values():
            yield from schemas(inner)


def dearer(definition: Object, times: int) -> Object:
    """The definition with rules that cost `times` as much, each one and all together."""
    result = copy.deepcopy(definition)
    (version,) = result["spec"]["versions"]
    for schema in schemas(version["schema"]["openAPIV3Schema"]):
        for rule in schema.get(VALIDATIONS, ()):
            rule["rule"] = " && ".join([f"({rule['rule']})"] * times)
    return result


def test_the_definition_is_small_enough_to_be_stored_and_sent() -> None:
    text = json.dumps(custom_resource_definition(), separators=(",", ":"))

    assert len(text.encode()) <= MOST_BYTES


def test_rules_may_cost_twice_as_much(api_server: ApiServer) -> None:
    """The API server estimates the cost of a rule when it gets the definition."""
    definition = of_group(custom_resource_definition(), "budget.modelrollouts.dev")

    tried(api_server.kubectl, dearer(definition, ROOM))


def test_rules_that_cost_too_much_are_refused(api_server: ApiServer) -> None:
    definition = of_group(custom_resource_definition(), "budget.modelrollouts.dev")

    with pytest.raises(Exception, match="cost"):
        tried(api_server.kubectl, dearer(definition, 6))


def tried(kubectl: Kubectl, definition: Object) -> None:
    """Have the API server look at the definition."""
    kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(definition))


GROUP = "beta.modelrollouts.dev"
VERSIONS = ("v1alpha1", "v1beta1")
EVERYTHING = changed(
    {
        "spec.objectives": [ERRORS, LATENCY, {**COUNTERS, "role": "Guard"}],
        "spec.route.matches": [
            {"path": {"value": "/v1"}, "headers": [{"name": "x-tenant", "value": "blue"}]}
        ],
        "spec.strategy.override": OVERRIDE,
        "spec.strategy.guards": {"restarts": {"role": "Report"}},
    }
)


@pytest.fixture(scope="module")
def both(api_server: ApiServer) -> Iterator[str]:
    """The group of a definition that serves v1alpha1 and v1beta1, which is stored."""
    kubectl = api_server.kubectl
    definition = of_group(custom_resource_definition(VERSIONS), GROUP)
    kubectl("create", "-f", "-", stdin=json.dumps(definition))
    name = definition["metadata"]["name"]
    kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")
    yield GROUP
    kubectl("delete", "crd", name)


def test_the_same_object_is_read_and_written_in_both_versions(
    api_server: ApiServer, both: str, namespace: str
) -> None:
    alpha, beta = (f"{both}/{version}" for version in VERSIONS)
    with (
        Client(api_server, namespace, alpha) as old,
        Client(api_server, namespace, beta) as new,
    ):
        written = old.create({**EVERYTHING, "apiVersion": alpha})

        read = new.get("arrival")
        assert read == {**written, "apiVersion": beta}

        replaced = new.replace(changed({"spec.model.version": "4"}, read))
        assert old.get("arrival") == {**replaced, "apiVersion": alpha}
