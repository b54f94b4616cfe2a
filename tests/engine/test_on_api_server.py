"""The whole engine on a real API server: from an object to what was planned for it, and back."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from e2e.fixtures import ApiServer
from model_rollouts.cluster.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    EVENT,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
)
from model_rollouts.engine.executor import CrashPoint
from model_rollouts.rollout.actions import Apply, Move, WriteRoute, WriteStatus
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.observed import Observed
from model_rollouts.rollout.plan import Plan
from tests.engine.conftest import Cluster, Test
from tests.engine.planners import deployment, plan, revision_name, route
from tests.kubernetes_clients import until

Run = Callable[[Test], None]

TWO = "2 replicas."
NAME = "arrival-0123456789"


def test_what_is_planned_for_a_new_object_is_carried_out(with_cluster: Run) -> None:
    async def test(cluster: Cluster) -> None:
        async with cluster.running(plan):
            model = await cluster.create_model()
            await cluster.await_message(TWO)

        assert await cluster.get(CONTROLLER_REVISION, revision_name(model))
        assert await cluster.get(DEPLOYMENT, revision_name(model))
        assert await cluster.get(HTTP_ROUTE, "arrival")
        (page,) = [page async for page in cluster.client.pages(EVENT, cluster.namespace)]
        (event,) = page.items
        assert (event["reason"], event["regarding"]["name"]) == ("Serving", "arrival")
        in_order = [write for write in cluster.writes if write[1] != "events"]
        assert in_order == [
            ("POST", "controllerrevisions", "201"),
            ("PATCH", "deployments", "201"),
            ("PATCH", "httproutes", "201"),
            ("PATCH", "modeldeployments", "200"),
        ]

    with_cluster(test)


def test_a_restart_writes_nothing(with_cluster: Run) -> None:
    async def test(cluster: Cluster) -> None:
        async with cluster.running(plan):
            await cluster.create_model()
            await cluster.await_message(TWO)
        cluster.writes.clear()
        passes: list[str] = []

        def counting(observed: Observed, memory: Memory, now: float) -> Plan:
            passes.append(observed.obj["metadata"]["name"])
            return plan(observed, memory, now)

        async with cluster.running(counting):
            await until(lambda: passes, "nothing was planned")

        assert cluster.writes == []

    with_cluster(test)


def test_a_changed_spec_is_followed_and_a_deleted_child_comes_back(with_cluster: Run) -> None:
    async def test(cluster: Cluster) -> None:
        async with cluster.running(plan):
            await cluster.create_model()
            await cluster.await_message(TWO)
            await cluster.change_spec("spec.replicas", 3)
            await cluster.await_message("3 replicas.")
            await cluster.client.delete(DEPLOYMENT, cluster.namespace, NAME)

            async def is_back() -> bool:
                found = await cluster.get(DEPLOYMENT, NAME)
                return found is not None and found["spec"]["replicas"] == 3

            await until(is_back, "the Deployment did not come back")

    with_cluster(test)


def test_a_repair_without_replicas_keeps_them(with_cluster: Run) -> None:
    """Also before the Deployment was ever scaled, when the first apply owns its replicas."""

    def repairing(observed: Observed, memory: Memory, now: float) -> Plan:
        found = plan(observed, memory, now)
        if found.actions or memory.last_request_ms is not None:
            return found
        actions = (Apply(deployment(observed.obj), why="as a repair"),)
        return Plan(actions, replace(memory, last_request_ms=1))

    async def test(cluster: Cluster) -> None:
        async with cluster.running(repairing):
            await cluster.create_model(replicas=4)
            await until(
                lambda: [w[1] for w in cluster.writes].count("deployments") == 2, "no repair"
            )

        assert (await cluster.get(DEPLOYMENT, NAME))["spec"]["replicas"] == 4

    with_cluster(test)


def test_what_was_deleted_while_nobody_watched_is_swept(with_cluster: Run) -> None:
    async def test(cluster: Cluster) -> None:
        async with cluster.running(plan) as engine:
            for name in ("arrival", "departure"):
                await cluster.create_model(name)
                await cluster.await_message(TWO, name)
            # The watch ends for good, and does not come back before all this has happened.
            cluster.proxy.fail("GET", "watch=true", 500, times=500)
            slow = {"kind": "Status", "code": 500, "message": "etcdserver: request timed out"}
            await cluster.proxy.send_into_watches({"type": "ERROR", "object": slow})
            await until(lambda: engine.supervisor.deaf_for > 0, "the source did not end")
            await cluster.client.delete(MODEL_DEPLOYMENT, cluster.namespace, "departure")
            await cluster.client.delete(DEPLOYMENT, cluster.namespace, NAME)
            cluster.proxy.faults.clear()
            await until(lambda: engine.supervisor.deaf_for == 0, "the source did not come back")

            await until(lambda: len(engine.store.models()) == 1, "nothing was swept")

            async def is_back() -> bool:
                return await cluster.get(DEPLOYMENT, NAME) is not None

            await until(is_back, "the Deployment did not come back")
            assert [key.name for key, _ in engine.rollouts] == ["arrival"]
            restarts = cluster.instruments.registry.get_sample_value(
                "model_rollouts_source_restarts_total"
            )
            assert restarts is not None and restarts >= 1

    with_cluster(test)


def test_a_route_of_somebody_else_is_a_stranger_and_stays(
    with_cluster: Run, api_server: ApiServer
) -> None:
    strangers: set[str] = set()

    def careful(observed: Observed, memory: Memory, now: float) -> Plan:
        strangers.update(observed.children.strangers)
        return Plan((), memory) if strangers else plan(observed, memory, now)

    async def test(cluster: Cluster) -> None:
        theirs = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "arrival", "namespace": cluster.namespace},
            "spec": {"parentRefs": [{"name": "theirs"}]},
        }
        api_server.kubectl.apply(json.dumps(theirs))
        async with cluster.running(careful):
            await cluster.create_model()
            await until(lambda: strangers, "the stranger was not seen")

        assert strangers == {"HTTPRoute/arrival"}
        kept = await cluster.get(HTTP_ROUTE, "arrival")
        assert kept["spec"]["parentRefs"][0]["name"] == "theirs"

    with_cluster(test)


def test_children_without_a_controller_are_rolled_back(
    with_cluster: Run, api_server: ApiServer
) -> None:
    async def test(cluster: Cluster) -> None:
        async with cluster.running(plan):
            model = await cluster.create_model()
            await cluster.await_message(TWO)
        # What `kubectl delete --cascade=orphan` leaves behind, once the garbage collector ran.
        for kind, name in ((DEPLOYMENT, NAME), (HTTP_ROUTE, "arrival")):
            patch = json.dumps({"metadata": {"ownerReferences": []}})
            place = (f"{kind.plural}/{name}", "-n", cluster.namespace)
            api_server.kubectl("patch", *place, "--type=merge", "-p", patch)
        async with cluster.running(plan):

            async def adopted() -> bool:
                objs = [
                    await cluster.get(DEPLOYMENT, NAME),
                    await cluster.get(HTTP_ROUTE, "arrival"),
                ]
                return all(obj["metadata"].get("ownerReferences") for obj in objs)

            await until(adopted, "they were not adopted again")

        owner = (await cluster.get(DEPLOYMENT, NAME))["metadata"]["ownerReferences"][0]
        assert (owner["uid"], owner["controller"]) == (model["metadata"]["uid"], True)

    with_cluster(test)


def test_a_status_of_a_spec_that_has_changed_is_not_written(
    with_cluster: Run, api_server: ApiServer
) -> None:
    """The object changes between the plan and its write: the write is refused, and planned anew."""
    planned: list[int] = []

    async def test(cluster: Cluster) -> None:
        def interrupted(observed: Observed, memory: Memory, now: float) -> Plan:
            planned.append(observed.obj["metadata"]["generation"])
            found = plan(observed, memory, now)
            if len(planned) > 1:
                return found
            patch = json.dumps({"spec": {"replicas": 5}})
            place = ("mdep/arrival", "-n", cluster.namespace)
            api_server.kubectl("patch", *place, "--type=merge", "-p", patch)
            # Before a route is made the object is read, and a status would not be tried.
            others = (each for each in found.actions if not isinstance(each, WriteRoute))
            return replace(found, actions=tuple(others))

        async with cluster.running(interrupted):
            await cluster.create_model()
            await cluster.await_message("5 replicas.")

        statuses = [code for _, resource, code in cluster.writes if resource == "modeldeployments"]
        assert statuses == ["409", "200"]
        assert planned[:2] == [1, 2]

    with_cluster(test)


def test_after_a_failed_write_what_is_known_stays_and_what_was_to_follow_did_not(
    with_cluster: Run,
) -> None:
    memories: list[Memory] = []

    def remembering(observed: Observed, memory: Memory, now: float) -> Plan:
        memories.append(memory)
        found = plan(observed, memory, now)
        known = replace(memory, last_request_ms=len(memories))
        return replace(found, memory=known, done=replace(known, unscraped_since=now))

    async def test(cluster: Cluster) -> None:
        async with cluster.running(remembering):
            cluster.proxy.fail("PATCH", "httproutes", 500)
            await cluster.create_model()
            await until(
                lambda: bool(memories) and memories[-1].unscraped_since is not None,
                "what was to follow the writes did not",
            )

        first, second = memories[:2]
        assert (first.last_request_ms, second.last_request_ms) == (None, 1)
        assert second.unscraped_since is None

    with_cluster(test)


def test_a_write_whose_answer_was_lost_is_found_done(with_cluster: Run) -> None:
    async def test(cluster: Cluster) -> None:
        async with cluster.running(plan):
            cluster.proxy.lose_answer_to = "POST"
            await cluster.create_model()
            await cluster.await_message(TWO)

        codes = [code for _, resource, code in cluster.writes if resource == "controllerrevisions"]
        # Nobody creates it twice: the watch, or the refusal of the second try, tells that it is.
        assert codes in (["none"], ["none", "409"])

    with_cluster(test)


def test_crash_points_lie_between_the_writes(with_cluster: Run) -> None:
    """An advance writes evidence, route and status; what had been written says where it broke."""
    reached: list[tuple[CrashPoint, list[str]]] = []

    def advancing(observed: Observed, memory: Memory, now: float) -> Plan:
        found = plan(observed, memory, now)
        if found.actions or memory.last_request_ms is not None:
            return found
        known = observed.children.route
        assert known is not None
        version = known["metadata"]["resourceVersion"]
        actions = (
            WriteStatus({**observed.obj["status"], "evidence": "1"}),
            WriteRoute(route(observed.obj, weight=5), version, Move.ADVANCE),
            WriteStatus({**observed.obj["status"]}),
        )
        return Plan(actions, replace(memory, last_request_ms=1))

    async def test(cluster: Cluster) -> None:
        def reach(point: CrashPoint) -> None:
            written = [resource for _, resource, _ in cluster.writes if resource != "events"]
            reached.append((point, written))

        async with cluster.running(advancing, reach):
            await cluster.create_model()
            await until(lambda: len(reached) == 5, "the advance was not carried out")

        advance = reached[2:]
        assert [(point, resources[-1]) for point, resources in advance] == [
            (CrashPoint.AFTER_EVIDENCE, "modeldeployments"),
            (CrashPoint.AFTER_ROUTE, "httproutes"),
            (CrashPoint.AFTER_STATUS, "modeldeployments"),
        ]

    with_cluster(test)


def test_an_error_of_a_planner_ends_only_its_own_pass(with_cluster: Run) -> None:
    def moody(observed: Observed, memory: Memory, now: float) -> Plan:
        if observed.obj["metadata"]["name"] == "arrival":
            raise ZeroDivisionError
        return plan(observed, memory, now)

    async def test(cluster: Cluster) -> None:
        async with cluster.running(moody):
            await cluster.create_model("arrival")
            await cluster.create_model("departure")
            await cluster.await_message(TWO, "departure")
        failed: Any = cluster.instruments.registry.get_sample_value(
            "model_rollouts_pass_duration_seconds_count", {"outcome": "failed"}
        )
        assert failed >= 1
        assert await cluster.status("arrival") == {}

    with_cluster(test)
