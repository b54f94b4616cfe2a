"""What is asked before a version is let in, of a real API server."""

import asyncio
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.engine.cluster_checks import ROUTES_S, Checker, UnansweredError
from model_rollouts.rollout.actions import Apply
from model_rollouts.rollout.observed import Checked, Observed
from tests.api.objects import changed
from tests.engine.planners import deployment
from tests.fault_proxy import fault_proxy
from tests.kubernetes_clients import connected

GATEWAY_API = "gateway.networking.k8s.io/v1"

Check = Callable[..., Checked]


def parents(*names: str) -> dict[str, Any]:
    """The change that makes a ModelDeployment refer to these Gateways of its namespace."""
    return {"spec.route.parentRefs": [{"name": name} for name in names]}


class World:
    """A namespace with Gateways, and a checker."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self.server = server
        self.namespace = namespace

    def gateway(self, name: str, *features: str) -> None:
        """A Gateway whose class claims these features; none is a class without a status."""
        kubectl = self.server.kubectl
        of_class = f"class-{uuid.uuid4().hex[:8]}"
        controller = {"controllerName": "example.com/gateway"}
        listener = {"name": "http", "port": 80, "protocol": "HTTP"}
        for obj in (
            {"kind": "GatewayClass", "metadata": {"name": of_class}, "spec": controller},
            {
                "kind": "Gateway",
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": {"gatewayClassName": of_class, "listeners": [listener]},
            },
        ):
            kubectl.apply(json.dumps({"apiVersion": GATEWAY_API, **obj}))
        if features:
            status = {"supportedFeatures": [{"name": feature} for feature in sorted(features)]}
            patch = json.dumps({"status": status})
            target = ("gatewayclass", of_class, "--subresource=status")
            kubectl("patch", *target, "--type=merge", "-p", patch)

    def route(self, name: str, hostname: str) -> None:
        """An HTTPRoute of somebody else at the Gateway `models`."""
        spec = {"parentRefs": [{"name": "models"}], "hostnames": [hostname]}
        metadata = {"name": name, "namespace": self.namespace}
        obj = {"apiVersion": GATEWAY_API, "kind": "HTTPRoute", "metadata": metadata, "spec": spec}
        self.server.kubectl.apply(json.dumps(obj))

    def check(self, changes: dict[str, Any], tries: Apply | None = None) -> Checked:
        """The answers for a ModelDeployment with these changes."""
        place = {"metadata.namespace": self.namespace, "metadata.generation": 7}
        model = changed({**place, **changes})

        async def go() -> Checked:
            async with connected(self.server.kubeconfig) as client:
                return await Checker(client).check(Observed(model), tries)

        return asyncio.run(go())


@pytest.fixture
def world(api_server: ApiServer, namespace: str) -> World:
    """An empty namespace."""
    return World(api_server, namespace)


def test_what_all_gateways_claim(world: World) -> None:
    world.gateway("one", "HTTPRoute", "HTTPRouteRequestMirror")
    world.gateway("two", "HTTPRoute")

    checked = world.check(parents("one", "two"))

    assert checked.gateway.features == frozenset({"HTTPRoute"})
    assert (checked.generation, checked.refusal, checked.gateway.missing) == (7, None, ())


def test_a_class_that_claims_nothing_leaves_it_unknown(world: World) -> None:
    world.gateway("one", "HTTPRoute")
    world.gateway("silent")

    assert world.check(parents("one", "silent")).gateway.features is None


def test_a_gateway_that_does_not_exist_is_named(world: World) -> None:
    world.gateway("one", "HTTPRoute")

    gateway = world.check(parents("one", "none")).gateway

    assert gateway.missing == (f"{world.namespace}/none",)


def test_a_parent_that_is_no_gateway_leaves_it_unknown(world: World) -> None:
    reference = {"group": "", "kind": "Service", "name": "mesh"}

    gateway = world.check({"spec.route.parentRefs": [reference]}).gateway

    assert (gateway.features, gateway.missing) == (None, ())


def test_a_route_of_somebody_else_with_the_same_match_is_named(world: World) -> None:
    world.gateway("models")
    world.route("theirs", "arrival.example.com")
    world.route("elsewhere", "departure.example.com")

    gateway = world.check(parents("models")).gateway

    assert gateway.conflicts == (f"{world.namespace}/theirs",)


def test_what_the_api_server_refuses_is_told_in_its_words(world: World) -> None:
    model = changed({"metadata.namespace": world.namespace, "metadata.uid": "u"})
    good, bad = deployment(model, 1), deployment(model, 1)
    bad["spec"]["template"]["spec"]["containers"][0]["image"] = ""

    assert world.check(parents("models"), Apply(good)).refusal is None
    refusal = world.check(parents("models"), Apply(bad)).refusal
    assert refusal is not None
    assert "spec.template.spec.containers[0].image: Required value" in refusal
    # To what is no Deployment at all, the API server answers 500.
    bad["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    refusal = world.check(parents("models"), Apply(bad)).refusal
    assert refusal is not None
    assert "livenesProbe: field not declared in schema" in refusal


def test_many_checks_of_the_same_moment_share_one_list_of_routes(world: World) -> None:
    world.gateway("models")
    world.route("theirs", "arrival.example.com")
    asked: list[str] = []
    now = 0.0

    async def go() -> None:
        nonlocal now
        async with connected(
            world.server.kubeconfig, lambda verb, resource, code: asked.append(resource)
        ) as client:
            checker = Checker(client, (world.namespace,), clock=lambda: now)
            place = {"metadata.namespace": world.namespace, "metadata.generation": 7}
            seen = Observed(changed({**place, **parents("models")}))
            for lists in (1, 2):
                found = await asyncio.gather(*(checker.check(seen, None) for _ in range(5)))
                found.append(await checker.check(seen, None))
                assert {each.gateway.conflicts for each in found} == {
                    (f"{world.namespace}/theirs",)
                }
                assert asked.count("httproutes") == lists
                now += ROUTES_S + 0.1

    asyncio.run(go())


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("/gateways/models", "read Gateway {namespace}/models"),
        ("/gatewayclasses/", "read GatewayClass class-"),
        ("/httproutes", "list all HTTPRoutes"),
        ("dryRun=All", "try Deployment {namespace}/arrival-0123456789 in a dry run"),
    ],
)
def test_a_question_that_is_not_answered_says_which_it_was(
    world: World, tmp_path: Path, url: str, what: str
) -> None:
    world.gateway("models")

    async def go() -> None:
        async with (
            fault_proxy(world.server, tmp_path) as proxy,
            connected(proxy.kubeconfig) as client,
        ):
            place = {"metadata.namespace": world.namespace, "metadata.generation": 7}
            model = changed({**place, **parents("models"), "metadata.uid": "u"})
            checker, tries = Checker(client, (world.namespace,)), Apply(deployment(model, 1))
            method = "PATCH" if "dryRun" in url else "GET"
            proxy.fail(method, url, 500, times=5)
            with pytest.raises(UnansweredError) as failure:
                await checker.check(Observed(model), tries)
            assert failure.value.what.startswith(what.format(namespace=world.namespace))
            assert failure.value.answer == "HTTP 500: injected"

            # Nothing of it is kept.
            proxy.faults.clear()
            assert (await checker.check(Observed(model), tries)).refusal is None

    asyncio.run(go())
