"""Pods of a real API server: listed, followed, explained by Events, and refused."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from e2e.fixtures import ApiServer
from model_rollouts.cluster.kinds import EVENT, POD
from model_rollouts.resources.names import labels
from model_rollouts.rollout import Pod, Trouble
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.observed import Observed
from model_rollouts.rollout.plan import Plan
from tests.engine.conftest import Cluster, Test
from tests.engine.planners import plan
from tests.kubernetes_clients import until

Run = Callable[[Test], None]

REVISION = "arrival-0123456789"
RUNNING = {"running": {"startedAt": "2026-03-31T12:00:00Z"}}


@pytest.fixture(autouse=True)
def service_account(api_server: ApiServer, namespace: str) -> None:
    """What a controller makes in every namespace, and every pod needs."""
    api_server.kubectl("create", "serviceaccount", "default", "-n", namespace)


def end(server: ApiServer, namespace: str, name: str) -> None:
    """A pod is gone, as after a kubelet has ended it."""
    server.kubectl("delete", "pod", name, "-n", namespace, "--grace-period=0", "--force")


class Following:
    """A planner that follows pods, and what its plans were made with last."""

    def __init__(self) -> None:
        self.seen: tuple[Pod, ...] | None = None
        self.follows = True

    def __call__(self, observed: Observed, memory: Memory, now: float) -> Plan:
        self.seen = observed.pods
        return replace(plan(observed, memory, now), follows_pods=self.follows)

    def troubles(self) -> dict[str, tuple[Trouble | None, str]]:
        """What is known to be wrong, by pod."""
        return {pod.name: (pod.trouble, pod.words) for pod in self.seen or ()}


async def create_pod(cluster: Cluster, name: str, model: str = "arrival") -> dict[str, Any]:
    container = {"name": "model", "image": "registry.example.com/m:2"}
    return await cluster.client.create(
        {
            "apiVersion": POD.api_version,
            "kind": POD.name,
            "metadata": {
                "name": name,
                "namespace": cluster.namespace,
                "labels": labels(model, f"{model}-0123456789"),
            },
            "spec": {
                "nodeName": "node",
                "automountServiceAccountToken": False,
                "containers": [container],
            },
        }
    )


def container(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    required = {"name": "model", "image": "m", "imageID": "", "ready": False, "restartCount": 0}
    return {"containerStatuses": [{**required, "state": state, **more}]}


def waiting(reason: str, message: str) -> dict[str, Any]:
    return container({"waiting": {"reason": reason, "message": message}})


def test_pods_of_a_rollout_are_listed_and_then_followed(
    with_cluster: Run, api_server: ApiServer
) -> None:
    async def test(cluster: Cluster) -> None:
        following = Following()
        first = await create_pod(cluster, "first")
        await create_pod(cluster, "another", "departure")
        cluster.tell(api_server, first, waiting("ErrImagePull", "m:2: not found"))
        async with cluster.running(following):
            await cluster.create_model()
            await until(
                lambda: following.troubles() == {"first": (Trouble.IMAGE, "m:2: not found")},
                "the pod was not listed",
            )
            second = await create_pod(cluster, "second")
            cluster.tell(
                api_server, second, waiting("CreateContainerConfigError", 'secret "s" not found')
            )
            await until(
                lambda: (
                    following.troubles().get("second") == (Trouble.CONFIG, 'secret "s" not found')
                ),
                "the second pod was not followed",
            )
            end(api_server, cluster.namespace, "first")
            await until(lambda: set(following.troubles()) == {"second"}, "its end was not told")

    with_cluster(test)


def test_nothing_is_kept_once_the_rollout_is_over(with_cluster: Run) -> None:
    async def test(cluster: Cluster) -> None:
        following = Following()
        await create_pod(cluster, "first")
        async with cluster.running(following) as engine:
            await cluster.create_model()
            await until(lambda: len(engine.pods) == 1, "the pod was not listed")
            following.follows = False
            await cluster.change_spec("spec.replicas", 3)
            await until(lambda: len(engine.pods) == 0, "the pod is still kept")

    with_cluster(test)


def test_pods_are_listed_again_after_their_watch_was_lost(
    with_cluster: Run, api_server: ApiServer
) -> None:
    async def test(cluster: Cluster) -> None:
        following = Following()
        await create_pod(cluster, "first")
        async with cluster.running(following):
            await cluster.create_model()
            await until(lambda: bool(following.troubles()), "the pod was not listed")
            cluster.proxy.drop_watches()
            end(api_server, cluster.namespace, "first")
            await until(lambda: following.seen == (), "its end was not found", 30)

    with_cluster(test)


def test_the_answer_of_a_probe_is_read_from_its_event(
    with_cluster: Run, api_server: ApiServer, monkeypatch: Any
) -> None:
    monkeypatch.setattr("model_rollouts.engine.pods.EXPLAIN_S", 0.1)
    answer = "Readiness probe failed: HTTP probe failed with statuscode: 503"

    async def test(cluster: Cluster) -> None:
        following = Following()
        pod = await create_pod(cluster, "first")
        cluster.tell(api_server, pod, container(RUNNING))
        for number, (uid, note) in enumerate(
            [(pod["metadata"]["uid"], answer), ("another", "Readiness probe failed: 404")]
        ):
            await cluster.client.create(event(cluster.namespace, f"e{number}", uid, note))
        async with cluster.running(following):
            await cluster.create_model()
            await until(
                lambda: following.troubles() == {"first": (Trouble.NOT_READY, answer)},
                "the answer was not read",
            )

    with_cluster(test)


def event(namespace: str, name: str, uid: str, note: str) -> dict[str, Any]:
    regarding = {"kind": "Pod", "namespace": namespace, "name": "first", "uid": uid}
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {"name": name, "namespace": namespace},
        "eventTime": "2026-03-31T12:00:00.000000Z",
        "reportingController": "kubelet",
        "reportingInstance": "node",
        "action": "Probe",
        "reason": "Unhealthy",
        "type": "Warning",
        "note": note,
        "regarding": regarding,
    }


def test_a_plan_is_made_without_pods_where_they_may_not_be_read(with_cluster: Run) -> None:
    async def test(cluster: Cluster) -> None:
        following = Following()
        await create_pod(cluster, "first")
        cluster.proxy.fail("GET", "/pods", 403, times=1_000)
        async with cluster.running(following):
            await cluster.create_model()
            await cluster.await_message("2 replicas.")
            value = cluster.instruments.registry.get_sample_value
            await until(
                lambda: value("model_rollouts_unreadable", {"resource": "pods"}) == 1,
                "the refusal was not told",
            )
            await cluster.change_spec("spec.replicas", 3)
            await cluster.await_message("3 replicas.")

        assert following.seen is None

    with_cluster(test)
