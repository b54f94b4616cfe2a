"""Requests to the API server, one connection each, and what went wrong in words for a person.

The operator's client is asynchronous and takes half a second to be imported; here a command asks
three things and ends.
"""

import base64
import http.client
import json
import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import quote, urlencode, urlsplit

import click

from model_rollouts.cli.mdep.errors import Unreachable
from model_rollouts.cli.mdep.kubeconfig import Connection
from model_rollouts.cluster.errors import ApiError, told
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT, Kind

Object = dict[str, Any]

SECONDS = 15.0
"""How long an answer may take; longer than the API server waits for an admission webhook."""
PAGE = 500
MANAGER = "kubectl-mdep"
JSON = "application/json"


_PASSES = (HTTPStatus.TOO_MANY_REQUESTS, *range(HTTPStatus.INTERNAL_SERVER_ERROR, 600))
"""Answers after which asking again may help: whoever waits does."""


class Api:
    """The objects of a cluster, with the rights of whoever asks."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """An object. Raises ApiError, Unreachable."""
        return self._ask("get", "GET", kind, namespace, name)

    def list(
        self, kind: Kind, namespace: str | None, **selectors: str
    ) -> tuple[Sequence[Object], str]:
        """All objects, and the version of the list; `labelSelector` and `fieldSelector` choose."""
        items: list[Object] = []
        query = {"limit": str(PAGE), **selectors}
        while True:
            page = self._ask("list", "GET", kind, namespace, query=query)
            items += page.get("items") or ()
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return items, metadata.get("resourceVersion", "")
            query["continue"] = metadata["continue"]

    def watch(
        self, kind: Kind, namespace: str, version: str, **selectors: str
    ) -> Iterator[tuple[str, Object]]:
        """Changes since `version`: (ADDED, MODIFIED, DELETED; object), until the server ends it.

        Raises ApiError when it ends with an error, such as 410 for a version that is too old.
        """
        query = {"watch": "1", "resourceVersion": version, **selectors}
        connection = self._connect(timeout=None)
        try:
            answer = self._send(connection, "GET", kind.path(namespace), query, None, JSON)
            if answer.status != HTTPStatus.OK:
                self._fail("watch", kind, namespace, "", answer)
            while line := answer.readline():
                change = json.loads(line)
                if change["type"] == "ERROR":
                    status = change["object"]
                    message, reason = told(status)
                    subject = _subject(kind, namespace, "")
                    raise ApiError("watch", subject, status.get("code"), message, reason)
                yield change["type"], change["object"]
        except (OSError, http.client.HTTPException) as error:
            self._away(error)
        finally:
            connection.close()

    def replace(self, obj: Object, *, dry_run: bool = False) -> Object:
        """The object as it is stored then. 409 when it was changed since `obj` was read."""
        metadata = obj["metadata"]
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        query |= {"dryRun": "All"} if dry_run else {}
        return self._ask(
            "update",
            "PUT",
            MODEL_DEPLOYMENT,
            metadata["namespace"],
            metadata["name"],
            query=query,
            body=obj,
        )

    def _ask(
        self,
        verb: str,
        method: str,
        kind: Kind,
        namespace: str | None,
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
    ) -> Object:
        connection = self._connect(SECONDS)
        try:
            path = kind.path(namespace, quote(name))
            answer = self._send(connection, method, path, query or {}, body, JSON)
            if answer.status >= HTTPStatus.BAD_REQUEST:
                self._fail(verb, kind, namespace, name, answer)
            found: Object = json.loads(answer.read())
        except (OSError, http.client.HTTPException) as error:
            self._away(error)
        except ValueError:
            raise Unreachable(
                f"what answers at {self.connection.url} (context '{self.connection.context}') is "
                "no API server: it answered something else than JSON"
            ) from None
        finally:
            connection.close()
        return found

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None,
        media: str,
    ) -> http.client.HTTPResponse:
        target = f"{self.connection.path}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {**self.connection.headers, "Accept": JSON, "User-Agent": MANAGER}
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            headers["Content-Type"] = media
        connection.request(method, target, body=content, headers=headers)
        return connection.getresponse()

    def _connect(self, timeout: float | None) -> http.client.HTTPConnection:
        to = self.connection
        proxy = _proxy(to)
        host, port = (to.host, to.port) if proxy is None else (proxy[0], proxy[1])
        made: http.client.HTTPConnection
        if to.tls is None:
            made = http.client.HTTPConnection(host, port, timeout=timeout)
        else:
            made = _Named(host, port, to.tls, timeout, to.server_name or to.host)
        if proxy is not None:
            made.set_tunnel(to.host, to.port, headers=proxy[2])
        return made

    def _fail(
        self,
        verb: str,
        kind: Kind,
        namespace: str | None,
        name: str,
        answer: http.client.HTTPResponse,
    ) -> NoReturn:
        text = answer.read().decode(errors="replace")
        try:
            content: Any = json.loads(text)
        except ValueError:
            content = text
        message, reason = told(content)
        raise ApiError(verb, _subject(kind, namespace, name), answer.status, message, reason)

    def _away(self, error: Exception) -> NoReturn:
        said = str(error) or type(error).__name__
        if isinstance(error, ssl.SSLCertVerificationError):
            said = f"its certificate is not trusted: {error.verify_message}"
        elif isinstance(error, TimeoutError):
            said = f"no answer within {SECONDS:g} s"
        elif isinstance(error, OSError) and error.strerror:
            said = error.strerror
        raise Unreachable(
            f"API server {self.connection.url} (context '{self.connection.context}') does not "
            f"answer: {said}. Check the context (kubectl config get-contexts) and the network."
        ) from None


class _Named(http.client.HTTPSConnection):
    """A connection whose server shows the certificate of `name`."""

    def __init__(
        self, host: str, port: int, tls: ssl.SSLContext, timeout: float | None, name: str
    ) -> None:
        super().__init__(host, port, timeout=timeout, context=tls)
        self._tls, self._name = tls, name

    def connect(self) -> None:
        """Connect, through the tunnel if there is one, and ask for that certificate."""
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name)


def _proxy(to: Connection) -> tuple[str, int, dict[str, str]] | None:
    """Host and port of the HTTP proxy, and the headers for it; None without one."""
    url = to.proxy
    if url is None and any(each.lower().endswith("_proxy") for each in os.environ):
        from urllib.request import getproxies, proxy_bypass

        scheme = "http" if to.tls is None else "https"
        url = None if proxy_bypass(to.host) else getproxies().get(scheme)
    if not url:
        return None
    found = urlsplit(url if "://" in url else f"http://{url}")
    if found.scheme not in ("http", "https") or found.hostname is None:
        raise click.ClickException(f"found the proxy '{url}', write http://HOST:PORT")
    headers = {}
    if found.username is not None:
        pair = f"{found.username}:{found.password or ''}".encode()
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    return found.hostname, found.port or 80, headers


def _subject(kind: Kind, namespace: str | None, name: str) -> str:
    if name:
        return f"{kind.name} '{name}' in namespace '{namespace}'"
    place = "in all namespaces" if namespace is None else f"in namespace '{namespace}'"
    return f"{kind.plural} {place}"


def refusal(error: ApiError, kind: Kind, namespace: str | None, api: Api) -> click.ClickException:
    """What the API server refused, and what can be done about it."""
    verb, _, subject = str(error).partition(" ")
    if error.status == HTTPStatus.FORBIDDEN:
        group = f".{kind.group}" if kind.group else ""
        scope = "-A" if namespace is None else f"-n {namespace}"
        return click.ClickException(
            f"you have no right to {verb} {kind.plural}{group}: {error.message}. Ask for a Role "
            f"with it (docs/kubectl-mdep.md has one); to check: kubectl auth can-i {verb} "
            f"{kind.plural}{group} {scope}"
        )
    if error.status == HTTPStatus.UNAUTHORIZED:
        return click.ClickException(
            f"the API server does not know you: {error.message}. The credentials of context "
            f"'{api.connection.context}' have expired, or are wrong: log in again"
        )
    if error.is_missing and kind is MODEL_DEPLOYMENT and verb == "list":
        return click.ClickException(
            f"the cluster of context '{api.connection.context}' has no ModelDeployments: install "
            "Model Rollouts (docs/install.md), or choose another cluster with --context"
        )
    if error.status is None or error.status in _PASSES:
        return Unreachable(f"could not {verb} {subject}")
    return click.ClickException(f"could not {verb} {subject}")
