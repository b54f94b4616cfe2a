"""How a Prometheus is reached, whoever asks it: address, credentials, trust, tenants, limits."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from yarl import URL

from model_rollouts.metrics.errors import InputError
from model_rollouts.prometheus.errors import QueryError

Pairs = tuple[tuple[str, str], ...]
"""Names and values."""

_HEADER = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_BRACES = re.compile(r"\{(\w+)\}")
_OURS = frozenset({"accept-encoding", "content-length", "content-type", "transfer-encoding"})
_FORM = frozenset({"end", "query", "start", "step", "time"})


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to reach a Prometheus. What is in a file is read again for each request.

    One of these says who asks: `token` or `token_file`, sent as a bearer token; `user` or
    `user_file` with `password` or `password_file`, sent as basic authentication; a header
    Authorization in `header_files`.

    The path of `url`, `headers` and `parameters` (sent with each query, in the URL) may contain
    {namespace}, the namespace that is asked about, and {tenant}, what `tenants` has for it: pairs
    of namespace and tenant.

    `ca_file` replaces the system's trust. `certificate_file` and `key_file` are what the client
    shows; they are PEM, like it. `server_name` is expected in the server's certificate, in place of
    the host in `url`. `answer_limit` bounds what is read of one answer, in bytes.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    user: str | None = None
    user_file: Path | None = None
    password: str = field(default="", repr=False)
    password_file: Path | None = None
    headers: Pairs = field(default=(), repr=False)
    header_files: tuple[tuple[str, Path], ...] = ()
    parameters: Pairs = field(default=(), repr=False)
    tenants: Pairs = ()
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = None
    timeout_s: float = 10.0
    retries: int = 1
    retry_after_s: float = 0.2
    answer_limit: int = 64 * 2**20

    def __post_init__(self) -> None:
        _require_url(self.url)
        _require_headers("headers", self.headers)
        _require_headers("header_files", self.header_files)
        _require_credentials(self)
        for name, _ in self.parameters:
            if name in _FORM:
                raise InputError("parameters", name, "another name: the operator sets this one")
        if (self.certificate_file is None) != (self.key_file is None):
            found = "certificate_file" if self.key_file is None else "key_file"
            raise InputError("certificate_file, key_file", f"{found} alone", "both or neither")
        _require_placeholders(self)
        if not self.timeout_s > 0:
            raise InputError("timeout_s", self.timeout_s, "a number of seconds above 0")
        if self.retries < 0:
            raise InputError("retries", self.retries, "0 or more")

    @property
    def has_user(self) -> bool:
        """Whether basic authentication is used."""
        return self.user is not None or self.user_file is not None

    def api(self, call: str, namespace: str = "") -> URL:
        """The address of a call of the API, such as `query`, about a namespace.

        Raises QueryError when there is no tenant for it.
        """
        found = URL(self._filled(self.url.rstrip("/"), namespace, path=True) + f"/api/v1/{call}")
        return found.update_query(self.parameters_for(namespace)) if self.parameters else found

    def headers_for(self, namespace: str = "") -> dict[str, str]:
        """`headers` for queries about a namespace. Raises QueryError like `api`."""
        return {name: self._filled(value, namespace) for name, value in self.headers}

    def parameters_for(self, namespace: str = "") -> dict[str, str]:
        """`parameters` for queries about a namespace. Raises QueryError like `api`."""
        return {name: self._filled(value, namespace) for name, value in self.parameters}

    def asked_apart(self, namespace: str) -> str:
        """Namespaces with the same answer may be asked about in one query; others may not."""
        used = set(_placeholders(self))
        if "namespace" in used:
            return f"namespace {namespace}"
        if "tenant" in used:
            tenant = dict(self.tenants).get(namespace)
            return f"no tenant, {namespace}" if tenant is None else f"tenant {tenant}"
        return ""

    def _filled(self, template: str, namespace: str, *, path: bool = False) -> str:
        return _BRACES.sub(lambda found: self._value(found[1], namespace, path), template)

    def _value(self, name: str, namespace: str, path: bool) -> str:
        value: str | None = namespace or None
        if name == "tenant":
            value = dict(self.tenants).get(namespace)
            if value is None:
                raise QueryError(
                    f"tenants: found none for namespace '{namespace}', write its tenant into the "
                    "configuration of Prometheus"
                )
        if value is None:
            raise QueryError(f"{{{name}}}: found no namespace to put there, write a fixed value")
        return quote(value, safe=":") if path else value


def _placeholders(options: ServerOptions) -> Iterator[str]:
    templates = [options.url, *(value for _, value in (*options.headers, *options.parameters))]
    for each in templates:
        yield from _BRACES.findall(each)


def _require_url(url: str) -> None:
    try:
        read = URL(url)
    except ValueError:
        read = URL()
    if read.user is not None or read.password is not None:
        raise InputError("url", "a URL with credentials", "credentials in user and password")
    if read.scheme not in ("http", "https") or not read.host or _BRACES.search(read.authority):
        raise InputError("url", url, "an http or https URL, such as http://prometheus:9090")
    if read.query_string or read.fragment:
        raise InputError("url", url, "the address without '?' and '#'; parameters are set apart")


def _require_headers(field_name: str, headers: Sequence[tuple[str, object]]) -> None:
    for name, value in headers:
        if not _HEADER.fullmatch(name) or name.lower() in _OURS:
            raise InputError(field_name, name, "the name of a header, such as X-Scope-OrgID")
        # Said without the value, which may be a secret.
        if isinstance(value, str) and not is_one_line(value):
            raise InputError(f"{field_name}.{name}", "no such value", "one line of ASCII text")


def _require_credentials(options: ServerOptions) -> None:
    if any(name.lower() == "authorization" for name, _ in options.headers):
        raise InputError("headers", "Authorization", "its value, which is a secret, into a file")
    for one, other in (("user", "user_file"), ("password", "password_file")):
        if getattr(options, one) and getattr(options, other) is not None:
            raise InputError(one, f"{one} and {other}", "only one of them")
    if (options.password or options.password_file is not None) and not options.has_user:
        raise InputError("user", "a password alone", "the user too")
    ways = (
        options.token is not None,
        options.token_file is not None,
        options.has_user,
        any(name.lower() == "authorization" for name, _ in options.header_files),
    )
    if sum(ways) > 1:
        raise InputError(
            "token",
            "more than one of token, token file, user and a header Authorization",
            "only one of them",
        )
    names = [name.lower() for name, _ in (*options.headers, *options.header_files)]
    for name in names:
        if names.count(name) > 1:
            raise InputError("headers", name, "each header only once")


def _require_placeholders(options: ServerOptions) -> None:
    used = set(_placeholders(options))
    for name in sorted(used - {"namespace", "tenant"}):
        raise InputError("url, headers, parameters", f"{{{name}}}", "{namespace} or {tenant}")
    if "tenant" in used and not options.tenants:
        raise InputError("tenants", "none, and {tenant} in use", "the tenant of each namespace")
    if options.tenants and "tenant" not in used:
        raise InputError(
            "tenants", "tenants, and {tenant} nowhere", "{tenant} where it is sent, as in a header"
        )


def is_one_line(text: str) -> bool:
    """Whether a text can be the value of a header."""
    return bool(text) and text.isascii() and text.isprintable()
