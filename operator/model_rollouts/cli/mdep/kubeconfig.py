"""Which API server, and with whose rights: what kubectl would read, in a hundredth of a second.

The reader of the package `kubernetes` takes half a second to be imported: it brings OAuth, pydantic
and an HTTP client along. The rules are those of client-go's `clientcmd`: files of `KUBECONFIG` in
their order, of each name the first one counts, paths are relative to the file that has them.
"""

import base64
import binascii
import json
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import yaml

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
EXEC_SECONDS = 120.0
"""How long a credential plugin may take: some of them open a browser."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An API server as a person reaches it. `path` is what stands before every path, mostly ''."""

    host: str
    port: int
    path: str
    tls: ssl.SSLContext | None
    server_name: str | None
    headers: Mapping[str, str]
    namespace: str
    context: str
    proxy: str | None = None

    @property
    def url(self) -> str:
        """Its address, for messages."""
        scheme = "http" if self.tls is None else "https"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}{self.path}"


@dataclass(slots=True)
class _Config:
    """What all files say together; each entry knows the folder of its file."""

    current: str = ""
    named: dict[str, dict[str, tuple[dict[str, Any], Path]]] = field(
        default_factory=lambda: {"clusters": {}, "users": {}, "contexts": {}}
    )

    def find(self, kind: str, name: str, where: str) -> tuple[dict[str, Any], Path]:
        known = self.named[kind]
        if name in known:
            return known[name]
        raise click.ClickException(
            f"kubeconfig: found no {kind[:-1]} '{name}', which {where} names; "
            f"there is {', '.join(sorted(known)) or 'none'}"
        )


def connection(kubeconfig: str | None = None, context: str | None = None) -> Connection:
    """How to reach the API server. Raises ClickException that says what was looked for."""
    files = _files(kubeconfig)
    config = _merged(files)
    if not config.named["contexts"] and not config.named["clusters"]:
        if kubeconfig is None and context is None and (found := _in_cluster()):
            return found
        raise click.ClickException(
            f"found no kubeconfig in {', '.join(map(str, files))}: set KUBECONFIG, or write "
            "--kubeconfig FILE"
        )
    name = context or config.current
    if not name:
        known = ", ".join(sorted(config.named["contexts"]))
        raise click.ClickException(
            f"kubeconfig: found no current-context, write --context with one of {known}"
        )
    place, _ = config.find("contexts", name, "--context" if context else "current-context")
    cluster, cluster_folder = config.find("clusters", place.get("cluster", ""), f"context '{name}'")
    user: dict[str, Any] = {}
    user_folder = cluster_folder
    if place.get("user"):
        user, user_folder = config.find("users", place["user"], f"context '{name}'")
    headers, certificate = _credentials(user, user_folder, cluster)
    url = urlsplit(_required(cluster, "server", f"cluster '{place.get('cluster')}'"))
    if url.scheme not in ("http", "https") or url.hostname is None:
        raise click.ClickException(
            f"kubeconfig: found server '{cluster['server']}', write https://HOST:PORT"
        )
    tls = None
    if url.scheme == "https":
        tls = _tls(cluster, cluster_folder, certificate)
    return Connection(
        host=url.hostname,
        port=url.port or (443 if tls else 80),
        path=url.path.rstrip("/"),
        tls=tls,
        server_name=cluster.get("tls-server-name"),
        headers=headers,
        namespace=place.get("namespace") or "default",
        context=name,
        proxy=cluster.get("proxy-url"),
    )


def _files(kubeconfig: str | None) -> list[Path]:
    if kubeconfig is not None:
        path = Path(kubeconfig).expanduser()
        if not path.is_file():
            raise click.ClickException(f"--kubeconfig: found no file '{path}'")
        return [path]
    named = [each for each in os.environ.get("KUBECONFIG", "").split(os.pathsep) if each]
    return [Path(each).expanduser() for each in named] or [Path("~/.kube/config").expanduser()]


def _merged(files: Sequence[Path]) -> _Config:
    config = _Config()
    for path in filter(Path.is_file, files):
        try:
            loaded = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        except OSError as error:
            raise click.ClickException(f"kubeconfig '{path}': {error.strerror}") from None
        except yaml.YAMLError as error:
            place = getattr(error, "problem_mark", None)
            line = f", line {place.line + 1}" if place else ""
            raise click.ClickException(f"kubeconfig '{path}'{line}: this is no YAML") from None
        if loaded is None:
            continue
        if not isinstance(loaded, dict):
            raise click.ClickException(f"kubeconfig '{path}': found no kubeconfig in it")
        config.current = config.current or str(loaded.get("current-context") or "")
        for kind, known in config.named.items():
            for name, inside in _entries(loaded.get(kind), kind, path):
                known.setdefault(name, (inside, path.resolve().parent))
    return config


def _entries(found: Any, kind: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The named entries of a kind."""
    for entry in found or ():
        inside = (entry.get(kind[:-1]) or {}) if isinstance(entry, dict) else None
        if not isinstance(inside, dict) or not isinstance(found, list):
            raise click.ClickException(
                f"kubeconfig '{path}': found '{entry}' in {kind}, write {{name: …, {kind[:-1]}: …}}"
            )
        yield str(entry.get("name")), inside


def _in_cluster() -> Connection | None:
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{each}") for each in ("HOST", "PORT"))
    token = SERVICE_ACCOUNT / "token"
    if not host or not token.is_file():
        return None
    return Connection(
        host=host,
        port=int(port or 443),
        path="",
        tls=ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt")),
        server_name=None,
        headers={"Authorization": f"Bearer {token.read_text().strip()}"},
        namespace=(SERVICE_ACCOUNT / "namespace").read_text().strip(),
        context="the service account of this pod",
    )


def _required(entry: Mapping[str, Any], key: str, where: str) -> str:
    if not entry.get(key):
        raise click.ClickException(f"kubeconfig: found no {key} in {where}")
    return str(entry[key])


def _content(entry: Mapping[str, Any], key: str, folder: Path) -> bytes | None:
    """What a file of the kubeconfig has, or what is written in its place; None for neither."""
    data, path = entry.get(f"{key}-data"), entry.get(key)
    try:
        if data:
            return base64.b64decode(data, validate=True)
        return (folder / Path(path).expanduser()).read_bytes() if path else None
    except binascii.Error:
        raise click.ClickException(f"kubeconfig: {key}-data is no base64") from None
    except OSError as error:
        raise click.ClickException(f"kubeconfig: {key} '{path}': {error.strerror}") from None


def _tls(
    cluster: Mapping[str, Any], folder: Path, certificate: tuple[bytes, bytes] | None
) -> ssl.SSLContext:
    ca = _content(cluster, "certificate-authority", folder)
    try:
        tls = ssl.create_default_context(cadata=None if ca is None else ca.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise click.ClickException(
            "kubeconfig: certificate-authority has no certificate in PEM"
        ) from None
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    if certificate is not None:
        with _file(b"\n".join(certificate)) as path:
            try:
                tls.load_cert_chain(path)
            except ssl.SSLError:
                raise click.ClickException(
                    "kubeconfig: client-certificate and client-key do not fit, or are no PEM"
                ) from None
    return tls


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    """A file that nobody else reads, as long as it is needed: OpenSSL takes keys from files."""
    handle, path = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        yield path
    finally:
        Path(path).unlink()


def _credentials(
    user: Mapping[str, Any], folder: Path, cluster: Mapping[str, Any]
) -> tuple[dict[str, str], tuple[bytes, bytes] | None]:
    """Headers and a client certificate."""
    headers: dict[str, str] = {}
    certificate, key = (_content(user, f"client-{each}", folder) for each in ("certificate", "key"))
    token = user.get("token")
    if user.get("tokenFile"):
        token = (_content({"tokenFile": user["tokenFile"]}, "tokenFile", folder) or b"").decode()
    provider = user.get("auth-provider")
    if user.get("exec"):
        given = _from_plugin(user["exec"], cluster)
        token = given.get("token") or token
        certificate = (given.get("clientCertificateData") or "").encode() or certificate
        key = (given.get("clientKeyData") or "").encode() or key
    elif provider and not token:
        config = provider.get("config") or {}
        token = config.get("id-token") or config.get("access-token")
        if not token:
            raise click.ClickException(
                f"kubeconfig: auth-provider '{provider.get('name')}' has no token: log in with "
                "kubectl once, or use a plugin (users[].user.exec)"
            )
    if token:
        headers["Authorization"] = f"Bearer {token.strip()}"
    elif user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    if user.get("as"):
        headers["Impersonate-User"] = user["as"]
    return headers, (certificate, key) if certificate and key else None


def _from_plugin(plugin: Mapping[str, Any], cluster: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `status` of an ExecCredential (client.authentication.k8s.io)."""
    command = [_required(plugin, "command", "users[].user.exec"), *(plugin.get("args") or ())]
    spec: dict[str, Any] = {"interactive": sys.stdin.isatty()}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = {
            "server": cluster.get("server"),
            "certificate-authority-data": cluster.get("certificate-authority-data"),
        }
    asked = {
        "apiVersion": plugin.get("apiVersion"),
        "kind": "ExecCredential",
        "spec": spec,
    }
    more = {each["name"]: each["value"] for each in plugin.get("env") or ()}
    environment = {**os.environ, **more, "KUBERNETES_EXEC_INFO": json.dumps(asked)}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            timeout=EXEC_SECONDS,
            check=True,
        )
        status: Mapping[str, Any] = json.loads(done.stdout)["status"]
    except FileNotFoundError:
        hint = plugin.get("installHint") or "install it, or choose another user"
        raise click.ClickException(
            f"kubeconfig: found no program '{command[0]}' for credentials: {hint.strip()}"
        ) from None
    except (OSError, subprocess.SubprocessError) as error:
        raise click.ClickException(f"kubeconfig: credentials: {error}") from None
    except (ValueError, KeyError, TypeError):
        raise click.ClickException(
            f"kubeconfig: '{command[0]}' printed no ExecCredential with a status"
        ) from None
    return status
