"""PodDisruptionBudgets of others on a real API server: who has one, and why no pod may have two."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from e2e.cluster.progress import StepError
from e2e.fixtures import ApiServer
from model_rollouts.cluster.kinds import POD_DISRUPTION_BUDGET
from model_rollouts.resources.names import MANAGED_BY, MANAGED_BY_LABEL
from model_rollouts.rollout import OtherBudget
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.observed import Observed
from model_rollouts.rollout.plan import Plan
from tests.engine.conftest import Cluster, Test
from tests.kubernetes_clients import until

Run = Callable[[Test], None]

APP = {"app": "arrival"}


def budget(cluster: Cluster, name: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": cluster.namespace, "labels": labels or {}},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": APP}},
    }


def pod(cluster: Cluster) -> dict[str, Any]:
    spec = {"containers": [{"name": "model", "image": "registry.example.com/m:1"}]}
    metadata = {"name": "arrival-1", "namespace": cluster.namespace, "labels": APP}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def test_budgets_of_others_are_seen_and_ours_are_not_among_them(with_cluster: Run) -> None:
    seen: list[tuple[OtherBudget, ...] | None] = []

    def planner(observed: Observed, memory: Memory, now: float) -> Plan:
        seen.append(observed.other_budgets)
        return Plan((), memory)

    async def test(cluster: Cluster) -> None:
        await cluster.client.create(budget(cluster, "ours", {MANAGED_BY_LABEL: MANAGED_BY}))
        await cluster.client.create(budget(cluster, "theirs"))
        async with cluster.running(planner) as engine:
            await cluster.create_model()
            theirs = (OtherBudget("theirs", {"matchLabels": APP}),)
            await until(lambda: seen and seen[-1] == theirs, f"{seen}")

            await cluster.client.delete(POD_DISRUPTION_BUDGET, cluster.namespace, "theirs")
            await engine.budgets.list_all()
            await until(lambda: seen[-1] == (), f"{seen}")

    with_cluster(test)


def test_a_pod_that_two_budgets_select_cannot_be_evicted(
    with_cluster: Run, api_server: ApiServer
) -> None:
    """The rule that all of it is for. No controller counts here: one budget allows nothing yet."""

    def evicted(cluster: Cluster) -> str:
        path = f"/api/v1/namespaces/{cluster.namespace}/pods/arrival-1/eviction"
        metadata = {"name": "arrival-1", "namespace": cluster.namespace}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        with pytest.raises(StepError) as error:
            api_server.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(body))
        return str(error.value)

    async def test(cluster: Cluster) -> None:
        # No controller makes it here.
        api_server.kubectl("create", "serviceaccount", "default", "-n", cluster.namespace)
        running = await cluster.client.create(pod(cluster))
        ready = [{"type": "Ready", "status": "True"}]
        cluster.tell(api_server, running, {"phase": "Running", "conditions": ready})
        await cluster.client.create(budget(cluster, "one"))
        with_one = evicted(cluster)
        await cluster.client.create(budget(cluster, "two"))
        with_two = evicted(cluster)

        assert "more than one PodDisruptionBudget" not in with_one
        assert "more than one PodDisruptionBudget" in with_two

    with_cluster(test)
