"""PodDisruptionBudgets of others, listed beside the passes: no pod may have two of them.

The API server evicts no pod that two budgets select, so none is made beside one of somebody else.
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Sequence

from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import POD_DISRUPTION_BUDGET
from model_rollouts.engine.loops import jittered
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.store import Store
from model_rollouts.resources.names import MANAGED_BY, MANAGED_BY_LABEL
from model_rollouts.rollout import OtherBudget

PERIOD_S = 300.0
"""Between two lists: nobody is watched for what is no part of any rollout."""

_log = logging.getLogger(__name__)


class OtherBudgets:
    """Those of each namespace, by name. What cannot be listed is taken for none."""

    def __init__(
        self,
        client: ClusterClient,
        store: Store,
        queue: KeyedQueue,
        namespaces: Sequence[str] = (),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._store = store
        self._queue = queue
        self._scopes: Sequence[str | None] = tuple(namespaces) or (None,)
        self._jitter = jitter
        self._found: dict[str | None, dict[str, tuple[OtherBudget, ...]]] = {}

    def of(self, namespace: str) -> tuple[OtherBudget, ...] | None:
        """Those of a namespace; None while no list was answered or refused."""
        for scope in (namespace, None):
            found = self._found.get(scope)
            if found is not None:
                return found.get(namespace, ())
        return None

    async def run(self) -> None:
        """List until cancelled."""
        while True:
            await self.list_all()
            await asyncio.sleep(jittered(PERIOD_S, self._jitter()))

    async def list_all(self) -> None:
        """List once, and wake the models of namespaces in which something is new."""
        for scope in self._scopes:
            before = self._found.get(scope)
            try:
                now = await self._list(scope)
            except ApiError as error:
                _log.info("budgets of others are not known: %s", error)
                now = before or {}
            self._found[scope] = now
            for key in self._store.models():
                is_known = before is not None and before.get(key.namespace) == now.get(
                    key.namespace
                )
                if scope in (None, key.namespace) and not is_known:
                    self._queue.add(key)

    async def _list(self, scope: str | None) -> dict[str, tuple[OtherBudget, ...]]:
        found: dict[str, list[OtherBudget]] = defaultdict(list)
        async for page in self._client.pages(POD_DISRUPTION_BUDGET, scope):
            for obj in page.items:
                metadata = obj["metadata"]
                if (metadata.get("labels") or {}).get(MANAGED_BY_LABEL) != MANAGED_BY:
                    budget = OtherBudget(metadata["name"], (obj.get("spec") or {}).get("selector"))
                    found[metadata["namespace"]].append(budget)
        return {
            namespace: tuple(sorted(budgets, key=lambda each: each.name))
            for namespace, budgets in found.items()
        }
