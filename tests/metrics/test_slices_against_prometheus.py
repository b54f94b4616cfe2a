"""Long-haul requests hang while the whole looks good: a real server, proxy and Prometheus.

Two versions, each with its proxy, are asked by users who leave after a while. A hung request has no
status and no time, so a slice of which all hang would look idle, and well.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from model_rollouts.decision import Decision, explain
from model_rollouts.metrics.counts import Counted
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.reader import SampleReader
from model_rollouts.prometheus.server import ServerOptions
from model_rollouts.resources.names import METRICS_PATH
from model_rollouts.resources.slices import CountedSlice, Slice
from model_rollouts.rollout.memory import Memory, Split, Trial
from model_rollouts.rollout.trial.objectives import LADDER, Edges
from model_rollouts.rollout.trial.trial import (
    begin_trial,
    counting_request,
    take_counts,
    trial_rules,
)
from tests.prometheus_server import Target, prometheus_server
from tests.resources.envoy import Proxied, eventually, proxied
from tests.rollout.made_up import V2, V3, spec

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(90)]

STEP_MS = 500
PATIENCE_S = 1.0
"""How long a user waits for an answer: a busy machine is slower than the model."""
USERS = 4
LONG = CountedSlice(Slice(name="long-haul", header="x-haul", value="long"), (99, 129))
ERRORS = {"name": "errors", "type": "Availability", "availability": {"target": "80%"}}
OF_LONG = {
    "name": "long-errors",
    "type": "Availability",
    "availability": {"target": "99%"},
    "slice": "long-haul",
    "role": "Guard",
}
SLOW_LONG = {
    "name": "long-latency",
    "type": "Latency",
    "latency": {"within": "100ms", "share": "95%"},
    "slice": "long-haul",
    "role": "Guard",
}


async def well(_: web.Request) -> web.StreamResponse:
    return web.Response()


async def hangs_for_long_haul(request: web.Request) -> web.StreamResponse:
    if request.headers.get("x-haul") == "long":
        await asyncio.sleep(60)
    return web.Response()


async def users(proxy: Proxied, harmed: list[int]) -> None:
    """Users one after the other, one in ten of them long-haul; `harmed` had no answer."""
    for number in itertools.count():
        headers = {"x-haul": "long"} if number % 10 == 0 else {}
        wait = aiohttp.ClientTimeout(total=PATIENCE_S)
        try:
            await proxy.ask(proxy.ports.live, headers=headers, timeout=wait)
        except TimeoutError:
            harmed.append(number)


@contextlib.asynccontextmanager
async def asked(proxy: Proxied) -> AsyncIterator[list[int]]:
    """A version with users, and those that it harms."""
    harmed: list[int] = []
    asking = [asyncio.create_task(users(proxy, harmed)) for _ in range(USERS)]
    try:
        yield harmed
    finally:
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


def test_a_slice_that_hangs_is_found_by_an_objective_on_it_alone(
    tmp_path: Path, any_prometheus: Path
) -> None:
    asyncio.run(scenario(tmp_path, any_prometheus))


async def scenario(tmp_path: Path, prometheus: Path) -> None:
    sliced = Edges(
        LADDER.candidate, LADDER.stable, slices={"long-haul": ((0.1, 0.13), (0.1, 0.13))}
    )
    began = round(time.time() * 1000)

    def judged_by(*objectives: object) -> Memory:
        asked = spec({"spec.objectives": [ERRORS, *objectives]})
        rules = trial_rules(asked, baseline=True, edges=sliced)
        return Memory(trial=begin_trial(V3, 1, rules, None, began), split=Split(began))

    memories = {"slice": judged_by(OF_LONG, SLOW_LONG), "whole": judged_by()}
    async with contextlib.AsyncExitStack() as stack:
        stable, candidate = [
            await stack.enter_async_context(
                proxied(model=model, revision=revision, pod=f"{revision}-pod", counted=(LONG,))
            )
            for model, revision in ((well, V2), (hangs_for_long_haul, V3))
        ]
        targets = [
            Target(
                proxy.ports.metrics, {"namespace": "shop", "pod": f"{name}-pod"}, path=METRICS_PATH
            )
            for proxy, name in ((stable, V2), (candidate, V3))
        ]
        running = prometheus_server(prometheus, tmp_path, targets, f"{STEP_MS}ms")
        client = await stack.enter_async_context(
            PrometheusClient(ServerOptions(stack.enter_context(running).url))
        )
        readers = {
            name: SampleReader(client.query, Intake(Grid(STEP_MS, 30_000))) for name in memories
        }
        await stack.enter_async_context(asked(stable))
        harmed = await stack.enter_async_context(asked(candidate))

        async def fails() -> bool:
            for name, reader in readers.items():
                trial = trial_of(memories[name])
                request = counting_request("shop/m", "shop", trial, V2, warmup_ms=0)
                counted = (await reader.tick([request], round(time.time() * 1000)))["shop/m"]
                assert isinstance(counted, Counted), counted
                memories[name] = take_counts(memories[name], counted, 0.5)
            return decision(memories["slice"]) is Decision.FAIL

        await eventually(fails, "the slice fails")

    trial = trial_of(memories["slice"])
    verdict = explain(trial.judge, trial.state, candidate="version 3")
    errors, slow = (
        next(each for each in verdict.objectives if each.name == name)
        for name in ("long-errors", "long-latency")
    )
    # Every request of the slice hung, none of them has a status, and all that were scraped count.
    assert 0 < errors.candidate.bad == errors.candidate.total <= len(harmed)
    assert 0 < slow.candidate.bad == slow.candidate.total
    assert errors.stable.bad < errors.stable.total / 2
    assert "of slice long-haul" in verdict.words
    assert decision(memories["whole"]) is not Decision.FAIL


def trial_of(memory: Memory) -> Trial:
    assert memory.trial is not None
    return memory.trial


def decision(memory: Memory) -> Decision:
    trial = trial_of(memory)
    return trial.judge.decide(trial.state)
