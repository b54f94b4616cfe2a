"""Any Prometheus: what a request carries, whom the client trusts, and files that are renewed."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from model_rollouts.metrics.errors import InputError
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.credentials import Trust
from model_rollouts.prometheus.errors import QueryError
from model_rollouts.prometheus.inspect import connect
from model_rollouts.prometheus.server import ServerOptions
from tests.prometheus.guarded import Guarded, issued, written

Ask = Callable[[str], Awaitable[None]]
"""Ask about a namespace."""


async def by_operator(options: ServerOptions, asking: Callable[[Ask], Awaitable[None]]) -> None:
    """By the client that verdicts rest on."""
    async with PrometheusClient(options) as client:

        async def ask(namespace: str) -> None:
            await client.query("up[5s]", 1_000, namespace)

        await asking(ask)


async def for_people(options: ServerOptions, asking: Callable[[Ask], Awaitable[None]]) -> None:
    """By the client of replays and notebooks, which is made for one namespace and a short time."""

    async def ask(namespace: str) -> None:
        def once() -> None:
            with connect(options, namespace)._session as session:  # closes it
                session.get(str(options.api("query", namespace).with_query(None)))

        await asyncio.to_thread(once)

    await asking(ask)


CLIENTS = [by_operator, for_people]
each_client = pytest.mark.parametrize("client", CLIENTS, ids=["operator", "people"])


def asked(guarded: Guarded, client: Any, about: tuple[str, ...] = ("shop",), **options: Any) -> Any:
    """Ask the front about these namespaces; returns the requests that it got."""

    async def asking(ask: Ask) -> None:
        for namespace in about:
            await ask(namespace)

    async def run() -> None:
        async with guarded.running():
            path = options.pop("path", "")
            made = ServerOptions(guarded.url + path, retry_after_s=0.0, **options)
            await client(made, asking)

    asyncio.run(run())
    return guarded.requests


@pytest.fixture
def guarded(tmp_path: Path) -> Guarded:
    """A front whose CA is in the folder."""
    made = Guarded()
    written(tmp_path, made.ca)
    return made


@each_client
def test_a_tenant_is_named_for_each_namespace(
    client: Any, guarded: Guarded, tmp_path: Path
) -> None:
    found = asked(
        guarded,
        client,
        ("shop", "flights"),
        ca_file=tmp_path / "ca.crt",
        path="/select/{tenant}/prometheus",
        headers=(("X-Scope-OrgID", "{tenant}"), ("X-Namespace", "ns-{namespace}")),
        parameters=(("namespace", "{namespace}"), ("dedup", "true")),
        tenants=(("shop", "17:1"), ("flights", "team/b")),
    )

    assert [each.raw_path.partition("?")[0] for each in found] == [
        "/select/17:1/prometheus/api/v1/query",
        "/select/team%2Fb/prometheus/api/v1/query",
    ]
    assert [each.headers["X-Scope-OrgID"] for each in found] == ["17:1", "team/b"]
    assert [each.headers["X-Namespace"] for each in found] == ["ns-shop", "ns-flights"]
    assert [each.query["namespace"] for each in found] == ["shop", "flights"]
    assert {each.query["dedup"] for each in found} == {"true"}


@each_client
def test_a_namespace_without_a_tenant_is_not_asked_about(
    client: Any, guarded: Guarded, tmp_path: Path
) -> None:
    with pytest.raises(QueryError, match="found none for namespace 'web', write its tenant"):
        asked(
            guarded,
            client,
            ("web",),
            ca_file=tmp_path / "ca.crt",
            headers=(("X-Scope-OrgID", "{tenant}"),),
            tenants=(("shop", "a"),),
        )

    assert guarded.requests == []


@each_client
def test_user_password_and_secret_headers_are_read_for_each_request(
    client: Any, guarded: Guarded, tmp_path: Path
) -> None:
    user, password, key = (tmp_path / name for name in ("user", "password", "key"))
    user.write_text("rollouts\n")
    secrets = iter(["first", "zwëite"])

    async def renew(_: Any) -> Any:
        write(next(secrets, "last"))
        return await original(_)

    def write(secret: str) -> None:
        password.write_text(f"{secret}\n")
        key.write_text(f"key-{secret.encode().hex()}")

    original, guarded.answer = guarded.answer, renew
    write("before")

    found = asked(
        guarded,
        client,
        ("shop", "shop", "shop"),
        ca_file=tmp_path / "ca.crt",
        user_file=user,
        password_file=password,
        header_files=(("X-Api-Key", key),),
    )

    sent = [each.headers["Authorization"].removeprefix("Basic ") for each in found]
    assert [base64.b64decode(each).decode() for each in sent] == [
        "rollouts:before",
        "rollouts:first",
        "rollouts:zwëite",
    ]
    assert found[1].headers["X-Api-Key"] == f"key-{b'first'.hex()}"


@each_client
@pytest.mark.parametrize("content", [None, b"", b"one\ntwo", b"\xff\xfe", b"tab\tand more"])
def test_a_secret_that_cannot_be_sent_is_told_by_its_file_and_not_shown(
    client: Any, guarded: Guarded, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(QueryError, match=f"{path}: (found no password|No such file)") as failure:
        asked(guarded, client, ca_file=tmp_path / "ca.crt", user="rollouts", password_file=path)

    assert "one" not in str(failure.value).removeprefix(str(path)).replace("on one line", "")
    assert guarded.requests == []


@each_client
def test_a_certificate_is_shown_where_one_is_asked_for(client: Any, tmp_path: Path) -> None:
    guarded = Guarded(clients=trustme.CA())
    written(tmp_path, guarded.ca)
    assert guarded.clients is not None
    certificate, key = issued(tmp_path, guarded.clients)

    with pytest.raises(QueryError):
        asked(guarded, client, ca_file=tmp_path / "ca.crt", retries=0)
    assert guarded.requests == []
    asked(
        guarded,
        client,
        ca_file=tmp_path / "ca.crt",
        certificate_file=certificate,
        key_file=key,
    )

    assert len(guarded.requests) == 1


@each_client
def test_another_name_than_the_host_can_be_expected(
    client: Any, guarded: Guarded, tmp_path: Path
) -> None:
    guarded.rotate(guarded.ca, "thanos.monitoring.svc")

    with pytest.raises(QueryError, match="certificate"):
        asked(guarded, client, ca_file=tmp_path / "ca.crt")
    asked(guarded, client, ca_file=tmp_path / "ca.crt", server_name="thanos.monitoring.svc")

    assert len(guarded.requests) == 1


def test_a_ca_and_a_certificate_that_rotate_are_used_without_a_restart(tmp_path: Path) -> None:
    first, second = trustme.CA(), trustme.CA()
    guarded = Guarded(ca=first, clients=first)
    second.configure_trust(guarded._tls)
    ca = written(tmp_path, first)
    certificate, key = issued(tmp_path, first)
    shown = []

    async def who(request: Any) -> Any:
        shown.append(request.transport.get_extra_info("peercert")["issuer"])
        return await original(request)

    original, guarded.answer = guarded.answer, who

    async def run() -> None:
        async with (
            guarded.running(),
            PrometheusClient(
                ServerOptions(
                    guarded.url,
                    ca_file=ca,
                    certificate_file=certificate,
                    key_file=key,
                    retry_after_s=0.0,
                )
            ) as client,
        ):
            await client.query("up[5s]", 0)
            guarded.rotate(second)
            with pytest.raises(QueryError, match="certificate"):
                await client.query("up[5s]", 0)
            written(tmp_path, second)
            await client.query("up[5s]", 0)
            issued(tmp_path, second)
            await client.query("up[5s]", 0)
            # A file that cannot be used is told, and used again when it can be.
            ca.write_text("not yet\n")
            with pytest.raises(QueryError, match=r"ca\.crt: found no certificate, write CA"):
                await client.query("up[5s]", 0)
            ca.unlink()
            with pytest.raises(QueryError, match=r"ca\.crt: No such file"):
                await client.query("up[5s]", 0)
            written(tmp_path, second)
            await client.query("up[5s]", 0)

    asyncio.run(run())

    assert [each == shown[0] for each in shown] == [True, True, False, False]


def test_a_certificate_without_its_key_is_told(tmp_path: Path) -> None:
    guarded = Guarded()
    certificate, _ = issued(tmp_path, guarded.ca)
    key = tmp_path / "another"
    trustme.CA().private_key_pem.write_to_path(key)
    written(tmp_path, guarded.ca)

    with pytest.raises(QueryError, match=r"tls\.crt, .*another: found no certificate with its key"):
        asked(
            guarded,
            by_operator,
            ca_file=tmp_path / "ca.crt",
            certificate_file=certificate,
            key_file=key,
        )


def test_files_are_read_once_for_as_long_as_they_stay(tmp_path: Path) -> None:
    trust = Trust(ServerOptions("https://p", ca_file=written(tmp_path, trustme.CA())))

    first = trust.context()

    assert trust.context() is first
    written(tmp_path, trustme.CA())
    assert trust.context() is not first


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"url": "http://p?dedup=true"}, "url"),
        ({"url": "http://{tenant}/p", "tenants": (("a", "b"),)}, "url"),
        ({"headers": (("X Y", "1"),)}, "headers"),
        ({"headers": (("Content-Type", "1"),)}, "headers"),
        ({"headers": (("X-A", "secret\r\nX-B: 1"),)}, "headers.X-A"),
        ({"headers": (("X-A", ""),)}, "headers.X-A"),
        ({"headers": (("Authorization", "secret"),)}, "headers"),
        ({"headers": (("X-A", "1"), ("x-a", "2"))}, "headers"),
        ({"headers": (("X-A", "{Namespace}"),)}, "url, headers, parameters"),
        ({"headers": (("X-A", "{tenant}"),)}, "tenants"),
        ({"tenants": (("shop", "a"),)}, "tenants"),
        ({"parameters": (("query", "up"),)}, "parameters"),
        ({"password": "secret"}, "user"),
        ({"user": "a", "user_file": Path("b")}, "user"),
        ({"user": "a", "password": "secret", "password_file": Path("b")}, "password"),
        ({"user": "a", "header_files": (("Authorization", Path("b")),)}, "token"),
        ({"certificate_file": Path("a")}, "certificate_file, key_file"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as refused:
        ServerOptions(**{"url": "http://p", **options})

    assert refused.value.field == field
    assert "secret" not in str(refused.value).replace("which is a secret", "")


@pytest.mark.parametrize(
    ("template", "shop_and_web", "shop_and_flights"),
    [("ml", True, True), ("{tenant}", True, False), ("{namespace}", False, False)],
)
def test_namespaces_share_a_query_when_what_is_sent_is_the_same(
    template: str, shop_and_web: bool, shop_and_flights: bool
) -> None:
    tenants = (("shop", "a"), ("web", "a"), ("flights", "b"))
    options = ServerOptions(
        "http://p",
        headers=(("X-Scope-OrgID", template),),
        tenants=tenants if "tenant" in template else (),
    )
    shop, web, flights = map(options.asked_apart, ("shop", "web", "flights"))

    assert (shop == web, shop == flights) == (shop_and_web, shop_and_flights)
    assert (shop == options.asked_apart("unknown")) == (template == "ml")
