"""What seems to be gone, and what is about to go, on a real API server."""

import json
from collections.abc import Callable
from typing import Any

from e2e.fixtures import ApiServer
from model_rollouts.cluster.kinds import CHILDREN, DEPLOYMENT, HTTP_ROUTE, MODEL_DEPLOYMENT, Kind
from model_rollouts.resources.names import MANAGED_BY_LABEL
from model_rollouts.rollout.actions import Apply, Emit, Move, WriteRoute, WriteStatus
from model_rollouts.rollout.memory import Memory
from model_rollouts.rollout.observed import Children, Observed
from model_rollouts.rollout.plan import Plan
from tests.engine.conftest import Cluster, Test
from tests.engine.planners import deployment, plan, revision_name, route
from tests.kubernetes_clients import until

Run = Callable[[Test], None]

TWO = "2 replicas."
NAME = "arrival-0123456789"


def lacks_label(obj: Any) -> bool:
    """Whether an object has lost the label by which watches and lists find it."""
    return MANAGED_BY_LABEL not in (obj["metadata"].get("labels") or {})


class Repairing:
    """`planners.plan` whose status says who serves, and which gives lost labels back."""

    def __init__(self) -> None:
        self.missing = 0
        """Plans that saw no route although somebody serves."""

    def __call__(self, observed: Observed, memory: Memory, now: float) -> Plan:
        """The plan."""
        model, children = observed.obj, observed.children
        actions = [
            WriteStatus({**each.status, "stable": stable(model)})
            if isinstance(each, WriteStatus)
            else each
            for each in plan(observed, memory, now).actions
        ]
        if (model.get("status") or {}).get("stable"):
            self.missing += children.route is None
            actions = [each for each in actions if not isinstance(each, WriteStatus | Emit)]
        known = children.route
        if known is not None and lacks_label(known):
            version = known["metadata"]["resourceVersion"]
            actions.append(WriteRoute(route(model), version, Move.REPAIR))
        known = children.deployments.get(revision_name(model))
        if known is not None and lacks_label(known):
            actions.append(Apply(deployment(model), why="a label is lost"))
        return Plan(tuple(actions), memory)


def stable(model: Any) -> dict[str, Any]:
    """Who serves, as the status tells."""
    return {"revision": revision_name(model), "version": "3", "weight": "100%"}


def test_an_object_whose_label_is_stripped_gets_it_back_and_was_never_gone(
    with_cluster: Run, api_server: ApiServer
) -> None:
    """The watch tells that it is deleted, of the very version that it has."""
    planner = Repairing()

    async def test(cluster: Cluster) -> None:
        async with cluster.running(planner):
            await cluster.create_model()
            await cluster.await_message(TWO)
            before = {
                kind: (await cluster.get(kind, name))["metadata"]["uid"]
                for kind, name in ((HTTP_ROUTE, "arrival"), (DEPLOYMENT, NAME))
            }
            for kind, name in ((HTTP_ROUTE, "arrival"), (DEPLOYMENT, NAME)):
                place = (f"{kind.plural}/{name}", "-n", cluster.namespace)
                api_server.kubectl("label", *place, f"{MANAGED_BY_LABEL}-")

                async def is_mended(kind: Kind = kind, name: str = name) -> bool:
                    found = await cluster.get(kind, name)
                    assert found["metadata"]["uid"] == before[kind]
                    return not lacks_label(found)

                await until(is_mended, f"the label of the {kind.name} did not come back")

        assert planner.missing == 0
        # Of the Deployment, the replicas are what they were.
        assert (await cluster.get(DEPLOYMENT, NAME))["spec"]["replicas"] == 2

    with_cluster(test)


def test_children_of_a_deleted_model_of_the_same_name_are_dying_and_are_waited_for(
    with_cluster: Run, api_server: ApiServer
) -> None:
    """There is no garbage collector on this API server: the test deletes what one would."""
    seen: list[Children] = []

    def waiting(observed: Observed, memory: Memory, now: float) -> Plan:
        seen.append(observed.children)
        return Plan((), memory) if observed.children.dying else plan(observed, memory, now)

    async def test(cluster: Cluster) -> None:
        async with cluster.running(waiting):
            first = await cluster.create_model()
            await cluster.await_message(TWO)
            await cluster.client.delete(MODEL_DEPLOYMENT, cluster.namespace, "arrival")
            second = await cluster.create_model(replicas=3)
            await until(lambda: seen[-1].dying, "nobody is dying")

            names = {"ControllerRevision/" + NAME, "Deployment/" + NAME, "HTTPRoute/arrival"}
            assert set(seen[-1].dying) == names
            assert seen[-1].route is None
            passes = len(seen)
            await until(lambda: len(seen) > passes, "nobody looks again")
            for kind in CHILDREN:
                for obj in await cluster.all(kind):
                    await cluster.client.delete(kind, cluster.namespace, obj["metadata"]["name"])
            await cluster.await_message("3 replicas.")

        owners = (await cluster.get(DEPLOYMENT, NAME))["metadata"]["ownerReferences"]
        assert [owner["uid"] for owner in owners] == [second["metadata"]["uid"]]
        assert first["metadata"]["uid"] != second["metadata"]["uid"]
        assert {name for each in seen for name in each.strangers} == set()

    with_cluster(test)


def test_a_child_of_another_model_that_lives_is_a_stranger(
    with_cluster: Run, api_server: ApiServer
) -> None:
    seen: list[Children] = []

    def careful(observed: Observed, memory: Memory, now: float) -> Plan:
        if observed.obj["metadata"]["name"] == "arrival":
            seen.append(observed.children)
        return Plan((), memory)

    async def test(cluster: Cluster) -> None:
        other = await cluster.create_model("departure")
        theirs = deployment(other)
        theirs["metadata"]["labels"]["modelrollouts.dev/model"] = "arrival"
        api_server.kubectl.apply(json.dumps(theirs))
        async with cluster.running(careful):
            await cluster.create_model()
            await until(lambda: seen and seen[-1].strangers, "it was not seen")

        assert set(seen[-1].strangers) == {"Deployment/departure-0123456789"}
        assert not seen[-1].dying

    with_cluster(test)
