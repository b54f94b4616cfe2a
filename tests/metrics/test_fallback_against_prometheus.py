"""A version that fails for 5 % of requests, behind a fallback: users see no error, the judge does.

A real Envoy with the real bootstrap answers, a real Prometheus scrapes it; about 15 seconds.
"""

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

from model_rollouts.decision import (
    INDEPENDENT,
    NO_COUNTS,
    Counts,
    Decision,
    Interval,
    Judge,
    Rules,
    Sample,
)
from model_rollouts.decision import errors as judged_errors
from model_rollouts.engine.past_metrics import PastMetrics
from model_rollouts.metrics.counts import Counted
from model_rollouts.metrics.fallbacks import Given
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import errors
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.reader import SampleReader
from model_rollouts.prometheus.server import ServerOptions
from model_rollouts.resources.fallback import Fallback, Service
from model_rollouts.resources.fallback_proxy import Chance
from model_rollouts.rollout import FallbackQuery
from tests.prometheus_server import Target, prometheus_server
from tests.resources.envoy import REVISION, eventually, free_ports, proxied, serving
from tests.resources.test_fallback_against_envoy import to_port

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(120)]

STEP_MS = 500
ROUNDS, REQUESTS, FAILED = 3, 200, 10
CHANCE = Chance(Fallback(Service("rules", 8000), after_ms=5000), "flights", "arrival-delay")
STRANGER = f"{REVISION}-9"


async def rules(_: web.Request) -> web.Response:
    return web.Response(text="by rules")


def test_it_is_judged_by_what_it_did_and_users_see_no_error(
    tmp_path: Path, prometheus: Path
) -> None:
    asyncio.run(_scenario(tmp_path, prometheus))


async def _scenario(tmp_path: Path, prometheus: Path) -> None:
    numbers = itertools.count(1)

    async def model(_: web.Request) -> web.Response:
        fails = next(numbers) % (REQUESTS // FAILED) == 0
        return web.Response(status=500 if fails else 200)

    async with contextlib.AsyncExitStack() as stack:
        (service,) = free_ports(1)
        await stack.enter_async_context(serving(rules, service))
        proxy = await stack.enter_async_context(
            proxied(chance=CHANCE, model=model, change=to_port(service))
        )
        target = Target(
            proxy.ports.metrics,
            {"namespace": "flights", "pod": f"{REVISION}-1"},
            path="/stats/prometheus",
        )
        server = stack.enter_context(
            prometheus_server(prometheus, tmp_path, [target], f"{STEP_MS}ms")
        )
        client = await stack.enter_async_context(PrometheusClient(ServerOptions(server.url)))
        reader = SampleReader(client.query, Intake(Grid(STEP_MS, 30_000)))
        rollout = MeasuredRollout(
            key="flights/arrival-delay",
            namespace="flights",
            arms=(Arm("candidate", REVISION),),
            objectives=(errors("errors"),),
            started_ms=round(time.time() * 1000),
            warmup_ms=0,
        )
        since: Watermark | None = None
        totals, pods = [0, 0], 0

        async def counted() -> tuple[int, int]:
            nonlocal since, pods
            now_ms = round(time.time() * 1000)
            found = (await reader.tick([Request(rollout, since)], now_ms))[rollout.key]
            if isinstance(found, Counted):
                since = found.watermark
                for interval in found.intervals:
                    for arm in interval.arms.values():
                        pods = max(pods, arm.pods)
                        tally = arm.tallies["errors"]
                        totals[0] += tally.total
                        totals[1] += tally.bad[0]
            return totals[0], totals[1]

        async def scraped() -> bool:
            await counted()
            return pods == 1

        await eventually(scraped, "the proxy is scraped")
        judge = Judge(
            Rules((judged_errors("errors", 0.99),), steps=(0.5,), baseline=False),
            {"errors": INDEPENDENT},
        )
        state = judge.start()
        got = Counter[tuple[int, str | None]]()
        for number in range(ROUNDS):
            for _ in range(REQUESTS):
                answer = await proxy.ask(proxy.ports.live)
                got[answer.status, answer.headers.get("x-model-fallback")] += 1
            wanted = (REQUESTS * (number + 1), FAILED * (number + 1))

            async def complete(wanted: tuple[int, int] = wanted) -> bool:
                return await counted() == wanted

            await eventually(complete, f"{wanted} requests and failed ones are counted")
            sample = Sample(Counts.of(REQUESTS, FAILED), NO_COUNTS)
            interval = Interval(5.0 * number, 5.0 * (number + 1), {"errors": sample})
            state = judge.update(state, interval)
        assert judge.decide(state, 1.0) is Decision.FAIL
        # No user saw an error.
        of_model, of_fallback = ROUNDS * (REQUESTS - FAILED), ROUNDS * FAILED
        assert got == {(200, None): of_model, (200, "Service"): of_fallback}

        past = PastMetrics(client, Grid(STEP_MS, 30_000))
        query = FallbackQuery((REVISION,), 15.0, frozenset({f"{REVISION}-1"}))

        async def told() -> bool:
            answers, reached = await past.fallback("flights", query)
            given, total, failed = answers.get(REVISION, Given(0, 0))
            # `increase` reaches a little beyond the samples, alike for both.
            share = given / total if total else 0.0
            is_whole = total >= 0.95 * ROUNDS * REQUESTS
            is_share = abs(share - FAILED / REQUESTS) < 0.005 and failed == 0
            return is_whole and is_share and reached == {REVISION: True}

        await eventually(told, "5 % of answers are of the fallback, which is there")
        others = FallbackQuery((REVISION,), 15.0, frozenset({STRANGER}))
        assert await past.fallback("flights", others) == ({}, {})
