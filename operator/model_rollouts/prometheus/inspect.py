"""Reading Prometheus for people, by prometheus-api-client: recordings, checks and notebooks.

Verdicts do not come this way; docs/samples.md has the reasons. What the library leaves open is
closed here: it waits for ever, sleeps for seconds before it gives up, and drops the warnings that
mark a partial answer. The extra `inspect` installs what this module imports.
"""

import io
import ssl
import time
from typing import Any

import msgspec

from model_rollouts.metrics.series import Sample
from model_rollouts.prometheus.client import PASSING
from model_rollouts.prometheus.credentials import Trust, headers
from model_rollouts.prometheus.errors import AnswerError, PassingError, QueryError
from model_rollouts.prometheus.server import ServerOptions

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


def connect(options: ServerOptions, namespace: str = "") -> PrometheusConnect:
    """The library's client for a Prometheus, which gives whole answers or raises.

    `namespace` is what will be asked about, where the tenant depends on it. Certificates are read
    now, credentials for each request.

    Every request of it ends: within `timeout_s`, after so many retries, at `answer_limit`. Proxies
    and passwords of the environment are not used. Where the server does not answer QueryError is
    raised, and where the answer is a part or none of Prometheus' AnswerError. Close it when done.
    """
    session = _Session(options, namespace)
    base = options.api("", namespace).with_query(None)
    made = PrometheusConnect(url=str(base).removesuffix(_API), session=session)
    # The library has mounted an adapter for this address, with the retries that it likes.
    session.mount(made.url, _Adapter(Trust(options).context(), options.server_name))
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
    def __init__(self, options: ServerOptions, namespace: str) -> None:
        super().__init__()
        self._options = options
        # Else a .netrc would take the place of the token, and a proxy stand before a port-forward.
        self.trust_env = False
        # Unless asked otherwise: packing an answer costs the server more than sending it.
        self.headers.update({"Accept-Encoding": "identity"})
        self.params = options.parameters_for(namespace)
        self.auth = _Carried(options, namespace)

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

    def __init__(self, tls: ssl.SSLContext, server_name: str | None) -> None:
        self._tls, self._server_name = tls, server_name
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {"ssl_context": self._tls}
        if self._server_name is not None:
            kwargs |= {"server_hostname": self._server_name, "assert_hostname": self._server_name}
        super().init_poolmanager(*args, **kwargs)

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        pass


class _Carried(AuthBase):
    """Files are replaced while people read: each request carries what is in them then."""

    def __init__(self, options: ServerOptions, namespace: str) -> None:
        self._options, self._namespace = options, namespace

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        r.headers.update(headers(self._options, self._namespace))
        return r


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
