"""A rollout under a real HorizontalPodAutoscaler, on a real API server."""

from pathlib import Path
from typing import Any

from e2e.fixtures import ApiServer
from model_rollouts.cluster.kinds import DEPLOYMENT
from tests.engine.autoscaling import (
    AUTOSCALER,
    SERVICE_ACCOUNT,
    Load,
    autoscaler,
    autoscaling,
)
from tests.engine.controllers import background
from tests.engine.whole_operator import MARKS, NAME, Whole, play
from tests.kubernetes_clients import until

pytestmark = MARKS

PODS = 6


async def asks_for(whole: Whole, pods: int) -> None:
    """Wait until the autoscaler has written that number, and as many pods run."""

    async def found() -> bool:
        asked = (await whole.object())["spec"]["replicas"]
        runs = (await running(whole)).get(await stable(whole))
        return bool(asked == runs == pods)

    await until(found, f"the autoscaler never came to {pods} pods", 40)


async def stable(whole: Whole) -> str:
    status = await whole.status()
    return "" if status.stable is None else status.stable.revision


async def running(whole: Whole) -> dict[str, int]:
    """Pods by revision."""
    found = await whole.direct.all(DEPLOYMENT)
    return {each["metadata"]["name"]: each["spec"]["replicas"] for each in found}


def test_a_real_autoscaler_neither_halves_a_canary_nor_what_was_promoted(
    api_server: ApiServer, namespace: str, controller_manager: Path, tmp_path: Path
) -> None:
    async def story(whole: Whole) -> None:
        await whole.direct.make(SERVICE_ACCOUNT, _named("default"))
        load = Load(whole.direct, float(PODS))
        async with (
            background(load.run()),
            autoscaling(controller_manager, api_server, load, tmp_path),
            whole.operator(),
        ):
            await whole.apply("v1", replicas=None)
            await whole.told("Full", "v1")
            await whole.direct.make(AUTOSCALER, autoscaler(NAME, 20))
            await asks_for(whole, PODS)
            load.worst = 0.0

            await whole.apply("v2", replicas=None)
            canary = await whole.told("Canary", "v2")
            await whole.told("Full", "v2")
            await whole.reads(5)
            promoted = await running(whole)

            assert canary.selector is not None
            assert len(canary.selector.split(",")) == 2
            assert promoted[await stable(whole)] == PODS
            assert load.worst <= 1.0

            # Half of the users leave: the number is followed, and not in the minute of a promotion.
            load.load = PODS / 2
            held = await whole.told("Full", "v2", "UsersMoving")
            assert held.desired_replicas == PODS
            assert (await running(whole))[await stable(whole)] == PODS

    play(api_server, namespace, story)


def _named(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
