"""The kubeconfig as kubectl reads it: files, credentials, TLS; and what is said of mistakes."""

import base64
import json
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
import pytest
import trustme

from model_rollouts.cli.mdep import kubeconfig
from model_rollouts.cli.mdep.api import Api
from model_rollouts.cli.mdep.errors import Unreachable
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT


def config(
    name: str = "one",
    server: str = "http://127.0.0.1:1",
    user: dict[str, Any] | None = None,
    **cluster: Any,
) -> dict[str, Any]:
    """A kubeconfig with one context."""
    return {
        "current-context": name,
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": name, "namespace": f"ns-{name}"}}
        ],
        "clusters": [{"name": name, "cluster": {"server": server, **cluster}}],
        "users": [{"name": name, "user": user or {}}],
    }


def write(path: Path, content: Any) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_of_several_files_each_name_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = config("one", "http://first"), config("two", "http://second:81")
    second["clusters"].append({"name": "one", "cluster": {"server": "http://other"}})
    names = [write(tmp_path / "a", first), write(tmp_path / "b", second), str(tmp_path / "none")]
    monkeypatch.setenv("KUBECONFIG", ":".join(names))

    one, two = kubeconfig.connection(), kubeconfig.connection(context="two")

    assert (one.url, one.namespace, one.context) == ("http://first:80", "ns-one", "one")
    assert (two.url, two.namespace) == ("http://second:81", "ns-two")


PLUGIN = """\
import json, os, sys
asked = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
assert asked["kind"] == "ExecCredential"
print(json.dumps({"status": {"token": sys.argv[1] + os.environ["MORE"]}}))
"""


@pytest.mark.parametrize(
    ("user", "headers"),
    [
        ({"token": "t\n"}, {"Authorization": "Bearer t"}),
        ({"tokenFile": "token"}, {"Authorization": "Bearer from a file"}),
        ({"username": "a", "password": "b"}, {"Authorization": "Basic YTpi"}),
        ({"token": "t", "as": "jane"}, {"Authorization": "Bearer t", "Impersonate-User": "jane"}),
        (
            {"auth-provider": {"name": "oidc", "config": {"id-token": "i"}}},
            {"Authorization": "Bearer i"},
        ),
        (
            {
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "command": sys.executable,
                    "args": ["-c", PLUGIN, "given"],
                    "env": [{"name": "MORE", "value": "-more"}],
                }
            },
            {"Authorization": "Bearer given-more"},
        ),
        ({}, {}),
    ],
    ids=["token", "file", "password", "as", "oidc", "plugin", "nothing"],
)
def test_credentials_come_from_where_the_user_has_them(
    tmp_path: Path, user: dict[str, Any], headers: dict[str, str]
) -> None:
    (tmp_path / "token").write_text("from a file")
    path = write(tmp_path / "config", config(user=user))

    assert kubeconfig.connection(path).headers == headers


def plugin(command: str, *arguments: str, **more: str) -> dict[str, Any]:
    return config(user={"exec": {"command": command, "args": arguments, **more}})


def trusting(key: str, value: str) -> dict[str, Any]:
    cluster: dict[str, Any] = {key: value}
    return config(server="https://a", **cluster)


def without(key: str) -> dict[str, Any]:
    found = config()
    del found[key]
    return found


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "this is no YAML"),
        ("text", "found no kubeconfig in it"),
        ({"users": ["one"]}, "found 'one' in users, write {name: …, user: …}"),
        ({"contexts": {"one": {}}}, "found 'one' in contexts"),
        ({"clusters": [{"name": "a", "cluster": "b"}]}, "in clusters, write {name: …, cluster: …}"),
        ({}, "set KUBECONFIG, or write --kubeconfig FILE"),
        (without("current-context"), "write --context with one of one"),
        ({**config(), "current-context": "two"}, "found no context 'two'"),
        (without("clusters"), "found no cluster 'one', which context 'one' names; there is none"),
        (without("users"), "found no user 'one'"),
        (config(server=""), "found no server in cluster 'one'"),
        (config(server="cluster:6443"), "write https://HOST:PORT"),
        (
            trusting("certificate-authority", "none.crt"),
            "certificate-authority 'none.crt': No such file",
        ),
        (
            trusting("certificate-authority-data", "!"),
            "certificate-authority-data is no base64",
        ),
        (
            trusting("certificate-authority-data", "YQ=="),
            "has no certificate in PEM",
        ),
        (plugin("no-such-plugin", installHint="get it"), "no program 'no-such-plugin'"),
        (plugin("no-such-plugin", installHint="get it"), "get it"),
        (plugin("false"), "credentials: "),
        (plugin("echo", "{}"), "'echo' printed no ExecCredential"),
        (config(user={"auth-provider": {"name": "gcp"}}), "auth-provider 'gcp' has no token"),
    ],
)
def test_a_mistake_in_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any, said: str
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    path = write(tmp_path / "config", content)

    with pytest.raises(click.ClickException) as refused:
        kubeconfig.connection(path)

    assert said in refused.value.message


def test_in_a_pod_without_one_its_service_account_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "namespace").write_text("flights")
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    monkeypatch.setattr(kubeconfig, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")

    found = kubeconfig.connection()

    assert (found.url, found.namespace) == ("https://10.0.0.1:443", "flights")


class _Empty(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """An empty list."""
        content = json.dumps({"items": [], "metadata": {"resourceVersion": "1"}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def secure(ca: trustme.CA, *, asks: bool = False) -> Iterator[str]:
    """A server with a certificate for `api.example.com`; it may ask for one of its clients."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("api.example.com").configure_cert(tls)
    if asks:
        tls.verify_mode = ssl.CERT_REQUIRED
        ca.configure_trust(tls)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Empty)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    running = threading.Thread(target=server.serve_forever, args=(0.01,))
    running.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        running.join()


def data(pem: trustme.Blob) -> str:
    return base64.b64encode(pem.bytes()).decode()


def ask(path: str) -> Any:
    return Api(kubeconfig.connection(path)).list(MODEL_DEPLOYMENT, None)


def test_a_server_is_known_by_its_certificate(tmp_path: Path) -> None:
    ca, other = trustme.CA(), trustme.CA()
    trusted: dict[str, Any] = {"certificate-authority-data": data(ca.cert_pem)}
    named: dict[str, Any] = {"tls-server-name": "api.example.com"}
    strange: dict[str, Any] = {"certificate-authority-data": data(other.cert_pem)}
    with secure(ca) as url:
        assert ask(write(tmp_path / "a", config(server=url, **trusted, **named))) == ([], "1")
        unchecked: dict[str, Any] = {"insecure-skip-tls-verify": True}
        insecure = config(server=url, **unchecked)
        assert ask(write(tmp_path / "b", insecure)) == ([], "1")
        for wrong in ({**trusted}, {**strange, **named}):
            with pytest.raises(Unreachable, match="its certificate is not trusted"):
                ask(write(tmp_path / "c", config(server=url, **wrong)))


def test_a_client_shows_its_certificate(tmp_path: Path) -> None:
    ca = trustme.CA()
    mine = ca.issue_cert("jane@example.com")
    user: dict[str, Any] = {
        "client-certificate-data": data(mine.cert_chain_pems[0]),
        "client-key-data": data(mine.private_key_pem),
    }
    cluster: dict[str, Any] = {
        "certificate-authority-data": data(ca.cert_pem),
        "tls-server-name": "api.example.com",
    }
    with secure(ca, asks=True) as url:
        assert ask(write(tmp_path / "a", config(server=url, user=user, **cluster))) == ([], "1")
        with pytest.raises(Unreachable):
            ask(write(tmp_path / "b", config(server=url, **cluster)))
    user["client-key-data"] = data(ca.issue_cert("other@example.com").private_key_pem)
    with pytest.raises(click.ClickException, match="do not fit"):
        kubeconfig.connection(write(tmp_path / "c", config(server=url, user=user, **cluster)))


def test_what_is_no_api_server_is_told(tmp_path: Path) -> None:
    class Page(_Empty):
        def do_GET(self) -> None:
            """A page for browsers."""
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    running = threading.Thread(target=server.serve_forever, args=(0.01,))
    running.start()
    try:
        with pytest.raises(Unreachable, match="is no API server"):
            ask(write(tmp_path / "a", config(server=f"http://127.0.0.1:{server.server_port}")))
    finally:
        server.shutdown()
        server.server_close()
        running.join()


def test_a_proxy_is_asked_for_a_tunnel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None]] = []

    class Proxy(_Empty):
        def do_CONNECT(self) -> None:
            """Note whom the tunnel is to, and refuse it."""
            asked.append((self.path, self.headers.get("Proxy-Authorization")))
            self.send_error(502)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    running = threading.Thread(target=server.serve_forever, args=(0.01,))
    running.start()
    proxy = f"http://a:b@127.0.0.1:{server.server_address[1]}"
    path = write(tmp_path / "a", config(server="https://api.example.com"))
    cluster: dict[str, Any] = {"proxy-url": proxy}
    with_url = write(tmp_path / "b", config(server="https://other.example.com", **cluster))
    try:
        with pytest.raises(Unreachable):
            ask(with_url)
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        with pytest.raises(Unreachable):
            ask(path)
    finally:
        server.shutdown()
        server.server_close()
        running.join()

    assert asked == [("other.example.com:443", "Basic YTpi"), ("api.example.com:443", "Basic YTpi")]
