"""Writes that others get in the way of, on a real API server."""

import contextlib
import itertools
import json
from collections.abc import Callable
from dataclasses import replace

from e2e.fixtures import ApiServer
from model_rollouts.cluster.kinds import DEPLOYMENT, EVENT, HTTP_ROUTE
from model_rollouts.rollout.actions import Move, WriteRoute
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.observed import Failure, Observed
from model_rollouts.rollout.plan import Plan
from tests.engine.conftest import Cluster, Test
from tests.engine.controllers import Direct, background
from tests.engine.planners import plan, route
from tests.kubernetes_clients import until

Run = Callable[[Test], None]

TWO = "2 replicas."
NAME = "arrival-0123456789"
ANNOTATORS = 3


async def annotate(direct: Direct) -> None:
    """Annotate the route for ever, as fast as the API server takes it."""
    for number in itertools.count():
        change = {"metadata": {"annotations": {"example.com/seen": str(number)}}}
        async with direct._session.patch(
            HTTP_ROUTE.path(direct.namespace, "arrival"),
            data=json.dumps(change),
            headers={"Content-Type": "application/merge-patch+json"},
        ) as answer:
            answer.raise_for_status()


def test_who_annotates_the_route_for_ever_does_not_keep_it_from_being_written(
    with_cluster: Run, api_server: ApiServer
) -> None:
    plans: list[str] = []

    def protecting(observed: Observed, memory: Memory, now: float) -> Plan:
        found = plan(observed, memory, now)
        known = observed.children.route
        if found.actions or known is None or not plans or memory.unscraped_since is not None:
            return found
        plans.append("protects")
        version = known["metadata"]["resourceVersion"]
        write = WriteRoute(route(observed.obj, weight=5), version, Move.ROLL_BACK, protects=True)
        return Plan((write,), memory, done=replace(memory, unscraped_since=now))

    async def test(cluster: Cluster) -> None:
        async with (
            Direct(api_server, cluster.namespace) as direct,
            cluster.running(protecting) as engine,
            contextlib.AsyncExitStack() as annotating,
        ):
            await cluster.create_model()
            await cluster.await_message(TWO)
            for _ in range(ANNOTATORS):
                await annotating.enter_async_context(background(annotate(direct)))
            plans.append("now")
            key = next(iter(engine.store.models()))
            engine.queue.add(key, urgent=True)

            async def is_written() -> bool:
                found = await cluster.get(HTTP_ROUTE, "arrival")
                weight: int = found["spec"]["rules"][0]["backendRefs"][0]["weight"]
                return weight == 5

            await until(is_written, "the route was not written", 5)
            session = engine.rollouts.get(key)
            assert session is not None
            assert session.failures.told() == ()

        codes = [code for _, resource, code in cluster.writes if resource == "httproutes"]
        assert codes.count("409") <= 3, "it was tried more often than it takes"

    with_cluster(test)


def test_what_the_api_server_does_not_do_is_told_and_all_else_is_done(with_cluster: Run) -> None:
    told: list[tuple[Failure, ...]] = []

    def listening(observed: Observed, memory: Memory, now: float) -> Plan:
        told.append(observed.failures)
        return plan(observed, memory, now)

    async def test(cluster: Cluster) -> None:
        async with cluster.running(listening):
            cluster.proxy.fail("PATCH", f"/deployments/{NAME}", 500, times=3)
            await cluster.create_model()
            await cluster.await_message(TWO)
            # The status and the route were written before the Deployment could be.
            assert await cluster.get(HTTP_ROUTE, "arrival") is not None
            await until(lambda: cluster.proxy.faults == [], "it is not tried again")

            async def is_there() -> bool:
                return await cluster.get(DEPLOYMENT, NAME) is not None

            await until(is_there, "it was never done")
            await until(lambda: told[-1] == (), "it is told for ever")

        times = [each[0].times for each in told if each]
        assert {1, 2} <= set(times) <= {1, 2, 3}
        assert {each[0].what for each in told if each} == {
            f"apply Deployment {cluster.namespace}/{NAME}"
        }

    with_cluster(test)


def test_a_status_that_is_refused_is_an_event(with_cluster: Run) -> None:
    async def test(cluster: Cluster) -> None:
        async with cluster.running(plan):
            cluster.proxy.fail("PATCH", "/arrival/status", 500, times=3)
            await cluster.create_model()
            await cluster.await_message(TWO)

            async def refused() -> list[str]:
                events = await cluster.all(EVENT)
                return [each["note"] for each in events if each["reason"] == "WriteRefused"]

            (note,) = await until(refused, "no event")
        what = f"write the status of ModelDeployment {cluster.namespace}/arrival"
        assert note.startswith(f"Cannot {what}: HTTP 500: injected. ")

    with_cluster(test)
