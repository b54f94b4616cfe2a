"""Reading Prometheus for people, by prometheus-api-client: recordings, checks and notebooks.

Verdicts do not come this way; docs/samples.md has the reasons. What the library leaves open is
closed here: it waits for ever, sleeps for seconds before it gives up, and drops the warnings that
mark a partial answer. The extra `inspect` installs what this module imports.
"""

import io
import ssl
import time
from pathlib import Path
from typing import Any

import msgspec

from model_rollouts.metrics.series import Sample
from model_rollouts.prometheus.client import PASSING, PassingError, QueryError, ServerOptions
from model_rollouts.prometheus.decode import AnswerError

try:
    from prometheus_api_client.prometheus_connect import PrometheusConnect
    from requests import PreparedRequest, RequestException, Response, Session, Timeout
    from requests.adapters import HTTPAdapter
    from requests.auth import AuthBase
    from urllib3.exceptions import HTTPError, ReadTimeoutError
except ImportError as error:
    raise ImportError(
        f"found no module '{error.name}', which reading Prometheus in a notebook needs; "
        "run pip install 'model-rollouts[inspect]'",
        name=error.name,
    ) from error

_API = "/api/v1/"
_CHUNK = 2**18


def connect(options: ServerOptions) -> PrometheusConnect:
    """The library's client for a Prometheus, which gives whole answers or raises.

    Every request of it ends: within `timeout_s`, after so many retries, at `answer_limit`. Proxies
    and passwords of the environment are not used. Where the server does not answer QueryError is
    raised, and where the answer is a part or none of Prometheus' AnswerError. Close it when done.
    """
    session = _Session(options)
    made = PrometheusConnect(url=options.url.rstrip("/"), session=session)
    # The library has mounted an adapter for this address, with the retries that it likes.
    session.mount(made.url, _Adapter(options.tls or ssl.create_default_context()))
    return made


def raw_samples(
    server: PrometheusConnect, selector: str, at_ms: int
) -> list[tuple[dict[str, str], list[Sample]]]:
    """Labels and samples of each series that a range selector gives at `at_ms` (Unix milliseconds).

    The samples are those of Prometheus to the last digit. Raises QueryError or AnswerError.
    """
    found = server.custom_query(selector, params={"time": f"{at_ms / 1000:.3f}"})
    try:
        series = msgspec.convert(found, list[_Series])
    except msgspec.ValidationError as error:
        raise AnswerError(
            f"{server.url}: found {error}; write a range selector, such as up[5m]"
        ) from error
    return [(each.metric, each.values) for each in series]


class _Series(msgspec.Struct, gc=False):
    metric: dict[str, str]
    values: list[Sample]


class _Envelope(msgspec.Struct, gc=False):
    status: str
    data: msgspec.Raw = msgspec.Raw()
    error: str = ""
    errorType: str = ""  # noqa: N815 - the name on the wire
    warnings: list[str] = []


class _Session(Session):
    def __init__(self, options: ServerOptions) -> None:
        super().__init__()
        self._options = options
        # Else a .netrc would take the place of the token, and a proxy stand before a port-forward.
        self.trust_env = False
        # Unless asked otherwise: packing an answer costs the server more than sending it.
        self.headers.update({"Accept-Encoding": "identity", **dict(options.headers)})
        if options.user is not None:
            self.auth = (options.user, options.password)
        elif options.token is not None or options.token_file is not None:
            self.auth = _Bearer(options.token, options.token_file)

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> Response:
        """As in requests, with an answer that was read in full and is one of Prometheus."""
        for _ in range(self._options.retries):
            try:
                return self._request_once(method, url, *args, **kwargs)
            except PassingError:
                time.sleep(self._options.retry_after_s)
        return self._request_once(method, url, *args, **kwargs)

    def _request_once(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        timeout_s = kwargs.get("timeout") or self._options.timeout_s
        deadline = time.monotonic() + timeout_s
        kwargs |= {"timeout": timeout_s, "stream": True, "allow_redirects": False}
        try:
            response = super().request(method, url, *args, **kwargs)
            try:
                body = self._read(url, response, deadline)
            except BaseException:
                response.close()
                raise
        except (Timeout, ReadTimeoutError, TimeoutError):
            # A server that is too slow now is not helped by asking again.
            raise QueryError(
                f"{url}: no answer within {timeout_s:g} s; ask for less, or raise timeout_s"
            ) from None
        except (RequestException, HTTPError) as error:
            raise PassingError(
                f"{url}: {_reason(error)}; check that it is running and reachable"
            ) from None
        if _API in url:
            _check(url, response, body)
        # The library reads it from here.
        response.raw = io.BytesIO(body)
        return response

    def _read(self, url: str, response: Response, deadline: float) -> bytes:
        body = bytearray()
        while part := response.raw.read1(_CHUNK, decode_content=True):
            body += part
            if len(body) > self._options.answer_limit:
                raise QueryError(
                    f"{url}: the answer exceeds {self._options.answer_limit:,} bytes; "
                    "ask for fewer series or a shorter time, or raise answer_limit"
                )
            if time.monotonic() > deadline:
                raise TimeoutError
        return bytes(body)


class _Adapter(HTTPAdapter):
    """Trusts what the context trusts, and not also the certificates that requests brings along."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._tls, **kwargs)

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        pass


class _Bearer(AuthBase):
    """Tokens in files are replaced while people read: each request reads its own."""

    def __init__(self, token: str | None, path: Path | None) -> None:
        self._token, self._path = token, path

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        token = self._token if self._path is None else _in_file(self._path)
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            # Said here, because requests would show it.
            raise QueryError(
                f"{self._path or 'token'}: found no token, write one token on one line"
            )
        r.headers["Authorization"] = f"Bearer {token}"
        return r


def _in_file(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise QueryError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        return ""


def _check(url: str, response: Response, body: bytes) -> None:
    """Raise unless the body is the whole answer of a Prometheus."""
    status = response.status_code
    shown = body[:300].decode(errors="replace").strip() or "no body"
    if status != 200:
        kind = PassingError if status in PASSING else QueryError
        raise kind(f"{url}: HTTP {status}: {shown}{_what_to_do(status)}")
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
    except msgspec.DecodeError as error:
        raise AnswerError(
            f"{url}: not an answer from Prometheus ({error}): {shown}; write the address of its API"
        ) from None
    if envelope.status != "success" or bytes(envelope.data) in (b"", b"null"):
        raise AnswerError(f"{url}: {envelope.errorType or envelope.status}: {envelope.error}")
    if envelope.warnings:
        raise AnswerError(
            f"{url}: incomplete answer: {'; '.join(envelope.warnings)}; "
            "ask again when all of its stores answer"
        )


def _what_to_do(status: int) -> str:
    if status in (401, 403):
        return "; use a token that may read from it"
    if 300 <= status < 400:
        return "; it redirects, write the address of Prometheus itself"
    return ""


def _reason(error: Exception) -> str:
    """What went wrong, without the query that urllib3 tells too."""
    inner = error.args[0] if error.args else error
    return str(getattr(inner, "reason", None) or inner)
