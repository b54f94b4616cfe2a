"""The client on a real API server: who owns what, guards, pages, and what is gone."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.cluster import client as client_module
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    GATEWAY_CLASS,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
)
from tests.api.objects import changed
from tests.cluster.conftest import Test

Run = Callable[[Test], None]
Body = dict[str, Any]


def deployment(namespace: str, replicas: int | None = None, image: str = "a") -> Body:
    """A Deployment as a rendering has it, with replicas or without."""
    pod = {
        "metadata": {"labels": {"app": "m"}},
        "spec": {"containers": [{"name": "model", "image": image}]},
    }
    spec: Body = {"selector": {"matchLabels": {"app": "m"}}, "template": pod}
    if replicas is not None:
        spec["replicas"] = replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "m", "namespace": namespace},
        "spec": spec,
    }


def route(namespace: str, hostnames: list[str], parent: str = "models") -> Body:
    """An HTTPRoute."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "m", "namespace": namespace},
        "spec": {
            "parentRefs": [{"name": parent}],
            **({"hostnames": hostnames} if hostnames else {}),
            "rules": [{"backendRefs": [{"name": "m", "port": 80}]}],
        },
    }


def revision(namespace: str, name: str) -> Body:
    """A ControllerRevision."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": name, "namespace": namespace, "labels": {"of": "m"}},
        "revision": 1,
        "data": {},
    }


async def model(client: ClusterClient, namespace: str) -> Body:
    """A new ModelDeployment."""
    return await client.create(changed({"metadata.namespace": namespace}))


def test_scaling_survives_that_the_rendering_is_applied_again(
    with_client: Run, namespace: str
) -> None:
    async def test(client: ClusterClient) -> None:
        await client.apply(deployment(namespace, replicas=2))

        scaled = await client.scale(namespace, "m", 5)
        repaired = await client.apply(deployment(namespace, image="b"))

        assert scaled["spec"]["replicas"] == repaired["spec"]["replicas"] == 5
        assert repaired["spec"]["template"]["spec"]["containers"][0]["image"] == "b"

    with_client(test)


def test_scaling_writes_replicas_and_nothing_else(with_client: Run, namespace: str) -> None:
    async def test(client: ClusterClient) -> None:
        before = await client.apply(deployment(namespace, replicas=2))

        after = await client.scale(namespace, "m", 3)

        assert {**after["spec"], "replicas": 2} == before["spec"]
        assert after["metadata"].get("labels") == before["metadata"].get("labels")

    with_client(test)


def test_a_field_that_is_not_applied_any_more_goes(with_client: Run, namespace: str) -> None:
    async def test(client: ClusterClient) -> None:
        first = await client.apply(route(namespace, ["a.example.com"]))

        second = await client.apply(route(namespace, []), first["metadata"]["resourceVersion"])

        assert "hostnames" not in second["spec"]

    with_client(test)


def test_what_somebody_else_changed_is_rolled_back(
    with_client: Run, api_server: ApiServer, namespace: str
) -> None:
    async def test(client: ClusterClient) -> None:
        await client.apply(deployment(namespace, image="ours"))
        api_server.kubectl.apply(json.dumps(deployment(namespace, image="theirs")))

        repaired = await client.apply(deployment(namespace, image="ours"))

        assert repaired["spec"]["template"]["spec"]["containers"][0]["image"] == "ours"

    with_client(test)


def test_a_stale_version_is_a_conflict(with_client: Run, namespace: str) -> None:
    async def test(client: ClusterClient) -> None:
        first = await client.apply(route(namespace, ["a.example.com"]))
        await client.apply(route(namespace, ["b.example.com"]))

        with pytest.raises(ApiError) as refused:
            await client.apply(
                route(namespace, ["c.example.com"]), first["metadata"]["resourceVersion"]
            )

        assert refused.value.is_conflict
        assert f"PATCH /apis/gateway.networking.k8s.io/v1/namespaces/{namespace}" in str(
            refused.value
        )
        kept = await client.get(HTTP_ROUTE, namespace, "m")
        assert kept is not None and kept["spec"]["hostnames"] == ["b.example.com"]

    with_client(test)


def test_an_object_of_somebody_else_is_not_claimed(
    with_client: Run, api_server: ApiServer, namespace: str
) -> None:
    async def test(client: ClusterClient) -> None:
        theirs = route(namespace, ["theirs.example.com"], parent="theirs")
        api_server.kubectl.apply(json.dumps(theirs))

        with pytest.raises(ApiError) as refused:
            await client.apply(route(namespace, ["ours.example.com"]), force=False)

        assert refused.value.is_conflict
        kept = await client.get(HTTP_ROUTE, namespace, "m")
        assert kept is not None and kept["spec"]["hostnames"] == ["theirs.example.com"]

    with_client(test)


def test_a_claim_creates_what_is_not_there(with_client: Run, namespace: str) -> None:
    async def test(client: ClusterClient) -> None:
        made = await client.apply(route(namespace, ["ours.example.com"]), force=False)

        assert made["spec"]["hostnames"] == ["ours.example.com"]

    with_client(test)


def test_a_dry_run_keeps_nothing_and_says_what_is_wrong(with_client: Run, namespace: str) -> None:
    async def test(client: ClusterClient) -> None:
        await client.dry_run_apply(deployment(namespace))
        bad = deployment(namespace)
        bad["spec"]["template"]["spec"]["containers"] = [{"name": "NOT A NAME", "image": "a"}]

        with pytest.raises(ApiError, match=r"containers\[0\]\.name: Invalid value") as refused:
            await client.dry_run_apply(bad)

        assert refused.value.is_refusal
        assert await client.get(DEPLOYMENT, namespace, "m") is None

    with_client(test)


def test_a_status_is_replaced_as_a_whole(with_client: Run, namespace: str) -> None:
    async def test(client: ClusterClient) -> None:
        new = await model(client, namespace)
        first = await client.replace_status(
            namespace,
            "arrival",
            {"phase": "Canary", "message": "5 %.", "step": 1},
            new["metadata"]["resourceVersion"],
        )
        second = await client.replace_status(
            namespace, "arrival", {"phase": "Full"}, first["metadata"]["resourceVersion"]
        )

        assert first["status"] == {"phase": "Canary", "message": "5 %.", "step": 1}
        assert second["status"] == {"phase": "Full"}
        assert second["spec"] == new["spec"]
        assert second["metadata"]["generation"] == 1

    with_client(test)


def test_a_status_about_an_older_object_is_a_conflict(with_client: Run, namespace: str) -> None:
    async def test(client: ClusterClient) -> None:
        old = (await model(client, namespace))["metadata"]["resourceVersion"]
        await client.replace_status(namespace, "arrival", {"phase": "Canary"}, old)

        with pytest.raises(ApiError) as refused:
            await client.replace_status(namespace, "arrival", {"phase": "Full"}, old)

        assert refused.value.is_conflict

    with_client(test)


def test_creating_what_exists_is_a_conflict(with_client: Run, namespace: str) -> None:
    async def test(client: ClusterClient) -> None:
        await client.create(revision(namespace, "one"))

        with pytest.raises(ApiError) as refused:
            await client.create(revision(namespace, "one"))

        assert refused.value.is_conflict
        assert refused.value.reason == "AlreadyExists"

    with_client(test)


def test_a_list_comes_in_pages_of_one_moment(
    with_client: Run, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PAGE", 2)

    async def test(client: ClusterClient) -> None:
        for name in ("one", "two", "three", "four", "five"):
            await client.create(revision(namespace, name))

        pages = [
            page async for page in client.pages(CONTROLLER_REVISION, namespace, selector="of=m")
        ]

        assert [len(page.texts) for page in pages] == [2, 2, 1]
        assert len({page.version for page in pages}) == 1
        names = {item["metadata"]["name"] for page in pages for item in page.items}
        assert names == {"one", "two", "three", "four", "five"}
        assert {item["kind"] for page in pages for item in page.items} == {"ControllerRevision"}

    with_client(test)


@pytest.mark.parametrize(
    ("sizes", "pages"),
    [
        pytest.param([100] * 8, [2, 5, 1], id="small ones fill pages"),
        pytest.param([4_000] * 5, [2, 1, 1, 1], id="large ones come one by one"),
        pytest.param([4_000, 4_000, 10, 10, 10, 10], [2, 1, 3], id="as the last page was"),
    ],
)
def test_pages_are_bounded_in_bytes(
    with_client: Run,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
    sizes: list[int],
    pages: list[int],
) -> None:
    for name, value in (("PAGE", 5), ("FIRST_PAGE", 2), ("PAGE_BYTES", 4_500)):
        monkeypatch.setattr(client_module, name, value)

    async def test(client: ClusterClient) -> None:
        for number, size in enumerate(sizes):
            body = revision(namespace, f"r{number}")
            await client.create({**body, "data": {"text": size * "x"}})

        found = [page async for page in client.pages(CONTROLLER_REVISION, namespace)]

        assert [len(page.texts) for page in found] == pages

    with_client(test)


def test_only_the_object_that_is_meant_is_deleted(with_client: Run, namespace: str) -> None:
    async def test(client: ClusterClient) -> None:
        made = await client.create(revision(namespace, "one"))

        with pytest.raises(ApiError) as refused:
            await client.delete(CONTROLLER_REVISION, namespace, "one", uid="another")
        await client.delete(CONTROLLER_REVISION, namespace, "one", made["metadata"]["uid"])
        await client.delete(CONTROLLER_REVISION, namespace, "one", made["metadata"]["uid"])

        assert refused.value.is_conflict
        assert await client.get(CONTROLLER_REVISION, namespace, "one") is None

    with_client(test)


def test_an_orphan_is_adopted_once(with_client: Run, namespace: str) -> None:
    async def test(client: ClusterClient) -> None:
        owner = await model(client, namespace)
        orphan = await client.create(revision(namespace, "one"))
        reference = {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": "arrival",
            "uid": owner["metadata"]["uid"],
            "controller": True,
        }

        adopted = await client.adopt(orphan, reference)
        with pytest.raises(ApiError) as refused:
            await client.adopt(orphan, reference)

        assert adopted["metadata"]["ownerReferences"] == [reference]
        assert refused.value.is_conflict

    with_client(test)


def test_a_controller_revision_can_be_adopted_and_set_free_whatever_it_holds(
    with_client: Run, api_server: ApiServer, namespace: str
) -> None:
    """`kubectl delete --cascade=orphan` ends once the garbage collector has set all of it free."""
    letters = "\x7f\x85\u2028\ufeff é 😀 <a href='b'>&\\ud83d\\ude00\n\t\"#: -"
    data = {"z": {"y": [1, {"x": 1.0, "w": 0.25}], letters: letters}, "a": [True, "no", "0x1"]}

    async def test(client: ClusterClient) -> None:
        kept = await client.create({**revision(namespace, "one"), "data": data})
        reference = {"apiVersion": "v1", "kind": "X", "name": "x", "uid": "u", "controller": True}
        adopted = await client.adopt(kept, reference)
        # The form in which the garbage collector asks for it.
        free = {"metadata": {"ownerReferences": [{"$patch": "delete", "uid": "u"}]}}
        place = ("controllerrevision", "one", "-n", namespace)
        api_server.kubectl("patch", *place, "--type=strategic", "-p", json.dumps(free))
        freed = await client.get(CONTROLLER_REVISION, namespace, "one")

        assert adopted["metadata"]["ownerReferences"] == [reference]
        assert freed is not None
        assert "ownerReferences" not in freed["metadata"]
        assert kept["data"] == freed["data"] == data

    with_client(test)


def test_what_does_not_exist_is_none(with_client: Run, namespace: str) -> None:
    async def test(client: ClusterClient) -> None:
        assert await client.get(MODEL_DEPLOYMENT, namespace, "none") is None
        assert await client.get(GATEWAY_CLASS, None, "none") is None

    with_client(test)
