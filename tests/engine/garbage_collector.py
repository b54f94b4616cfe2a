"""What Kubernetes' garbage collector does for ModelDeployments that are deleted.

An API server alone collects nothing.
"""

import asyncio

from model_rollouts.cluster.kinds import CHILDREN, HTTP_ROUTE, MODEL_DEPLOYMENT, Kind
from tests.engine.controllers import LOOK_S, Direct, Object

ORPHAN = "orphan"
"""The finalizer of one whose children stay."""

_USERS_FIRST = sorted(CHILDREN, key=lambda kind: kind is not HTTP_ROUTE)
"""Its order is its own; in this one no user is sent to pods that are gone."""


class GarbageCollector:
    """Deletes what belongs to a ModelDeployment that is gone, or gives it free."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._collect()
            await asyncio.sleep(LOOK_S)

    async def _collect(self) -> None:
        children = [(kind, each) for kind in _USERS_FIRST for each in await self._direct.all(kind)]
        # Owners after their children: what belongs to none of them belongs to one that is gone.
        models = {
            each["metadata"]["uid"]: each for each in await self._direct.all(MODEL_DEPLOYMENT)
        }
        for kind, child in children:
            owners = {each["uid"] for each in child["metadata"].get("ownerReferences", ())}
            if not owners:
                continue
            (owner,) = owners
            if owner not in models:
                await self._direct.delete(kind, child)
            elif _leaves_children(models[owner]):
                await self._without(kind, child, "ownerReferences")
        for model in filter(_leaves_children, models.values()):
            await self._without(MODEL_DEPLOYMENT, model, "finalizers")

    async def _without(self, kind: Kind, obj: Object, field: str) -> None:
        await self._direct.merge(kind, obj["metadata"]["name"], {"metadata": {field: None}})


def _leaves_children(model: Object) -> bool:
    return ORPHAN in model["metadata"].get("finalizers", ())
