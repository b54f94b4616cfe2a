"""The model server, run as it runs in its image: its switches do what they say."""

import asyncio
import contextlib
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
from ephemeral_port_reserve import reserve

from e2e.cluster.images import FOLDERS

PROGRAM = FOLDERS / "model-server" / "server.py"
REQUESTS = 400


@contextlib.asynccontextmanager
async def model(**switches: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with a running model server; the server is ended by pid."""
    port, shadow = reserve(), reserve()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROGRAM)),
        env={
            **os.environ,
            "MODEL_VERSION": "7",
            "PORT": str(port),
            "SHADOW_PORT": str(shadow),
            **switches,
        },
    )
    try:
        async with (
            asyncio.timeout(60),
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
        ):
            await _healthy(session)
            yield session
    finally:
        with contextlib.suppress(ProcessLookupError):  # one that crashes may be gone already
            process.terminate()
        await process.wait()


async def _healthy(session: aiohttp.ClientSession) -> None:
    while True:
        with contextlib.suppress(aiohttp.ClientError):
            async with session.get("/healthz") as answer:
                if answer.ok:
                    return
        # A port that is not open yet announces itself nowhere.
        await asyncio.sleep(0.02)


async def _statuses(**switches: str) -> list[int]:
    async with model(**switches) as session:
        found = []
        for _ in range(REQUESTS):
            async with session.post("/predict") as answer:
                assert answer.headers["x-model-version"] == "7"
                found.append(answer.status)
        return found


def test_it_answers_without_error_unless_told_otherwise() -> None:
    assert Counter(asyncio.run(_statuses())) == {200: REQUESTS}


def test_errors_come_at_the_given_share_and_the_same_for_a_seed() -> None:
    once = asyncio.run(_statuses(ERRORS="0.25", SEED="3"))
    again = asyncio.run(_statuses(ERRORS="0.25", SEED="3"))
    other = asyncio.run(_statuses(ERRORS="0.25", SEED="4"))

    assert once == again != other
    # 100 expected; outside of this range for one seed in a million. The seeds here are fixed.
    assert 60 < Counter(once)[500] < 145


def test_a_hung_model_takes_requests_and_looks_healthy() -> None:
    async def hung() -> tuple[str, int, str]:
        async with model(HANG="true") as session:
            try:
                async with session.post("/predict", timeout=aiohttp.ClientTimeout(0.3)) as answer:
                    told = str(answer.status)
            except TimeoutError:
                told = "timeout"
            async with session.get("/healthz") as health, session.get("/metrics") as metrics:
                return told, health.status, await metrics.text()

    told, health, metrics = asyncio.run(hung())

    assert (told, health) == ("timeout", 200)
    assert 'model_answers_total{mirrored="false",version="7"} 0.0' in metrics


def test_requests_about_long_flights_may_fail_more_often_than_others() -> None:
    async def both() -> list[set[int]]:
        async with model(LONG_ERRORS="1") as session:
            found = []
            for haul in ("long", "short"):
                async with session.post("/predict", headers={"x-haul": haul}) as answer:
                    found.append({answer.status})
            return found

    assert asyncio.run(both()) == [{500}, {200}]


def test_latency_is_added_to_every_answer() -> None:
    async def slow() -> float:
        async with model(LATENCY="0.2") as session:
            begun = asyncio.get_running_loop().time()
            async with session.post("/predict") as answer:
                assert answer.ok
            return asyncio.get_running_loop().time() - begun

    assert asyncio.run(slow()) >= 0.2


def test_refusals_come_at_the_given_share_beside_errors() -> None:
    found = Counter(asyncio.run(_statuses(ERRORS="0.25", REFUSES="0.5")))

    assert found.keys() == {200, 422, 500}
    assert 60 < found[500] < 145 < found[422] < 255


def test_a_share_of_answers_takes_a_second() -> None:
    async def slow() -> list[float]:
        async with model(SLOW="0.5") as session:
            loop = asyncio.get_running_loop()

            async def took() -> float:
                begun = loop.time()
                async with session.post("/predict") as answer:
                    assert answer.ok
                return loop.time() - begun

            return await asyncio.gather(*(took() for _ in range(40)))

    times = asyncio.run(slow())

    # 20 expected; outside of this range for one seed in 10,000. The seed is fixed.
    assert 8 < sum(each >= 1 for each in times) < 32


MOST_ANSWERS = 64


def test_it_crashes_at_the_share_that_it_is_told() -> None:
    async def crashes() -> int:
        async with model(CRASHES="0.5") as session:
            answers = 0
            with contextlib.suppress(aiohttp.ClientError):
                while answers < MOST_ANSWERS:
                    async with session.post("/predict") as answer:
                        assert answer.ok
                        answers += 1
        return answers

    # As many answers in a row come once in 2 ** 64 times.
    assert asyncio.run(crashes()) < MOST_ANSWERS
