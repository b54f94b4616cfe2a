"""What is in files that are renewed while the operator runs: who asks, and who is trusted.

Tokens, passwords, certificates and CAs are replaced, by the kubelet among others. A request uses
what the files hold at that moment; a file that cannot be used fails it, and the next one reads it
again.
"""

import base64
import ssl
from pathlib import Path

from model_rollouts.prometheus.errors import PassingError, QueryError
from model_rollouts.prometheus.server import ServerOptions, is_one_line

_Stamp = tuple[int, int, int]


def headers(options: ServerOptions, namespace: str = "") -> dict[str, str]:
    """The headers of a query about a namespace. Raises QueryError, which shows no secret."""
    found = options.headers_for(namespace)
    found |= {name: _secret(path, f"value for {name}") for name, path in options.header_files}
    if options.has_user:
        user = _or_in_file(options.user or "", options.user_file, "user")
        password = _or_in_file(options.password, options.password_file, "password")
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
        found["Authorization"] = f"Basic {encoded}"
    token = options.token
    if options.token_file is not None:
        token = _secret(options.token_file, "token")
    if token is not None:
        if " " in token or not is_one_line(token):
            raise QueryError(_not_one_line(options.token_file or Path("token"), "token"))
        found["Authorization"] = f"Bearer {token}"
    return found


class Trust:
    """The TLS of a client: whom it trusts and what it shows, as its files are now."""

    def __init__(self, options: ServerOptions) -> None:
        self._ca = options.ca_file
        self._certificate, self._key = options.certificate_file, options.key_file
        self._paths = [path for path in (self._ca, self._certificate, self._key) if path]
        self._read: tuple[list[_Stamp], ssl.SSLContext] | None = None

    def context(self) -> ssl.SSLContext:
        """The same context for as long as no file has changed.

        Raises PassingError: files that are replaced one after the other fit together a moment
        later.
        """
        # Looked at before they are read: what changes in between is read again.
        stamps = [_stamp(path) for path in self._paths]
        if self._read is None or self._read[0] != stamps:
            self._read = stamps, self._made()
        return self._read[1]

    def _made(self) -> ssl.SSLContext:
        try:
            made = ssl.create_default_context(cafile=self._ca)
        except (ssl.SSLError, OSError):
            raise PassingError(
                f"{self._ca}: found no certificate, write CA certificates in PEM"
            ) from None
        if self._certificate is not None:
            try:
                # Asked for a passphrase, the operator would wait for someone to type it.
                made.load_cert_chain(self._certificate, self._key, password="")
            except (ssl.SSLError, OSError):
                raise PassingError(
                    f"{self._certificate}, {self._key}: found no certificate with its key, write "
                    "both in PEM, the key without a passphrase"
                ) from None
        return made


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError as error:
        raise PassingError(f"{path}: {error.strerror}") from None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _or_in_file(value: str, path: Path | None, what: str) -> str:
    return value if path is None else _secret(path, what, ascii_only=False)


def _secret(path: Path, what: str, *, ascii_only: bool = True) -> str:
    """The one line in a file. Raises QueryError."""
    try:
        text = path.read_text().strip()
    except OSError as error:
        raise QueryError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable() or (ascii_only and not text.isascii()):
        raise QueryError(_not_one_line(path, what))
    return text


def _not_one_line(path: Path, what: str) -> str:
    return f"{path}: found no {what}, write it on one line"
