"""The whole operator where answers are compared: it names the worst ones, and waits for none."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from e2e.fixtures import ApiServer
from model_rollouts.api.disagreement import Disagreement, comparison
from model_rollouts.api.status import ObjectiveStatus, Status
from model_rollouts.observer.compare import Case, Worst
from model_rollouts.observer.exporter.counters import Revision
from model_rollouts.observer.exporter.http import application
from model_rollouts.resources.capture import Observer
from tests.engine.whole_operator import MARKS, NAME, ON, SETTINGS, Play, Whole, play, promoted
from tests.kubernetes_clients import until

pytestmark = MARKS

COMPARED = {"of": "Label", "output": "species"}
DIGEST = comparison(Disagreement.model_validate(COMPARED))
ANSWERS = {
    "name": "answers",
    "type": "Disagreement",
    "disagreement": COMPARED,
    "limits": {"good": "1%", "bad": "5%"},
}
OBSERVED = replace(
    SETTINGS, proxy=replace(SETTINGS.proxy, observer=Observer("o-{shard}.invalid:9800", "CA"))
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def playing(api_server: ApiServer, namespace: str) -> Play:
    """Plays a story in a namespace of its own."""
    return lambda story: play(api_server, namespace, story)


class Told:
    """The observer's HTTP endpoints, which may hang."""

    def __init__(self) -> None:
        self.worst: dict[Revision, dict[str, Worst]] = {}
        self.hangs = False
        self.asked = 0
        self.address = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Told"]:
        """Serves until the end of the context."""
        app = application(CollectorRegistry(), self.worst, {}, lambda: "")

        @web.middleware
        async def hang(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.asked += 1
            if self.hangs:
                await asyncio.Event().wait()
            return await handler(request)

        app.middlewares.append(hang)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.address = f"127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()

    def knows(self, namespace: str, revision: str, ids: list[str]) -> None:
        """These are the worst answers of a revision, the worst first."""
        worst = Worst()
        for score, each in enumerate(reversed(ids), 1):
            worst.add(Case(each, "r", "", DIGEST, "differs", float(score), "cat", "dog"))
        self.worst[namespace, NAME, revision] = {DIGEST: worst}


async def apply(whole: Whole, version: str, compared: Mapping[str, str] = COMPARED) -> None:
    """Apply a version whose answers are compared."""
    answers = {**ANSWERS, "disagreement": dict(compared)}
    manifest = whole.written_as(version, ("50%",), answers, shadow=ON)
    manifest["spec"]["capture"] = {"sample": "100%"}
    await whole.direct.apply(manifest)


def answers(status: Status) -> ObjectiveStatus:
    """How the objective stands."""
    return next(each for each in status.objectives if each.name == ANSWERS["name"])


def test_worst_answers_are_named_and_an_observer_that_hangs_delays_no_rollback(
    playing: Play,
) -> None:
    async def story(whole: Whole) -> None:
        whole.prometheus.comparison = DIGEST
        whole.prometheus.differing = {"v2": 0.3, "v3": 0.3}
        async with (
            Told().running() as observer,
            whole.operator(settings=OBSERVED, observer_http_address=observer.address),
        ):
            await apply(whole, "v1")
            await whole.told("Full", "v1")

            observer.hangs = True
            await apply(whole, "v2")
            silent = await whole.told("RolledBack", "v2")
            assert observer.asked > 0
            assert answers(silent).verdict == "Fail"
            assert answers(silent).worst_predictions is None
            assert whole.prometheus.requests_of("v2") == 0

            observer.hangs = False
            await apply(whole, "v3")

            async def begun() -> Any:
                status = await whole.status()
                return status.candidate is not None and status.candidate.version == "v3" and status

            starting = await until(begun, "version v3 is not begun")
            # They began after the trial did.
            ids = [
                f"{round(time.time() * 1000) + 60_000}.{starting.stable.revision}.request-{number}"
                for number in range(5)
            ]
            observer.knows(whole.direct.namespace, starting.candidate.revision, ids)
            await whole.told("RolledBack", "v3")

            async def named() -> Any:
                return answers(await whole.status()).worst_predictions

            await until(named, "no answer is named")
            assert list(await named()) == ids[:3]

    playing(story)


def test_another_pod_of_stable_gets_a_part_of_the_mirrored_requests(playing: Play) -> None:
    async def story(whole: Whole) -> None:
        itself = {**COMPARED, "against": "Self"}
        whole.prometheus.comparison = comparison(Disagreement.model_validate(itself))
        async with whole.operator(settings=OBSERVED):
            await apply(whole, "v1")
            await whole.told("Full", "v1")
            await apply(whole, "v2", itself)
            await whole.told("Shadow", "v2")

            async def mirrored() -> list[tuple[str, int]] | None:
                found = [
                    (each["requestMirror"]["backendRef"]["name"], each["requestMirror"]["percent"])
                    for each in (await whole.route())["spec"]["rules"][0].get("filters", ())
                    if each["requestMirror"].get("percent")
                ]
                return found if len(found) == 2 else None

            first = await until(mirrored, "nothing is mirrored twice")
            await promoted(whole)
            stable, candidate = (await whole.status()).history[1::-1]
            assert first == [
                (f"{candidate.revision}-shadow", 10),
                (f"{stable.revision}-shadow", 1),
            ]

    playing(story)
