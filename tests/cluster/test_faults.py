"""What a client does when the API server, or the way to it, fails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio.config import incluster_config

from e2e.fixtures import ApiServer
from model_rollouts.cluster import client as client_module
from model_rollouts.cluster import connection
from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import CONTROLLER_REVISION, SERVICE
from model_rollouts.cluster.requests import LONGEST_DELAY_S, LONGEST_ROUTE_DELAY_S, Requests
from tests.api.objects import changed
from tests.cluster.test_client import revision, route
from tests.engine.planners import deployment
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.kubernetes_clients import connected, until

SILENT = """
apiVersion: v1
kind: Config
current-context: silent
contexts: [{{name: silent, context: {{cluster: silent, user: silent}}}}]
clusters: [{{name: silent, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: silent, user: {{token: none}}}}]
"""

Setting = Callable[[], contextlib.AbstractAsyncContextManager[tuple[FaultProxy, ClusterClient]]]


@pytest.fixture
def setting(api_server: ApiServer, tmp_path: Path) -> Setting:
    """A proxy, and a client that goes through it."""

    @contextlib.asynccontextmanager
    async def made() -> AsyncIterator[tuple[FaultProxy, ClusterClient]]:
        async with (
            fault_proxy(api_server, tmp_path) as proxy,
            connected(proxy.kubeconfig) as client,
        ):
            yield proxy, client

    return made


def tried(proxy: FaultProxy, method: str) -> int:
    """How many requests of a method there were."""
    return sum(1 for each, _ in proxy.requests if each == method)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_the_rest_of_a_list_is_asked_for_again(
    setting: Setting, namespace: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has come of it would be lost."""
    monkeypatch.setattr(client_module, "PAGE", 1)

    async def test() -> None:
        async with setting() as (proxy, client):
            names = ["one", "two"]
            for name in names:
                await client.create(revision(namespace, name))
            found = []
            async for page in client.pages(CONTROLLER_REVISION, namespace):
                found += [each["metadata"]["name"] for each in page.items]
                if len(found) == 1:
                    proxy.fail("GET", "controllerrevisions", status, times=4)

            assert found == names
            assert tried(proxy, "GET") == 6

    asyncio.run(test())


def test_a_read_is_sent_again_when_the_server_has_too_much_to_do(
    setting: Setting, namespace: str
) -> None:
    async def test() -> None:
        async with setting() as (proxy, client):
            proxy.fail("GET", "controllerrevisions", 429, times=4)

            assert await client.get(CONTROLLER_REVISION, namespace, "one") is None
            assert tried(proxy, "GET") == 5

    asyncio.run(test())


@pytest.mark.parametrize("lists", [False, True])
def test_another_read_that_failed_is_for_its_asker(
    setting: Setting, namespace: str, *, lists: bool
) -> None:
    """Whoever asks asks again, and tells meanwhile what came back."""

    async def test() -> None:
        async with setting() as (proxy, client):
            proxy.fail("GET", "controllerrevisions", 500, times=99)

            with pytest.raises(ApiError, match="HTTP 500: injected"):
                if lists:
                    await anext(client.pages(CONTROLLER_REVISION, namespace))
                else:
                    await client.get(CONTROLLER_REVISION, namespace, "one")

            assert tried(proxy, "GET") == 1

    asyncio.run(test())


def test_a_write_waits_when_the_server_has_too_much_to_do(setting: Setting, namespace: str) -> None:
    async def test() -> None:
        async with setting() as (proxy, client):
            proxy.fail("POST", "controllerrevisions", 429, times=2, Retry_After="1")

            made = await client.create(revision(namespace, "one"))

            assert made["metadata"]["name"] == "one"
            assert tried(proxy, "POST") == 3

    asyncio.run(test())


def test_a_route_is_tried_again_soon_whatever_the_server_asks_for(
    api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """It may take users off a bad version; what else is written waits for longer."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def test() -> None:
        async with fault_proxy(api_server, tmp_path) as proxy:
            configuration = await connection.load(proxy.kubeconfig)
            requests = Requests(configuration, user_agent="test", sleep=sleep)
            async with ClusterClient(requests) as client:
                proxy.fail("PATCH", "httproutes", 429, times=2, Retry_After="30")
                await client.apply(route(namespace, ["a.example.com"]))
                proxy.fail("POST", "controllerrevisions", 429, Retry_After="30")
                await client.create(revision(namespace, "one"))

    asyncio.run(test())

    assert slept == [LONGEST_ROUTE_DELAY_S, LONGEST_ROUTE_DELAY_S, LONGEST_DELAY_S]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_token_that_was_rotated_is_read_again(
    setting: Setting, namespace: str, method: str
) -> None:
    async def test() -> None:
        async with setting() as (proxy, client):
            proxy.write_kubeconfig("rotated")
            proxy.accepts = "rotated"

            if method == "GET":
                assert await client.get(CONTROLLER_REVISION, namespace, "one") is None
            else:
                await client.create(revision(namespace, "one"))

            assert tried(proxy, method) == 2

    asyncio.run(test())


def test_credentials_that_nobody_accepts_are_told(setting: Setting, namespace: str) -> None:
    async def test() -> None:
        async with setting() as (proxy, client):
            proxy.accepts = "another"
            proxy.kubeconfig.unlink()

            with pytest.raises(ApiError, match="HTTP 401") as refused:
                await client.create(revision(namespace, "one"))

            assert refused.value.status == 401
            assert tried(proxy, "POST") == 5

    asyncio.run(test())


def test_the_service_account_s_token_is_read_again_when_it_has_changed(
    api_server: ApiServer, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server itself refuses the first token, and takes the one that it has issued."""
    kubectl = api_server.kubectl
    kubectl("create", "serviceaccount", "operator", "-n", namespace)
    who = f"--serviceaccount={namespace}:operator"
    kubectl(
        "create", "rolebinding", "operator", "--clusterrole=cluster-admin", who, "-n", namespace
    )
    issued = kubectl("create", "token", "operator", "-n", namespace).strip()
    host, _, port = api_server.url.removeprefix("https://").partition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    token = tmp_path / "token"
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(api_server.ca))
    token.write_text("expired")
    codes: list[str] = []

    async def test() -> None:
        async with connected(None, lambda verb, resource, code: codes.append(code)) as client:
            token.write_text(issued)

            assert await client.get(SERVICE, namespace, "one") is None

    asyncio.run(test())

    assert codes == ["401", "404"]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"one: [", b"a: b"])
def test_credentials_that_cannot_be_read_again_leave_those_at_hand(
    setting: Setting, namespace: str, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(connection, "REREAD_S", 0.0)

    async def test() -> None:
        async with setting() as (proxy, client):
            proxy.kubeconfig.write_bytes(content)

            assert await client.get(SERVICE, namespace, "one") is None

    asyncio.run(test())


def test_a_token_that_cannot_be_sent_is_an_answer_like_others(
    setting: Setting, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "REREAD_S", 0.0)

    async def test() -> None:
        async with setting() as (proxy, client):
            proxy.write_kubeconfig("two\nlines")

            with pytest.raises(ApiError, match="no answer") as refused:
                await client.create(revision(namespace, "one"))
            assert "lines" not in str(refused.value)

    asyncio.run(test())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"livenesProbe": {}}, id="misspelt"),
        pytest.param({"env": [{"name": "A", "value": 4}]}, id="a number"),
        pytest.param({"env": 2 * [{"name": "A", "value": "4"}]}, id="twice"),
        pytest.param({"ports": [{"containerPort": "8080"}]}, id="a text"),
        pytest.param({"resources": {"limits": {"memory": "8GB"}}}, id="a quantity"),
    ],
)
def test_what_is_no_object_of_its_kind_is_refused(
    setting: Setting, namespace: str, change: dict[str, Any]
) -> None:
    """The API server answers 500 to it (kubernetes/kubernetes#122480)."""
    model = changed({"metadata.namespace": namespace, "metadata.uid": "u"})
    body = deployment(model, 1)
    body["spec"]["template"]["spec"]["containers"][0] |= change

    async def test() -> None:
        async with setting() as (_, client):
            with pytest.raises(ApiError) as refused:
                await client.dry_run_apply(body)

        assert (refused.value.status, refused.value.is_refusal) == (500, True)

    asyncio.run(test())


def test_a_write_that_is_given_up_is_not_delivered_later(tmp_path: Path) -> None:
    """Its connection is reset: what the network has swallowed is not sent again by the kernel."""
    ended: list[type[Exception] | None] = []

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(1024):
                pass
            ended.append(None)
        except ConnectionResetError as error:
            ended.append(type(error))
        writer.close()

    async def test() -> None:
        server = await asyncio.start_server(swallow, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(SILENT.format(port=port))
        configuration = await connection.load(kubeconfig)
        requests = Requests(configuration, user_agent="test", allowed=lambda: 1.0)
        async with server, ClusterClient(requests) as client:
            with pytest.raises(ApiError, match="no answer"):
                await client.create(revision("somewhere", "one"))
            await until(lambda: ended, "the connection stands")

    asyncio.run(test())

    assert ended == [ConnectionResetError]


def test_a_write_that_failed_is_not_repeated(setting: Setting, namespace: str) -> None:
    async def test() -> None:
        async with setting() as (proxy, client):
            proxy.fail("POST", "controllerrevisions", 500)

            with pytest.raises(ApiError, match="HTTP 500"):
                await client.create(revision(namespace, "one"))

            assert tried(proxy, "POST") == 1

    asyncio.run(test())


def test_a_write_whose_answer_was_lost_is_not_repeated(setting: Setting, namespace: str) -> None:
    async def test() -> None:
        async with setting() as (proxy, client):
            proxy.lose_answer_to = "POST"

            with pytest.raises(ApiError, match="no answer") as lost:
                await client.create(revision(namespace, "one"))

            assert lost.value.status is None
            assert tried(proxy, "POST") == 1
            # It was done, and whoever plans again sees it.
            assert await client.get(CONTROLLER_REVISION, namespace, "one") is not None

    asyncio.run(test())


def test_every_answer_is_counted(api_server: ApiServer, tmp_path: Path, namespace: str) -> None:
    async def test() -> None:
        answers: list[Any] = []
        async with (
            fault_proxy(api_server, tmp_path) as proxy,
            connected(proxy.kubeconfig, lambda *answer: answers.append(answer)) as client,
        ):
            proxy.fail("GET", "controllerrevisions", 429)
            await client.get(CONTROLLER_REVISION, namespace, "one")
            proxy.lose_answer_to = "POST"
            with contextlib.suppress(ApiError):
                await client.create(revision(namespace, "one"))

        assert answers == [
            ("GET", "controllerrevisions", "429"),
            ("GET", "controllerrevisions", "404"),
            ("POST", "controllerrevisions", "none"),
        ]

    asyncio.run(test())
