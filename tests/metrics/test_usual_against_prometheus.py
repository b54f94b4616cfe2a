"""The time that is usual at stable, as a real Prometheus tells it; about three seconds."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from model_rollouts.metrics.objectives import proxy_edge
from model_rollouts.prometheus.client import PrometheusClient
from model_rollouts.prometheus.decode import decode_matrix
from model_rollouts.prometheus.history import usual_time
from model_rollouts.prometheus.server import ServerOptions
from tests.metrics.pages import served
from tests.prometheus_server import Target, prometheus_server

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(60)]

EDGES = (0.1, 0.25, 0.5)
STABLE, OTHER = "arrival-1111111111", "arrival-2222222222"
BUCKET = "envoy_http_downstream_rq_time_bucket"


def page(revision: str, within: Sequence[int], total: int, listener: str = "live") -> str:
    """A histogram as the proxy has it: answers within each of `EDGES`, and all of them."""
    labels = f'modelrollouts_revision="{revision}",envoy_http_conn_manager_prefix="{listener}"'
    edges = [*(f"{proxy_edge(edge):g}" for edge in EDGES), "+Inf"]
    return "".join(
        f'{BUCKET}{{{labels},le="{edge}"}} {count}\n'
        for edge, count in zip(edges, [*within, total], strict=True)
    )


PAGES = {
    # 99 % of the first take at most 250 ms, and of both together at most 500 ms.
    "/first": page(STABLE, (800, 1_000, 1_000), 1_000),
    "/second": page(STABLE, (100, 180, 195), 200),
    # Mirrored requests, another revision and another namespace are not users of stable.
    "/shadow": page(STABLE, (0, 0, 0), 90_000, "shadow"),
    "/other": page(OTHER, (0, 0, 0), 90_000),
    "/elsewhere": page(STABLE, (0, 0, 0), 90_000),
    "/few": page("arrival-3333333333", (99, 99, 99), 99),
    "/slow": page("arrival-4444444444", (0, 0, 980), 1_000),
}


def targets(port: int) -> list[Target]:
    """A pod for each page, in a job of its own because of its path."""
    return [
        Target(
            port,
            {"namespace": "staging" if path == "/elsewhere" else "shop", "pod": path[1:]},
            job=path[1:],
            path=path,
        )
        for path in PAGES
    ]


def test_the_first_edge_above_the_p99_of_users_is_usual(
    any_prometheus: Path, tmp_path: Path
) -> None:
    async def ask(url: str) -> dict[str, float | None]:
        async with PrometheusClient(ServerOptions(url)) as client:
            deadline = time.monotonic() + 20

            async def scraped() -> int:
                now_ms = round(time.time() * 1000)
                body = await client.query(f'count({BUCKET}{{le="+Inf"}})[1m:1s]', now_ms)
                return max((int(s[-1][1]) for _, s in decode_matrix(body) if s), default=0)

            while await scraped() < len(PAGES):
                assert time.monotonic() < deadline, "not all pods were scraped"
                await asyncio.sleep(0.1)
            now_ms = round(time.time() * 1000)
            asked = {
                "stable": (STABLE,),
                "few": ("arrival-3333333333",),
                "slow": ("arrival-4444444444",),
                "unknown": ("arrival-5555555555",),
            }
            return {
                name: await usual_time(client.query_range, "shop", served, now_ms, edges=EDGES)
                for name, served in asked.items()
            }

    with (
        served(PAGES.__getitem__) as port,
        prometheus_server(any_prometheus, tmp_path, targets(port), "500ms") as server,
    ):
        found = asyncio.run(ask(server.url))

    # 1,180 of 1,200 within 250 ms are 98.3 %, 1,195 within 500 ms are 99.6 %.
    assert found == {"stable": 0.5, "few": None, "slow": None, "unknown": None}
