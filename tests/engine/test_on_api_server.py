"""The whole engine on a real API server: from an object to what was planned for it, and back."""

from collections.abc import Callable
from typing import Any

from model_rollouts.cluster.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    EVENT,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
)
from tests.api.objects import changed
from tests.engine.conftest import Cluster, until
from tests.engine.planners import plan, revision_name

Run = Callable[[Any], None]


async def create_model(cluster: Cluster, name: str = "arrival", replicas: int = 2) -> Any:
    """A ModelDeployment."""
    changes = {
        "metadata.namespace": cluster.namespace,
        "metadata.name": name,
        "spec.replicas": replicas,
    }
    return await cluster.client.create(changed(changes))


async def phase(cluster: Cluster, name: str = "arrival") -> Any:
    """The phase that its status tells."""
    model = await cluster.client.get(MODEL_DEPLOYMENT, cluster.namespace, name)
    return ((model or {}).get("status") or {}).get("phase")


def test_what_is_planned_for_a_new_object_is_carried_out(with_cluster: Run) -> None:
    async def test(cluster: Cluster) -> None:
        async with cluster.running(plan) as engine:
            await until(lambda: engine.supervisor.deaf_for == 0, "the watch did not stand")
            model = await create_model(cluster)
            await until(lambda: phase_is(cluster, "Full"), "the status was not written")

            for kind in (CONTROLLER_REVISION, DEPLOYMENT):
                assert await cluster.client.get(kind, cluster.namespace, revision_name(model))
            assert await cluster.client.get(HTTP_ROUTE, cluster.namespace, "arrival")
        events = [e async for e in cluster.client.pages(EVENT, cluster.namespace)]
        (event,) = events[0].items
        assert (event["reason"], event["regarding"]["name"]) == ("Serving", "arrival")

    with_cluster(test)


async def phase_is(cluster: Cluster, wanted: str, name: str = "arrival") -> bool:
    """Whether the status tells that phase."""
    return bool(await phase(cluster, name) == wanted)
