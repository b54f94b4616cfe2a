"""Two whole operators, one on a machine whose clock is an hour off and is set, both ways."""

import asyncio
import json
import time

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.engine.leadership import RETRY_S
from tests.engine.two_operators import in_canary, leader_and_standby
from tests.engine.whole_operator import MARKS, Running, Whole, play
from tests.kubernetes_clients import until

pytestmark = MARKS

HOUR_S = 3600.0

JUDGED_S = 10.0
"""From when a version begins to fail every request until users are off it, where all is well."""


LATE_S = 4
"""Scrapes that are not counted yet, and those before the first user was."""


class Machine:
    """One whose clock is so many seconds ahead of the truth."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead

    def clock(self) -> float:
        """Unix seconds, as it has them."""
        return time.time() + self.ahead


async def tells(operator: Running, metric: str, seconds: float) -> None:
    """Return once it tells that a clock is so far off."""

    async def told() -> bool:
        found = [value for _, value in await operator.samples(f"model_rollouts_{metric}")]
        return found == [pytest.approx(seconds, abs=RETRY_S + 3.0)]

    await until(told, f"{metric} is not {seconds}")


@pytest.mark.parametrize("ahead", [HOUR_S, pytest.param(-HOUR_S, marks=pytest.mark.slow)])
def test_a_clock_that_is_an_hour_off_and_steps_is_told_and_changes_nothing(
    api_server: ApiServer, namespace: str, ahead: float
) -> None:
    async def story(whole: Whole) -> None:
        machine = Machine(ahead)
        async with leader_and_standby(whole, clocks=(machine.clock, time.time)) as pair:
            leader, standby = pair
            weights = await in_canary(whole)
            for off in (ahead, -ahead, 0.0):
                machine.ahead = off
                await tells(leader, "clock_off_seconds", off)
                await tells(standby, "clock_difference_seconds", off)
                judged = whole.prometheus.requests_of("v2")
                await whole.reads(2)
                assert await whole.weights() == weights
            whole.prometheus.errors = {"v2": 1.0}
            status = await asyncio.wait_for(whole.told("RolledBack", "v2"), JUDGED_S)
            assert await leader.leads()
            assert not await standby.leads()

        (errors,) = [each for each in status.objectives if each.name == "errors"]
        assert errors.total is not None
        # Counted through all steps, and once; what was asked at a wrong time comes a little later.
        asked = whole.prometheus.requests_of("v2")
        assert judged - LATE_S * whole.prometheus.rate <= errors.total <= asked
        canaries = [each for _, each in whole.written if each["phase"] == "Canary"]
        assert len({str(json.loads(each["evidence"])["trial"]) for each in canaries}) == 1

    play(api_server, namespace, story)
