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

    def gateway(self, name: str, *features: str, of: str = "example.com/gateway") -> None:
        """A Gateway whose class claims these features; none is a class without a status.

        `of` is the name of its controller.
        """
        kubectl = self.server.kubectl
        of_class = f"class-{uuid.uuid4().hex[:8]}"
        controller = {"controllerName": of}
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

    def check(
        self,
        changes: dict[str, Any],
        tries: Apply | None = None,
        alike: dict[str, Any] | None = None,
        before: Checked | None = None,
    ) -> Checked:
        """The answers for a ModelDeployment with these changes."""
        place = {"metadata.namespace": self.namespace, "metadata.generation": 7}
        model = changed({**place, **changes})

        async def go() -> Checked:
            async with connected(self.server.kubeconfig) as client:
                return await Checker(client).check(Observed(model), tries, before, alike=alike)

        return asyncio.run(go())

    def absent(self, *names: str) -> frozenset[str]:
        """Those Gateways that do not exist."""

        async def go() -> frozenset[str]:
            async with connected(self.server.kubeconfig) as client:
                return await Checker(client).absent(names)

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


def test_gateways_of_which_none_exists_are_named(world: World) -> None:
    gateway = world.check(parents("none", "nor")).gateway

    assert gateway.missing == (f"{world.namespace}/none", f"{world.namespace}/nor")


def test_one_gateway_that_exists_is_enough(world: World) -> None:
    names = [f"{world.namespace}/{name}" for name in ("one", "none")]
    world.gateway("one", "HTTPRoute")

    gateway = world.check(parents("one", "none")).gateway

    assert (gateway.missing, gateway.features) == ((), frozenset({"HTTPRoute"}))
    assert world.absent(*names) == {names[1]}


def test_of_gateways_that_were_missing_the_first_that_comes_is_enough(world: World) -> None:
    before = world.check(parents("none", "nor"))
    again = world.check(parents("none", "nor"), before=before)
    world.gateway("nor", "HTTPRoute")
    after = world.check(parents("none", "nor"), before=before)

    assert again.gateway == before.gateway
    assert (after.gateway.missing, after.gateway.features) == ((), frozenset({"HTTPRoute"}))


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


@pytest.mark.parametrize("cause", ["conflict", "gateway", "refusal"])
def test_what_is_in_the_way_is_asked_alone_until_it_is_gone(
    world: World, tmp_path: Path, cause: str
) -> None:
    """A list of all routes of a cluster is long, and somebody may take days to give way."""
    kubectl, where = world.server.kubectl, ("-n", world.namespace)
    place = {"metadata.namespace": world.namespace, "metadata.generation": 7}
    model = changed({**place, **parents("models"), "metadata.uid": "u"})
    body = deployment(model, 1)
    if cause != "gateway":
        world.gateway("models")
    if cause == "conflict":
        world.route("theirs", "arrival.example.com")
    if cause == "refusal":
        body["spec"]["template"]["spec"]["containers"][0]["image"] = ""

    async def go() -> None:
        async with (
            fault_proxy(world.server, tmp_path) as proxy,
            connected(proxy.kubeconfig) as client,
        ):
            checker = Checker(client, (world.namespace,), clock=lambda: len(proxy.requests) * 10.0)

            def lists() -> int:
                return sum("/httproutes?" in url for _, url in proxy.requests)

            first = await checker.check(Observed(model), Apply(body))
            assert lists() == 1
            again = await checker.check(Observed(model), Apply(body), first)
            assert (again, lists()) == (first, 1)
            other = changed({"metadata.generation": 8}, model)
            await checker.check(Observed(other), Apply(body), first)
            assert lists() == 2, "another generation asks anew"

            if cause == "conflict":
                kubectl("delete", "httproute", "theirs", *where)
            elif cause == "gateway":
                world.gateway("models")
            else:
                body["spec"]["template"]["spec"]["containers"][0]["image"] = "example.com/model"
            gone = await checker.check(Observed(model), Apply(body), again)
            assert (gone.refusal, gone.gateway.missing, gone.gateway.conflicts) == (None, (), ())
            assert lists() == 3

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


def pods(namespace: str, **fields: Any) -> Apply:
    """A Deployment whose pods have these fields."""
    body = deployment(changed({"metadata.namespace": namespace, "metadata.uid": "1"}))
    body["spec"]["template"]["spec"] |= fields
    return Apply(body, why="")


SECRET = {"name": "s", "secret": {"secretName": "s"}}
SIZED = {"name": "s", "secret": {"secretName": "s", "defaultMode": 420}}
PRIVATE = {"name": "s", "secret": {"secretName": "s", "defaultMode": 256}}
FIELD = {"fieldPath": "metadata.name"}
NAMED = {"name": "N", "valueFrom": {"fieldRef": FIELD}}
VERSIONED = {"name": "N", "valueFrom": {"fieldRef": {**FIELD, "apiVersion": "v1"}}}


def container(**fields: Any) -> list[dict[str, Any]]:
    return [{"name": "model", "image": "registry.example.com/m:1", **fields}]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"volumes": [SECRET]}, {"volumes": [SIZED]}, True),
        ({"volumes": [SECRET]}, {"volumes": [PRIVATE]}, False),
        ({"containers": container(env=[NAMED])}, {"containers": container(env=[VERSIONED])}, True),
        (
            {"containers": container(resources={"limits": {"nvidia.com/gpu": "1"}})},
            {"containers": container(resources={"limits": {"nvidia.com/gpu": 1}})},
            True,
        ),
        ({"serviceAccountName": "a"}, {"serviceAccountName": "a", "serviceAccount": "a"}, True),
        ({"serviceAccountName": "a"}, {"serviceAccountName": "b"}, False),
        ({}, {"terminationGracePeriodSeconds": 30}, True),
    ],
)
def test_what_the_api_server_would_store_alike_is_found(
    world: World, one: dict[str, Any], other: dict[str, Any], same: bool
) -> None:
    tries, known = pods(world.namespace, **one), pods(world.namespace, **other)

    stranger = pods(world.namespace, hostname="stranger")
    found = world.check({}, tries, {"stranger": stranger.body, "it": known.body})

    assert found.same_as == ("it" if same else None)


def test_a_stored_revision_that_is_refused_now_is_another_one(world: World) -> None:
    tries, bad = pods(world.namespace), pods(world.namespace, containers=[])

    assert world.check({}, tries, {"it": bad.body}).same_as is None
