"""Reading for people, from a server that misbehaves: what is no whole answer is raised and told."""

import asyncio
import contextlib
import gzip
import json
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_api_client.prometheus_connect import PrometheusConnect

from model_rollouts.prometheus.errors import AnswerError, QueryError
from model_rollouts.prometheus.inspect import connect, raw_samples
from model_rollouts.prometheus.server import ServerOptions

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Ask = Callable[[PrometheusConnect], Any]

AT_MS = 1_700_000_000_123


def samples(server: PrometheusConnect) -> Any:
    return raw_samples(server, "up[5s]", AT_MS)


def _ask(
    handler: Handler,
    ask: Ask = samples,
    *,
    certified: ssl.SSLContext | None = None,
    **options: object,
) -> Any:
    """What `ask` makes of a server whose API is `handler`, over TLS when it is `certified`."""

    async def served() -> Any:
        app = web.Application()
        app.router.add_get("/api/v1/{call:.*}", handler)
        server = TestServer(app)
        await server.start_server(ssl=certified)
        try:
            fields: dict[str, Any] = {"retry_after_s": 0.0, "token": "sesame", **options}
            made = ServerOptions(str(server.make_url("/")), **fields)
            with contextlib.closing(connect(made)) as client:
                return await asyncio.to_thread(ask, client)
        finally:
            await server.close()

    return asyncio.run(served())


def _says(body: bytes, status: int = 200) -> Handler:
    async def says(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    return says


def _matrix(*series: object, **envelope: object) -> bytes:
    data = {"resultType": "matrix", "result": series}
    return json.dumps({"status": "success", "data": data, **envelope}).encode()


def test_samples_come_as_they_were_sent() -> None:
    sent = [[1, "0.1"], [1.5, "1e-7"], [1700000000.123, "NaN"], [2, "9007199254740993"]]

    found = _ask(_says(_matrix({"metric": {"pod": "a"}, "values": sent})))

    assert found == [({"pod": "a"}, [(at, value) for at, value in sent])]
    assert {type(at) for at, _ in found[0][1]} == {float}


def test_queries_carry_their_time_and_the_token() -> None:
    asked = []

    async def listens(request: web.Request) -> web.Response:
        asked.append((dict(request.query), request.headers["Authorization"]))
        return web.Response(body=_matrix())

    _ask(listens)

    assert asked == [({"query": "up[5s]", "time": "1700000000.123"}, "Bearer sesame")]


def test_a_token_in_a_file_is_read_for_each_request(tmp_path: Path) -> None:
    path = tmp_path / "token"
    asked = []

    async def listens(request: web.Request) -> web.Response:
        asked.append(request.headers["Authorization"])
        return web.Response(body=_matrix())

    def twice(server: PrometheusConnect) -> None:
        for token in ("first", "second"):
            path.write_text(f"{token}\n")
            samples(server)

    _ask(listens, twice, token=None, token_file=path)

    assert asked == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("content", [b"", b"sesame\nopen", b"sesame open", "sésame".encode()])
def test_what_is_no_token_is_not_sent_and_not_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)

    with pytest.raises(QueryError, match="found no token") as failure:
        _ask(_says(_matrix()), token=None, token_file=path)

    assert str(path) in str(failure.value)
    assert "same" not in str(failure.value).removeprefix(str(path))


def test_the_environment_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    asked = []

    async def listens(request: web.Request) -> web.Response:
        asked.append(request.headers["Authorization"])
        return web.Response(body=_matrix())

    _ask(listens)

    assert asked == ["Bearer sesame"]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_passing_failure_is_asked_again(status: int) -> None:
    statuses = iter([status, 200])

    async def recovers(_: web.Request) -> web.Response:
        return web.Response(status=next(statuses), body=_matrix())

    assert _ask(recovers) == []


@pytest.mark.parametrize(
    ("status", "times", "says"),
    [
        (400, 1, "too many samples"),
        (401, 1, "too many samples; use a token"),
        (403, 1, "too many samples; use a token"),
        (302, 1, "it redirects, write the address of Prometheus itself"),
        (500, 1, "too many samples"),
        (503, 3, "too many samples"),
    ],
)
def test_other_failures_say_what_the_server_said(status: int, times: int, says: str) -> None:
    asked = []

    async def fails(request: web.Request) -> web.Response:
        asked.append(request)
        headers = {"Location": "/login", "Retry-After": "3600"}
        return web.Response(status=status, text="too many samples", headers=headers)

    with pytest.raises(QueryError, match=f"/api/v1/query: HTTP {status}: .*{says}") as failure:
        _ask(fails, retries=2)

    assert len(asked) == times
    assert "sesame" not in str(failure.value)


@pytest.mark.parametrize("begins", [False, True], ids=["never begins", "never ends"])
def test_a_server_that_hangs_is_given_up(begins: bool) -> None:
    asked = []

    async def hangs(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        answer = web.StreamResponse()
        if begins:
            await answer.prepare(request)
        await asyncio.get_running_loop().create_future()
        return answer

    with pytest.raises(QueryError, match=r"/api/v1/query: no answer within 0\.1 s"):
        _ask(hangs, timeout_s=0.1)

    assert len(asked) == 1


def test_an_answer_in_drops_has_the_same_time() -> None:
    async def drips(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(50_000):
                await answer.write(b" ")
                await asyncio.sleep(0)
        return answer

    with pytest.raises(QueryError, match=r"no answer within 0\.1 s"):
        _ask(drips, timeout_s=0.1)


def test_a_server_that_is_away_is_told_by_its_address_alone() -> None:
    with (
        contextlib.closing(
            connect(ServerOptions("http://127.0.0.1:9", retry_after_s=0.0))
        ) as client,
        pytest.raises(QueryError, match=r"http://127\.0\.0\.1:9/api/v1/query: ") as failure,
    ):
        samples(client)

    assert "refused" in str(failure.value)
    assert "up[5s]" not in str(failure.value)


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_beyond_the_limit_is_not_read(packed: bool) -> None:
    async def floods(_: web.Request) -> web.Response:
        body = b"x" * 2_000_000
        headers = {"Content-Encoding": "gzip"} if packed else {}
        return web.Response(body=gzip.compress(body) if packed else body, headers=headers)

    with pytest.raises(QueryError, match="exceeds 1,000,000 bytes"):
        _ask(floods, answer_limit=1_000_000)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<html>login</html>", "not an answer from Prometheus.*: <html>login</html>"),
        (_matrix(warnings=["store b is down"]), "incomplete answer: store b is down"),
        (_matrix({"metric": {}, "values": [[1, 2]]}), "write a range selector"),
        (_matrix({"metric": {"a": "b"}, "value": [1, "2"]}), "write a range selector"),
        (b'{"status":"error","errorType":"execution","error":"boom"}', "execution: boom"),
        (b'{"status":"success"}', "success: "),
        (b'{"status":"success","data":null}', "success: "),
    ],
)
def test_an_answer_that_cannot_be_counted_on(body: bytes, says: str) -> None:
    with pytest.raises(AnswerError, match=says):
        _ask(_says(body))


@pytest.mark.parametrize(
    "ask",
    [
        lambda server: server.custom_query("up"),
        lambda server: server.get_label_values("job"),
        lambda server: server.get_targets(),
    ],
)
def test_no_call_of_the_library_takes_a_part_for_the_whole(ask: Ask) -> None:
    with pytest.raises(AnswerError, match="incomplete answer: store b is down"):
        _ask(_says(_matrix(warnings=["store b is down"])), ask)


def test_a_ca_of_ones_own_is_trusted_and_no_other(tmp_path: Path) -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.issue_cert("127.0.0.1").configure_cert(server_side)
    trusted, strange = tmp_path / "ours.pem", tmp_path / "theirs.pem"
    ours.cert_pem.write_to_path(trusted)
    theirs.cert_pem.write_to_path(strange)

    assert _ask(_says(_matrix()), certified=server_side, ca_file=trusted) == []
    for stranger in (strange, None):
        with pytest.raises(QueryError, match="certificate"):
            _ask(_says(_matrix()), certified=server_side, ca_file=stranger)


def test_the_operator_loads_nothing_of_it() -> None:
    # The kubernetes client loads requests, so only an import contract can tell who else does.
    program = (
        "import sys, model_rollouts.cli.run, model_rollouts.engine.wiring\n"
        "print(sorted({'dateparser', 'pandas', 'prometheus_api_client',"
        " 'model_rollouts.prometheus.inspect'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program]

    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[]\n"
