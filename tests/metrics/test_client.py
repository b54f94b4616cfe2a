"""The adapter against a server that misbehaves: a failure is never taken for an empty answer."""

import asyncio
import gc
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from model_rollouts.metrics.answers import Samples
from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.counts import Counted, Unavailable
from model_rollouts.metrics.intake import Intake, Tick
from model_rollouts.metrics.objectives import COMPLETED, GIVEN_UP, SERVER_ERRORS, WITHIN, Template
from model_rollouts.metrics.requests import Request
from model_rollouts.metrics.series import LabelNames
from model_rollouts.metrics.sources import MODEL_SERVER, PROXY, Listener
from model_rollouts.metrics.sources import Counter as CounterMetric
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.decode import SeriesCache
from model_rollouts.prometheus.errors import AnswerError, QueryError, Smaller
from model_rollouts.prometheus.reader import SampleReader
from model_rollouts.prometheus.server import ServerOptions
from tests.metrics.fake_prometheus import GRID, START, STEP, in_pairs, rollout

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
        "envoy_http_conn_manager_prefix": "live",
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

    with pytest.raises(QueryError, match="found no token, write it on one line") as failure:
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
        (_matrix(isPartial=True), "incomplete answer: VictoriaMetrics says isPartial"),
        (
            json.dumps({"status": "error", "errorType": "execution", "error": "boom"}).encode(),
            "execution: boom",
        ),
        (_body(), "success: "),
    ],
)
def test_an_answer_that_cannot_be_counted_on(body: bytes, says: str) -> None:
    with pytest.raises(AnswerError, match=says):
        SeriesCache(LabelNames()).decode({LIVE}, body)


def test_a_series_is_read_by_what_its_labels_say_whatever_else_was_asked() -> None:
    bucket = Template(PROXY, WITHIN, Listener.LIVE, 299.0)
    labels = {**_labels("a"), "__name__": WITHIN.metric}
    body = _matrix(
        {"metric": _labels("a"), "values": [[1, "7"]]},
        {"metric": {**labels, "le": "299.0"}, "values": [[1, "5"]]},
        {"metric": {**labels, "le": "379"}, "values": [[1, "6"]]},
        {"metric": {**labels, "envoy_http_conn_manager_prefix": "shadow"}, "values": [[1, "9"]]},
    )

    found = in_pairs(SeriesCache(LabelNames()).decode({LIVE, bucket}, body))

    assert [(each.template, samples) for each, samples in found] == [
        (LIVE, [(1, "7")]),
        (bucket, [(1, "5")]),
    ]


def test_what_another_rollout_did_not_need_is_read_once_one_does() -> None:
    cache, edges = SeriesCache(LabelNames()), (299.0, 379.0)
    first, second = (Template(PROXY, WITHIN, Listener.LIVE, edge) for edge in edges)
    labels = {**_labels("a"), "__name__": WITHIN.metric}
    shown: list[dict[str, object]] = [
        {"metric": {**labels, "le": f"{edge:g}"}, "values": [[1, "5"]]} for edge in edges
    ]
    body = _matrix(*shown)

    before = in_pairs(cache.decode({first}, body))
    after = in_pairs(cache.decode({second}, body))

    assert [each.template for each, _ in before] == [first]
    assert {each.template for each, _ in after} == {first, second}


def test_a_series_may_count_for_two_templates() -> None:
    every = Template(MODEL_SERVER, CounterMetric("answers_total"))
    bad = Template(MODEL_SERVER, CounterMetric("answers_total", (("code", "500"),)))
    labels = {**_labels("a"), "__name__": "answers_total"}
    body = _matrix(
        {"metric": {**labels, "code": "200"}, "values": [[1, "5"]]},
        {"metric": {**labels, "code": "500"}, "values": [[1, "2"]]},
    )

    found = in_pairs(SeriesCache(LabelNames()).decode({every, bad}, body))

    assert sorted((each.template is bad, samples) for each, samples in found) == [
        (False, [(1, "2")]),
        (False, [(1, "5")]),
        (True, [(1, "2")]),
    ]
    assert len({each.counter for each, _ in found}) == 3


def test_known_series_are_the_same_objects_until_they_are_not_seen_for_a_generation() -> None:
    cache = SeriesCache(LabelNames())
    body = _matrix(
        {"metric": _labels("a"), "values": [[1.5, "3"]]},
        {"metric": {"__name__": "other"}, "values": []},
    )

    ((first, samples),) = in_pairs(cache.decode({LIVE}, body))
    cache.turn()
    ((again, _),) = in_pairs(cache.decode({LIVE}, body))
    cache.turn()
    cache.turn()

    assert again is first
    assert (first.pod, samples) == ("a", [(1.5, "3")])
    assert len(cache) == 0


@pytest.mark.parametrize("pods", ["abc", "cab", "abdc", "ac", "ab"])
def test_samples_are_those_of_their_series_whatever_the_answer_before_had(pods: str) -> None:
    cache = SeriesCache(LabelNames())

    def read(names: str, count: int) -> dict[str, tuple[Template, object]]:
        cache.begin()
        shown: list[dict[str, object]] = [
            {"metric": _labels(name), "values": [[count, f"{ord(name)}"]]} for name in names
        ]
        found = in_pairs(cache.decode({LIVE}, _matrix(*shown)))
        return {each.pod: (each.template, samples) for each, samples in found}

    for count, names in enumerate(("abc", "abc", pods, pods, "abc")):
        known = {name: (LIVE, [(float(count), f"{ord(name)}")]) for name in names}
        assert read(names, count) == known


@pytest.mark.parametrize("body", [_matrix({"metric": _labels("a"), "values": []}), b"{"])
def test_the_collector_is_away_only_while_an_answer_is_there(body: bytes) -> None:
    async def answers(text: str, at_ms: int, namespace: str) -> bytes:
        assert gc.isenabled()
        return body

    asyncio.run(SampleReader(answers, Intake(GRID)).tick([Request(rollout())], START + 2 * STEP))

    assert gc.isenabled()


def test_no_answer_is_no_data() -> None:
    async def away(text: str, at_ms: int, namespace: str) -> bytes:
        raise QueryError("http://prometheus:9090: no answer within 10 s")

    reader = SampleReader(away, Intake(GRID))

    (result,) = asyncio.run(reader.tick([Request(rollout())], START + 2 * STEP)).values()

    assert isinstance(result, Unavailable)
    assert result.finding.message.endswith("no answer within 10 s")


def test_a_tick_reads_counts_and_moves_the_watermark() -> None:
    async def answers(text: str, at_ms: int, namespace: str) -> bytes:
        values = [[START / 1000 - 0.5, "7"], [START / 1000 + 0.5, "9"]]
        none = [[at, "0"] for at, _ in values]
        shown = {COMPLETED: values, GIVEN_UP: none, SERVER_ERRORS: none}
        labels = {**_labels("a"), "envoy_response_code_class": "5"}
        series: list[dict[str, object]] = [
            {"metric": {**labels, "__name__": counter.metric}, "values": samples}
            for counter, samples in shown.items()
        ]
        return _matrix(*series)

    reader = SampleReader(answers, Intake(GRID))

    (result,) = asyncio.run(reader.tick([Request(rollout())], START + 2 * STEP)).values()

    assert isinstance(result, Counted)
    assert [each.arms["candidate"].tallies["errors"].total for each in result.intervals] == [2]
    assert result.watermark.at_ms == START + STEP


def test_others_have_their_turn_while_many_rollouts_are_counted() -> None:
    async def nothing(text: str, at_ms: int, namespace: str) -> bytes:
        return _matrix()

    many = [
        Request(replace(rollout(), key=f"shop/{number}", namespace=f"team-{number}"))
        for number in range(60)
    ]
    intake, turn, counted_in = Intake(GRID), 0, Counter[int]()
    count = intake._counted

    def counts(key: str, tick: Tick, series: Samples) -> Counted:
        counted_in[turn] += 1
        return count(key, tick, series)

    intake._counted = counts  # type: ignore[method-assign]

    async def play() -> None:
        nonlocal turn
        tick = asyncio.create_task(SampleReader(nothing, intake).tick(many, START + 2 * STEP))
        while not tick.done():
            turn += 1
            await asyncio.sleep(0)
        assert len(await tick) == len(many)

    asyncio.run(play())

    assert counted_in.total() == len(many)
    assert max(counted_in.values()) <= 20


def test_what_goes_wrong_in_counting_is_raised_once_all_are_answered() -> None:
    answered = []

    async def nothing(text: str, at_ms: int, namespace: str) -> bytes:
        await asyncio.sleep(0)
        answered.append(namespace)
        return _matrix()

    many = [
        Request(replace(rollout(), key=f"{name}/arrival", namespace=name)) for name in ("a", "b")
    ]
    batching = Batching(apart=lambda namespace: namespace)
    reader = SampleReader(nothing, Intake(GRID, batching))
    counters = reader._intake

    def breaks(key: str, tick: Tick, series: Samples) -> Counted:
        raise ZeroDivisionError(key)

    counters._counted = breaks  # type: ignore[method-assign]

    with pytest.raises(ZeroDivisionError):
        asyncio.run(reader.tick(many, START + 2 * STEP))
    assert sorted(answered) == ["a", "b"]


async def _too_long(_: web.Request) -> web.Response:
    return web.Response(body=b"x" * 2_000)


async def _hangs(_: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


async def _ends(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": "100"})
    await answer.prepare(request)
    assert request.transport is not None
    request.transport.abort()
    return answer


def _says(status: int) -> Handler:
    async def says(_: web.Request) -> web.Response:
        return web.Response(status=status)

    return says


@pytest.mark.parametrize(
    ("handler", "smaller"),
    [
        (_too_long, Smaller.HELPS),
        *((_says(status), Smaller.HELPS) for status in (400, 413, 414, 422)),
        *((_says(status), Smaller.MAY_HELP) for status in (500, 502, 503, 504)),
        (_hangs, Smaller.MAY_HELP),
        (_ends, Smaller.MAY_HELP),
        *((_says(status), Smaller.NO_HELP) for status in (302, 401, 403, 404, 429)),
    ],
)
def test_a_failure_says_whether_a_smaller_question_helps(
    handler: Handler, smaller: Smaller
) -> None:
    with pytest.raises(QueryError) as failure:
        _ask(handler, answer_limit=1_000, timeout_s=0.5)

    assert failure.value.smaller is smaller


def test_a_server_that_is_away_is_not_helped_by_a_smaller_question() -> None:
    async def ask() -> None:
        async with PrometheusClient(ServerOptions("http://127.0.0.1:9", retries=0)) as client:
            await client.query("up[5s]", 0)

    with pytest.raises(QueryError) as failure:
        asyncio.run(ask())

    assert failure.value.smaller is Smaller.NO_HELP
