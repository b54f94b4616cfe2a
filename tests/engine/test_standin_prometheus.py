"""The Prometheus of the tests answers like a real one, as far as the operator can tell."""

import asyncio
import time
from pathlib import Path

import pytest

from model_rollouts.engine.past_metrics import PastMetrics
from model_rollouts.metrics.counts import Counted, Tally
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.objectives import errors
from model_rollouts.metrics.requests import Arm, MeasuredRollout, Request
from model_rollouts.metrics.sources import Listener
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.errors import QueryError
from model_rollouts.prometheus.reader import SampleReader
from model_rollouts.prometheus.server import ServerOptions
from model_rollouts.rollout import HistoryQuery
from tests.engine.standin_prometheus import StandinPrometheus
from tests.kubernetes_clients import until
from tests.prometheus_server import Target, prometheus_server

GRID = Grid(1_000)
ROLLOUT = (
    Arm("stable", "arrival-1"),
    Arm("candidate", "arrival-2"),
    Arm("shadow", "arrival-2", Listener.SHADOW),
)


class Operator:
    """Reads one rollout from one Prometheus, and adds up what it counted."""

    def __init__(self, client: PrometheusClient, rollout: MeasuredRollout) -> None:
        self.historian = PastMetrics(client, GRID)
        self.totals = {arm.name: Tally(0, (0,)) for arm in rollout.arms}
        self._reader = SampleReader(client.query, Intake(GRID))
        self._rollout = rollout
        self._since: Watermark | None = None

    async def read(self) -> dict[str, Tally]:
        """The totals after another tick."""
        request = Request(self._rollout, self._since)
        found = await self._reader.tick([request], round(time.time() * 1000))
        counted = found[self._rollout.key]
        assert isinstance(counted, Counted), counted
        self._since = counted.watermark
        for interval in counted.intervals:
            for arm, counts in interval.arms.items():
                before, tally = self.totals[arm], counts.tallies["errors"]
                self.totals[arm] = Tally(
                    before.total + tally.total, (before.bad[0] + tally.bad[0],)
                )
        return self.totals


@pytest.mark.prometheus
@pytest.mark.timeout(60)
def test_it_counts_what_a_real_prometheus_counts(tmp_path: Path, prometheus: Path) -> None:
    async def test() -> None:
        async with StandinPrometheus("shop", rate=200.0, errors={"v2": 0.1}).running() as standin:
            rollout = MeasuredRollout(
                "shop/arrival",
                "shop",
                ROLLOUT,
                (errors("errors"),),
                round(time.time() * 1000),
                warmup_ms=0,
            )
            port = int(standin.url.rpartition(":")[2])
            targets = []
            for arm, version in zip(ROLLOUT[:2], ("v1", "v2"), strict=True):
                standin.starts(arm.revision, version)
                labels = {"namespace": "shop", "pod": standin.pods[arm.revision].name}
                targets.append(Target(port, labels, arm.revision, f"/pods/{arm.revision}"))
            with prometheus_server(prometheus, tmp_path, targets, "1s") as real:
                async with (
                    PrometheusClient(ServerOptions(real.url)) as one,
                    PrometheusClient(ServerOptions(standin.url, retries=0)) as another,
                ):
                    await compare(standin, Operator(one, rollout), Operator(another, rollout))

    asyncio.run(test())


async def compare(standin: StandinPrometheus, real: Operator, made_up: Operator) -> None:
    """Users come and go; both operators count each of them, and know of the same scrapes."""
    standin.splits({"arrival-1": 75, "arrival-2": 25}, ("arrival-2", 50))

    async def enough() -> bool:
        counted = await real.read()
        return min(counted[arm].bad[0] for arm in ("candidate", "shadow")) > 10

    await until(enough, "the real Prometheus scraped no errors")
    standin.splits({})
    one, two = standin.pods["arrival-1"], standin.pods["arrival-2"]
    truth = {
        "stable": Tally(int(one.requests), (int(one.bad),)),
        "candidate": Tally(int(two.requests), (int(two.bad),)),
        "shadow": Tally(int(two.copies), (int(two.bad_copies),)),
    }
    for operator in (real, made_up):

        async def complete(operator: Operator = operator) -> bool:
            return await operator.read() == truth

        await until(complete, f"{operator.totals} is not {truth}")
        assert (
            await operator.historian.scraped_ms("shop", HistoryQuery("arrival-2", ())) is not None
        )
        assert await operator.historian.scraped_ms("shop", HistoryQuery("arrival-3", ())) is None
        # A service that is as young as this one has no past in either.
        unknown = await operator.historian.dispersion("shop", ["arrival-1"])
        assert not unknown.known


@pytest.mark.parametrize(
    "query", ["sum(up)", 'envoy_server_uptime{namespace!="shop"}[5000ms]', "up{}"]
)
def test_what_the_operator_does_not_ask_is_refused(query: str) -> None:
    async def test() -> None:
        async with (
            StandinPrometheus("shop").running() as standin,
            PrometheusClient(ServerOptions(standin.url)) as client,
        ):
            with pytest.raises(QueryError, match="HTTP 400"):
                await client.query(query, 1_000)

    asyncio.run(test())
