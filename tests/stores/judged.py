"""The operator's own reader, intake and judge, for several services at one store."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from model_rollouts.decision import INDEPENDENT, Rules, breaker, errors, latency
from model_rollouts.metrics.counts import Counted, IntervalCounts, Unavailable
from model_rollouts.metrics.findings import Reason
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.reader import SampleReader
from model_rollouts.prometheus.server import ServerOptions
from model_rollouts.rollout import take_counts
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.trial.trial import begin_trial, counting_request
from tests.stores.services import CANDIDATE, STABLE, Service

STEP_MS = 1_000
SETTLE_MS = 500
SHARE = 0.5
"""Of the requests, for the candidate."""


RULES = Rules((errors("errors", 0.99), latency("latency", 0.3, 0.99, (0.3,)), breaker()))
ERRORS = "errors of requests"


class Rollout:
    """One service on trial: what was counted of it, and what is known from that."""

    def __init__(self, service: Service, started_ms: int) -> None:
        self.service = service
        self.key = f"{service.namespace}/model"
        trial = begin_trial(CANDIDATE, 1, RULES, INDEPENDENT, started_ms)
        self.memory = Memory(trial=trial)
        self.records: list[IntervalCounts] = []
        self.unavailable: list[str] = []
        self.last: Counted | None = None

    def take(self, counted: Counted | Unavailable) -> None:
        """What a tick brought."""
        if isinstance(counted, Unavailable):
            self.unavailable.append(counted.finding.message)
        else:
            self.records += counted.intervals
            self.last = counted
        before = self.memory.trial
        self.memory = take_counts(self.memory, counted, SHARE)
        trial = self.memory.trial
        assert before is not None and trial is not None
        if trial.state.failed_at is not None and isinstance(counted, Counted):
            # A version that has failed is not counted any more; here its counts are wanted too.
            self.memory = replace(self.memory, trial=replace(trial, watermark=counted.watermark))

    @property
    def failed_at(self) -> float | None:
        """When it failed, in seconds of the trial."""
        assert self.memory.trial is not None
        return self.memory.trial.state.failed_at

    def totals(self) -> dict[str, tuple[int, int]]:
        """(requests, failed ones) of each arm."""
        tallies = {
            arm: [each.arms[arm].tallies[ERRORS] for each in self.records]
            for arm in ("stable", "candidate")
        }
        return {
            arm: (sum(each.total for each in found), sum(each.bad[0] for each in found))
            for arm, found in tallies.items()
        }

    def reasons(self) -> set[Reason]:
        """Everything that was found."""
        return {each.reason for record in self.records for each in record.findings}

    def held_s(self, arm: str) -> float:
        """How long (seconds) nothing could be judged of an arm."""
        held = [each for each in self.records if arm in each.held_arms]
        return sum(each.end_ms - each.start_ms for each in held) / 1000


async def read_until(
    url: str, rollouts: Sequence[Rollout], condition: Callable[[], bool], patience_s: float
) -> bool:
    """Tick as the operator does until `condition` holds; whether it came to that."""
    deadline = time.monotonic() + patience_s
    async with PrometheusClient(ServerOptions(url)) as client:
        reader = SampleReader(client.query, Intake(Grid(STEP_MS, 60_000)))
        while not condition():
            if time.monotonic() > deadline:
                return False
            requests = [
                counting_request(each.key, each.service.namespace, each.memory.trial, STABLE)
                for each in rollouts
                if each.memory.trial is not None
            ]
            now_ms = round(time.time() * 1000)
            counted = await reader.tick(requests, now_ms - SETTLE_MS + STEP_MS)
            for each in rollouts:
                each.take(counted[each.key])
            late_ms = SETTLE_MS + reader.delay_ms % STEP_MS
            await asyncio.sleep((STEP_MS - (time.time() * 1000 - late_ms) % STEP_MS) / 1000)
    return True
