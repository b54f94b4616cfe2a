"""How large requests are, as a real Prometheus tells it; about ten seconds."""

import asyncio
import math
import time
from pathlib import Path

import pytest

from model_rollouts.engine.past_metrics import PastMetrics
from model_rollouts.metrics.grid import Grid
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.server import ServerOptions
from model_rollouts.resources.statistics import SIZES
from model_rollouts.rollout import MirroredSizes, SizesQuery
from tests.metrics.pages import served
from tests.prometheus_server import Target, prometheus_server

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(60)]

STABLE, CANDIDATE = "arrival-1111111111", "arrival-2222222222"
BUCKET = "envoy_cluster_upstream_rq_body_size_bucket"

PODS = {
    # Revision, listener, and what each second adds: all, and those below 1 MB.
    f"{STABLE}-a-1": (STABLE, "live", 10, 8),
    f"{STABLE}-a-2": (STABLE, "live", 10, 10),
    f"{STABLE}-a-3": (STABLE, "shadow", 70, 0),
    f"{CANDIDATE}-a-1": (CANDIDATE, "shadow", 18, 18),
    f"{CANDIDATE}-a-2": (CANDIDATE, "live", 70, 0),
    # Of another cluster that writes into the same store.
    f"{STABLE}-a-9": (STABLE, "live", 70, 0),
}
OURS = frozenset(PODS) - {f"{STABLE}-a-9"}


def page(path: str, seconds: float) -> str:
    """The page of a pod after so many seconds."""
    revision, listener, total, small = PODS[path[1:]]
    labels = f'modelrollouts_revision="{revision}",envoy_cluster_name="{listener}"'
    edges = "".join(
        f'{BUCKET}{{{labels},le="{size - 1:g}"}} {round(1000 * seconds * small)}\n'
        for size in SIZES
        if size <= 1_000_000
    )
    return edges + f'{BUCKET}{{{labels},le="+Inf"}} {round(1000 * seconds * total)}\n'


@pytest.mark.parametrize(
    ("pods", "small"), [(OURS, 0.9), (None, 0.2)], ids=["of our pods", "of all pods"]
)
def test_shares_by_size_are_those_of_users_and_of_copies(
    pods: frozenset[str] | None, small: float, any_prometheus: Path, tmp_path: Path
) -> None:
    async def asked(url: str) -> MirroredSizes:
        async with PrometheusClient(ServerOptions(url)) as client:
            past = PastMetrics(client, Grid())
            query = SizesQuery(STABLE, CANDIDATE, 0, 1, pods)
            deadline = time.monotonic() + 30
            while True:
                found = await past.sizes("shop", query)
                if found.users and abs(share(found.users) - small) < 0.02 and found.mirrored:
                    return found
                assert time.monotonic() < deadline, found
                await asyncio.sleep(0.2)

    began = time.time()
    with served(lambda path: page(path, time.time() - began)) as port:
        targets = [
            Target(port, {"namespace": "shop", "pod": pod}, job=pod, path=f"/{pod}") for pod in PODS
        ]
        with prometheus_server(any_prometheus, tmp_path, targets, "500ms") as server:
            found = asyncio.run(asked(server.url))

    assert [size for size, _ in found.users] == [32_000, 64_000, 1_000_000, math.inf]
    assert share(found.mirrored) == pytest.approx(1.0)


def share(sizes: tuple[tuple[float, float], ...]) -> float:
    """The share of requests below 1 MB."""
    counted = dict(sizes)
    return counted[1_000_000] / counted[math.inf] if counted[math.inf] else 0.0
