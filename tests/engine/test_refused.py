"""What the API server refuses for a moment, and takes when it is asked anew."""

from collections.abc import Callable

import pytest

from model_rollouts.cluster import client
from tests.engine import planners
from tests.engine.conftest import Cluster, Test
from tests.kubernetes_clients import until

Run = Callable[[Test], None]


def test_a_list_that_expired_between_two_pages_is_begun_anew(
    with_cluster: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PAGE", 2)

    async def test(cluster: Cluster) -> None:
        names = [f"arrival-{number}" for number in range(5)]
        for name in names:
            await cluster.create_model(name)
        pages = "modeldeployments?limit=2&continue="
        cluster.proxy.fail("GET", pages, 410)

        async with cluster.running(planners.plan):
            for name in names:
                await cluster.await_message("2 replicas.", name)

        assert cluster.proxy.faults == []
        asked = [path for _, path in cluster.proxy.requests if pages in path]
        # The second page was asked for, and then again after the first one.
        assert len(asked) > 2

    with_cluster(test)


def test_a_token_that_is_rotated_under_a_watch_ends_nothing(with_cluster: Run) -> None:
    async def test(cluster: Cluster) -> None:
        proxy = cluster.proxy
        async with cluster.running(planners.plan) as engine:
            proxy.write_kubeconfig("rotated")
            proxy.accepts = "rotated"
            refused = len(proxy.requests)
            proxy.drop_watches()
            await until(lambda: len(proxy.requests) > refused, "nothing was refused")
            await cluster.create_model()

            await cluster.await_message("2 replicas.")
            await until(lambda: engine.supervisor.deaf_for == 0, "the watch does not stand")
            await cluster.change_spec("spec.replicas", 3)
            await cluster.await_message("3 replicas.")

    with_cluster(test)
