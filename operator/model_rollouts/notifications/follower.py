"""Follows all ModelDeployments: lists them, watches them, and lists again when the watch begins.

What happened while nobody watched is in the status, so that a list makes up for it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from model_rollouts.cluster.client import ClusterClient
from model_rollouts.cluster.errors import ApiError
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from model_rollouts.cluster.watch import (
    Changed,
    EventSource,
    Gone,
    Happening,
    Listening,
    SourceError,
)
from model_rollouts.notifications.counters import Counters
from model_rollouts.notifications.intake import Intake

LIST_PERIOD_S = 600.0
FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 60.0
STEADY_S = 60.0

_log = logging.getLogger(__name__)


class Follower:
    """Feeds the intake until it is cancelled."""

    def __init__(
        self,
        source: EventSource,
        client: ClusterClient,
        intake: Intake,
        counters: Counters,
        namespaces: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._client = client
        self._intake = intake
        self._counters = counters
        self._scopes: Sequence[str | None] = tuple(namespaces) or (None,)
        self._clock = clock
        self._wanted = asyncio.Event()
        self._listed = asyncio.Event()

    async def run(self) -> None:
        """List and watch. Ends only by what cannot be foreseen, such as a full volume."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_listing())
            # What is not installed yet is not watched; a list says so and is tried again.
            await self._listed.wait()
            tasks.create_task(self._keep_watching())

    async def _keep_listing(self) -> None:
        delay = FIRST_DELAY_S
        while True:
            self._wanted.clear()
            try:
                await self._list()
            except ApiError as error:
                _log.warning("ModelDeployments could not be listed: %s", error)
                await asyncio.sleep(delay)
                delay = min(2 * delay, LONGEST_DELAY_S)
                continue
            delay = FIRST_DELAY_S
            self._listed.set()
            try:
                async with asyncio.timeout(LIST_PERIOD_S):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def _list(self) -> None:
        uids: set[str] = set()
        for scope in self._scopes:
            async for page in self._client.pages(MODEL_DEPLOYMENT, scope):
                for obj in page.items:
                    uids.add(str(obj["metadata"].get("uid")))
                    self._intake.take(obj, self._clock())
        self._intake.swept(uids, self._clock())

    async def _keep_watching(self) -> None:
        delay, loop = FIRST_DELAY_S, asyncio.get_running_loop()
        while True:
            begun = loop.time()
            try:
                await self._source.run(self._on)
            except SourceError as error:
                _log.warning("ModelDeployments are watched again: %s", error)
            self._counters.watching.set(0)
            if loop.time() - begun >= STEADY_S:
                delay = FIRST_DELAY_S
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY_S)

    def _on(self, happening: Happening) -> None:
        match happening:
            case Listening():
                self._counters.watching.set(1)
                self._wanted.set()
            case Changed(_, obj):
                self._intake.take(obj, self._clock())
            case Gone(_, obj):
                self._intake.gone(obj, self._clock())
