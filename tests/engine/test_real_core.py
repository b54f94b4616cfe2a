"""The operator with its real decisions, on a real API server: what a person sees first."""

from collections import Counter
from collections.abc import Callable

from e2e.fixtures import ApiServer
from model_rollouts.cluster.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    GATEWAY,
    HTTP_ROUTE,
    SERVICE,
)
from model_rollouts.engine.wiring import core
from model_rollouts.resources.pod import ProxySettings
from model_rollouts.rollout.plan import Settings
from tests.api.objects import changed
from tests.engine.conftest import Cluster, Test
from tests.engine.test_cluster_checks import World
from tests.kubernetes_clients import until

Run = Callable[[Test], None]

DECISIONS = core(Settings(ProxySettings("envoy@sha256:" + 64 * "0")))


def test_a_gateway_that_does_not_exist_is_told_and_waited_for(with_cluster: Run) -> None:
    async def test(cluster: Cluster) -> None:
        async with cluster.running(DECISIONS.plan):
            await cluster.create_model()
            status = await until(cluster.status, "no status was written")
            conditions = await cluster.conditions()

        assert "gateways/models" in status["message"]
        assert status["phase"] == "Admission"
        assert status["observedGeneration"] == 1
        assert await cluster.all(CONTROLLER_REVISION) == []
        # The condition waits for the gateway and not for a person.
        assert conditions == {"Available": "False", "Ready": "False", "Reconciling": "True"}

    with_cluster(test)


def test_a_first_version_serves_once_its_pods_and_its_route_are_ready(
    with_cluster: Run, api_server: ApiServer
) -> None:
    """No controller runs on this API server: the test says what they would."""

    async def test(cluster: Cluster) -> None:
        World(api_server, cluster.namespace).gateway("models", "HTTPRoute")
        async with cluster.running(DECISIONS.plan):
            parent = {"name": "models"}
            changes = {"metadata.namespace": cluster.namespace, "spec.route.parentRefs": [parent]}
            model = await cluster.client.create(changed(changes))
            (deployment,) = await until(lambda: cluster.all(DEPLOYMENT), "no Deployment was made")
            replicas = deployment["spec"]["replicas"]
            counts = dict.fromkeys(
                ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas"), replicas
            )
            cluster.tell(api_server, deployment, {"observedGeneration": 1, **counts})
            (route,) = await until(lambda: cluster.all(HTTP_ROUTE), "no HTTPRoute was made")
            accepted = {
                "observedGeneration": route["metadata"]["generation"],
                "lastTransitionTime": "2026-03-31T12:00:00Z",
                "status": "True",
                "message": "",
            }
            both = [
                {**accepted, "type": "Accepted", "reason": "Accepted"},
                {**accepted, "type": "ResolvedRefs", "reason": "ResolvedRefs"},
            ]
            told = {
                "parentRef": {**parent, "group": GATEWAY.group, "kind": "Gateway"},
                "controllerName": "example.com/gateway",
                "conditions": both,
            }
            cluster.tell(api_server, route, {"parents": [told]})

            async def serves() -> bool:
                return (await cluster.conditions()).get("Ready") == "True"

            await until(serves, "the first version does not serve")
            status = await cluster.status()
            conditions = await cluster.conditions()

        (serving,) = {each["name"] for each in route["spec"]["rules"][0]["backendRefs"]}
        assert serving == deployment["metadata"]["name"] == status["stable"]["revision"]
        assert (status["phase"], conditions["Available"]) == ("Full", "True")
        assert len(await cluster.all(SERVICE)) == 2
        owners = {each["metadata"]["ownerReferences"][0]["uid"] for each in (deployment, route)}
        assert owners == {model["metadata"]["uid"]}
        # Nothing is written twice; the Deployment is tried dry before it is applied.
        resources = Counter(resource for _, resource, _ in cluster.writes)
        del resources["events"]
        assert resources.pop("modeldeployments") <= 4
        assert resources == {
            "controllerrevisions": 1,
            "deployments": 2,
            "services": 2,
            "poddisruptionbudgets": 1,
            "httproutes": 1,
        }

    with_cluster(test)
