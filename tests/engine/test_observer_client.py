"""The observer is asked for ids over HTTP: by its own endpoint, and by whatever answers there."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from aiohttp import web
from ephemeral_port_reserve import reserve
from prometheus_client import CollectorRegistry

from model_rollouts.engine.observer_client import LARGEST_ANSWER, ObserverClient, ObserverError
from model_rollouts.observer.compare import Case, Worst
from model_rollouts.observer.exporter.http import application
from model_rollouts.observer.inputs import InputMovement, InputsReport
from model_rollouts.resources.observer_address import shard
from model_rollouts.rollout import InputMoved, InputsSeen
from model_rollouts.rollout.observed import CasesQuery

NAMESPACE, MODEL, REVISION = "shop", "ranking", "ranking-2222222222"
SINCE_MS = 1_700_000_000_000
DIGEST, OTHER = "0a1b2c3d", "99999999"
QUERY = CasesQuery(REVISION, (("answers", DIGEST),), SINCE_MS, 1)
WITHIN_S = 0.3


def id_of(number: int, at_ms: int = SINCE_MS + 1) -> str:
    """A prediction id as the proxies make it."""
    return f"{at_ms}.ranking-1111111111.6b1a4d30-0000-4000-8000-{number:012}"


def case(prediction_id: str, score: float = 1.0, comparison: str = DIGEST) -> Case:
    return Case(prediction_id, "r", "", comparison, "differs", score, "cat", "dog")


@contextlib.asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[ObserverClient]:
    runner, port = web.AppRunner(app, handler_cancellation=True), reserve()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        async with ObserverClient(f"127.0.0.1:{port}", WITHIN_S) as client:
            yield client
    finally:
        await runner.cleanup()


async def asked(app: web.Application, query: CasesQuery = QUERY) -> Any:
    async with serving(app) as client:
        return await client.cases(NAMESPACE, MODEL, query)


def observer(*cases: Case) -> web.Application:
    """The observer's own endpoints, with these cases of the revision."""
    worst: dict[str, Worst] = {}
    for each in cases:
        worst.setdefault(each.comparison, Worst()).add(each)
    return application(CollectorRegistry(), {(NAMESPACE, MODEL, REVISION): worst}, {}, lambda: "")


def answering(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.Application:
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    return app


def test_the_worst_three_of_each_comparison_are_named() -> None:
    cases = [case(id_of(number), number) for number in range(50)]
    others = [case(id_of(number), number, OTHER) for number in (101, 100)]
    query = CasesQuery(REVISION, (("answers", DIGEST), ("scores", OTHER)), SINCE_MS, 1)

    found = asyncio.run(asked(observer(*cases, *others), query))

    assert found == {
        "answers": (id_of(49), id_of(48), id_of(47)),
        "scores": (id_of(101), id_of(100)),
    }


REFERENCE = f"sha256:{'0a' * 32}"


def reporting(**changes: Any) -> web.Application:
    """The observer's own endpoint, with a report of inputs."""
    inputs = (
        InputMovement("hour", True, 0.25, 0.05, "25 % in 0-5,\n was 0 %", 0.5),
        InputMovement("miles", False, 0.01, 0.05, "5 % in 0-9, was 4 %", None),
    )
    report = InputsReport(REFERENCE, "", "2026-11-20", "2026-11-26", 1_680, inputs)
    report = msgspec.structs.replace(report, **changes)
    return application(CollectorRegistry(), {}, {(NAMESPACE, MODEL): report}, lambda: "")


async def inputs_of(app: web.Application, reference: str = REFERENCE) -> InputsSeen:
    async with serving(app) as client:
        return await client.inputs(NAMESPACE, MODEL, reference)


def test_inputs_that_moved_are_told_in_one_line_each() -> None:
    found = asyncio.run(inputs_of(reporting()))

    moved = (InputMoved("hour", "25 % in 0-5, was 0 %"),)
    assert found == InputsSeen(REFERENCE, 0.0, moved, 1_680, "2026-11-20", "2026-11-26")


@pytest.mark.parametrize(
    ("app", "reference"),
    [
        (observer(), REFERENCE),
        (reporting(), "sha256:another"),
        (reporting(why="2 of the last 7 days have requests", inputs=()), REFERENCE),
    ],
)
def test_what_was_not_compared_with_this_reference_did_not_move(
    app: web.Application, reference: str
) -> None:
    assert asyncio.run(inputs_of(app, reference)).moved == ()


def test_what_is_no_report_is_an_error() -> None:
    async def text(_: web.Request) -> web.Response:
        return web.json_response({"reference": REFERENCE, "inputs": "all of them"})

    with pytest.raises(ObserverError, match="/inputs: "):
        asyncio.run(inputs_of(answering(text)))


def test_only_ids_of_this_trial_that_our_proxies_made_are_named() -> None:
    strange = (
        "",
        "p1",
        f"{SINCE_MS + 1}.ranking-1.<script>",
        f"{SINCE_MS + 1}.ranking-1.my secret is 1234",
        f"{SINCE_MS + 1}.ranking-1.{'x' * 65}",
        id_of(1) + "\n",
        id_of(2, at_ms=SINCE_MS - 1),
    )

    found = asyncio.run(asked(observer(*(case(each, 9) for each in strange), case(id_of(3)))))

    assert found == {"answers": (id_of(3),)}


def test_a_revision_that_the_observer_does_not_know_has_none() -> None:
    assert asyncio.run(asked(observer())) == {"answers": ()}


def test_each_model_is_asked_about_at_its_own_shard() -> None:
    async def story() -> str:
        async with ObserverClient("nobody-{shard}.invalid:9801", WITHIN_S) as client:
            with pytest.raises(ObserverError) as raised:
                await client.cases(NAMESPACE, MODEL, QUERY)
        return str(raised.value)

    assert asyncio.run(story()).startswith(
        f"http://nobody-{shard(NAMESPACE, MODEL)}.invalid:9801/v1/namespaces/shop/models/ranking/"
    )


async def _hangs(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def _trickles(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.01)


async def _is_huge(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(LARGEST_ANSWER // 1024 + 2):
        await response.write(b" " * 1024)
    return response


async def _breaks_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"[")
    assert request.transport is not None
    request.transport.abort()
    return response


def _says(text: str, status: int = 200, **headers: str) -> Any:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=status, headers=headers)

    return handler


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        pytest.param(_hangs, "no answer within 0.3 s", id="hangs"),
        pytest.param(_trickles, "no answer within 0.3 s", id="never ends"),
        pytest.param(_is_huge, "the answer exceeds 262,144 bytes", id="is huge"),
        pytest.param(_breaks_off, "disagreements: ", id="breaks off"),
        pytest.param(_says("[", 503), "HTTP 503", id="is busy"),
        pytest.param(_says("", 302, Location="http://127.0.0.1:1/"), "HTTP 302", id="elsewhere"),
        pytest.param(_says("<html>"), "disagreements: ", id="is another server"),
        pytest.param(_says(json.dumps([{"prediction_id": 7}])), "`str`", id="has numbers"),
        pytest.param(_says(json.dumps({"cases": []})), "`array`", id="is of another form"),
    ],
)
def test_whatever_else_answers_is_one_sentence(handler: Any, told: str) -> None:
    with pytest.raises(ObserverError, match=told):
        asyncio.run(asked(answering(handler)))
