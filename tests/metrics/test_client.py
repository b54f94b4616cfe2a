"""The adapter against a server that misbehaves: a failure is never taken for an empty answer."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from model_rollouts.metrics.counts import Counted, Unavailable
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import COMPLETED, Template
from model_rollouts.metrics.requests import Request
from model_rollouts.metrics.series import LabelNames
from model_rollouts.metrics.sources import PROXY, Listener
from model_rollouts.prometheus.client import PrometheusClient, QueryError, ServerOptions
from model_rollouts.prometheus.decode import AnswerError, SeriesCache
from model_rollouts.prometheus.reader import SampleReader
from tests.metrics.fake_prometheus import GRID, START, STEP, rollout

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LIVE = Template(PROXY, COMPLETED, Listener.LIVE)


def _ask(handler: Handler, **options: object) -> bytes:
    async def ask() -> bytes:
        app = web.Application()
        app.router.add_post("/api/v1/query", handler)
        async with TestServer(app) as server:
            url = str(server.make_url("/"))
            fields = {"retry_after_s": 0.0, "token": "sesame", **options}
            async with PrometheusClient(ServerOptions(url, **fields)) as client:  # type: ignore[arg-type]
                return await client.query("up[5s]", 1_700_000_000_123)

    return asyncio.run(ask())


def _body(**envelope: object) -> bytes:
    return json.dumps({"status": "success", **envelope}).encode()


def _matrix(*series: dict[str, object], **envelope: object) -> bytes:
    return _body(data={"resultType": "matrix", "result": series}, **envelope)


def _labels(pod: str) -> dict[str, str]:
    return {
        "__name__": COMPLETED.metric,
        "namespace": "shop",
        "modelrollouts_revision": "new",
        "pod": pod,
    }


def test_queries_are_posted_with_time_and_credentials() -> None:
    async def echo(request: web.Request) -> web.Response:
        form = await request.post()
        return web.json_response([form["query"], form["time"], request.headers["Authorization"]])

    assert json.loads(_ask(echo)) == ["up[5s]", "1700000000.123", "Bearer sesame"]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"sesame\nopen", "sésame".encode()])
def test_a_file_without_a_token_is_told_and_not_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)

    async def never(request: web.Request) -> web.Response:
        raise AssertionError(request)

    with pytest.raises(QueryError, match="a token is one line of ASCII text") as failure:
        _ask(never, token=None, token_file=path)
    assert "same" not in str(failure.value).removeprefix(str(path))


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_passing_failure_is_asked_again(status: int) -> None:
    statuses = iter([status, 200])

    async def recovers(_: web.Request) -> web.Response:
        return web.Response(status=next(statuses), text="answer")

    assert _ask(recovers) == b"answer"


@pytest.mark.parametrize(
    ("status", "times"), [(400, 1), (401, 1), (422, 1), (500, 1), (302, 1), (503, 2)]
)
def test_other_failures_say_what_the_server_said(status: int, times: int) -> None:
    asked = []

    async def fails(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response(status=status, text="query processing would load too many samples")

    with pytest.raises(QueryError, match=rf"HTTP {status}: query processing") as failure:
        _ask(fails)
    assert len(asked) == times
    assert "sesame" not in str(failure.value)


def test_a_server_that_hangs_is_given_up() -> None:
    async def hangs(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    with pytest.raises(QueryError, match=r"no answer within 0\.1 s"):
        _ask(hangs, timeout_s=0.1)


def test_a_server_that_is_away_is_told_by_its_address() -> None:
    async def ask() -> None:
        options = ServerOptions("http://127.0.0.1:9", retry_after_s=0.0)
        async with PrometheusClient(options) as client:
            await client.query("up[5s]", 0)

    with pytest.raises(QueryError, match=r"http://127\.0\.0\.1:9/api/v1/query: "):
        asyncio.run(ask())


def test_an_answer_beyond_the_limit_is_not_read() -> None:
    async def floods(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 2_000_000)

    with pytest.raises(QueryError, match="exceeds 1,000,000 bytes"):
        _ask(floods, answer_limit=1_000_000)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<html>login</html>", "not an answer from Prometheus"),
        (_body(data={"resultType": "vector", "result": []}), "not an answer from Prometheus"),
        (_matrix({"metric": {}, "values": [[1, 2]]}), "not an answer from Prometheus"),
        (_matrix({"metric": {"a": 1}, "values": []}), "not an answer from Prometheus"),
        (_matrix(warnings=["store b is down"]), "incomplete answer: store b is down"),
        (
            json.dumps({"status": "error", "errorType": "execution", "error": "boom"}).encode(),
            "execution: boom",
        ),
        (_body(), "success: "),
    ],
)
def test_an_answer_that_cannot_be_counted_on(body: bytes, says: str) -> None:
    with pytest.raises(AnswerError, match=says):
        SeriesCache(LabelNames()).decode(LIVE, body)


def test_known_series_are_the_same_objects_until_they_are_not_seen_for_a_generation() -> None:
    cache = SeriesCache(LabelNames())
    body = _matrix(
        {"metric": _labels("a"), "values": [[1.5, "3"]]},
        {"metric": {"__name__": "other"}, "values": []},
    )

    ((first, samples),) = cache.decode(LIVE, body)
    cache.turn()
    ((again, _),) = cache.decode(LIVE, body)
    cache.turn()
    cache.turn()

    assert again is first
    assert (first.pod, samples) == ("a", [(1.5, "3")])
    assert len(cache) == 0


def test_no_answer_is_no_data() -> None:
    async def away(text: str, at_ms: int) -> bytes:
        raise QueryError("http://prometheus:9090: no answer within 10 s")

    reader = SampleReader(away, Intake(GRID))

    (result,) = asyncio.run(reader.tick([Request(rollout())], START + 2 * STEP)).values()

    assert isinstance(result, Unavailable)
    assert result.finding.message.endswith("no answer within 10 s")


def test_a_tick_reads_counts_and_moves_the_watermark() -> None:
    async def answers(text: str, at_ms: int) -> bytes:
        if not text.startswith(COMPLETED.metric):
            return _matrix()
        values = [[START / 1000 - 0.5, "7"], [START / 1000 + 0.5, "9"]]
        return _matrix({"metric": _labels("a"), "values": values})

    reader = SampleReader(answers, Intake(GRID))

    (result,) = asyncio.run(reader.tick([Request(rollout())], START + 2 * STEP)).values()

    assert isinstance(result, Counted)
    assert [each.arms["candidate"].tallies["errors"].total for each in result.intervals] == [2]
    assert result.watermark.at_ms == START + STEP
