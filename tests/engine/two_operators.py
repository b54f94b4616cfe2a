"""Two whole operators on one API server, and a canary that is going on under them."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path

import aiohttp

from model_rollouts.cluster.kinds import LEASE
from model_rollouts.engine.leadership import LEASE_S
from tests.engine.whole_operator import Running, Whole
from tests.kubernetes_clients import until

Clock = Callable[[], float]
ALIKE: Sequence[Clock] = (time.time, time.time)

STEP_S = 25
"""Least duration of the canary: longer than it takes until a standby leads."""


@contextlib.asynccontextmanager
async def leader_and_standby(
    whole: Whole, ways: Sequence[Path | None] = (None, None), clocks: Sequence[Clock] = ALIKE
) -> AsyncIterator[tuple[Running, Running]]:
    """Two operators, the first of which leads; the second is of the next release, and warm.

    Each has its way to the API server (a kubeconfig) and its clock.
    """
    first, second = (
        partial(whole.operator, leased=True, kubeconfig=way, clock=clock)
        for way, clock in zip(ways, clocks, strict=True)
    )
    async with first("1.0.0") as leader:
        await until(leader.leads, "nobody leads", LEASE_S + 10.0)
        async with second("1.1.0") as standby:
            lease = await whole.direct.get(LEASE, "model-rollouts")
            said = f"ok: standby, {lease['spec']['holderIdentity']} leads"

            async def warm() -> bool:
                try:
                    return await standby.page("readyz") == (200, said)
                except aiohttp.ClientConnectorError:
                    return False

            await until(warm, "the standby was never ready")
            assert await leader.page("readyz") == (200, "ok: leading")
            yield leader, standby


async def in_canary(whole: Whole, step_s: int = STEP_S) -> dict[str, int]:
    """Version 2 has its first users for a while; the weights of the route."""
    await whole.apply("v1")
    await whole.told("Full", "v1")
    second = whole.written_as("v2")
    second["spec"]["strategy"]["canary"]["minStepDuration"] = f"{step_s}s"
    await whole.direct.apply(second)
    await whole.told("Canary", "v2")
    await whole.reads(3)
    return await whole.weights()


async def written_down(whole: Whole) -> None:
    """Return once the status has the evidence as it stands: a change of conditions tells it."""
    whole.prometheus.down = True
    await whole.told("Canary", "v2", "MetricsUnavailable")
    whole.prometheus.down = False
    await whole.told("Canary", "v2", "Judging")
    last = (await whole.object())["status"]
    await until(lambda: whole.has_seen(last), "the watch lags")
    assert counted(whole) > 0


def counted(whole: Whole) -> int:
    """Of how many requests the last status of the canary tells."""
    canaries = [status for _, status in whole.written if status["phase"] == "Canary"]
    (errors,) = [each for each in canaries[-1]["objectives"] if each["name"] == "errors"]
    found: int = errors["total"]
    return found
