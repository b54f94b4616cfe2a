"""From an event to the write that answers it: specs change at a rate, and statuses must follow."""

import asyncio
import contextlib
import json
import random
import ssl
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp
import msgspec

from benchmarks.engine.fleet import place
from e2e.fixtures import ApiServer
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT
from model_rollouts.cluster.requests import MERGE_PATCH

LAST_S = 30.0
"""How long after the last change its status may come."""


@dataclass
class Answers:
    """Seconds from the API server's answer to a change until a watch showed the status of it.

    `refused` counts what the API server did not take. `late` is by how much the load itself was
    behind its own clock, at most.
    """

    seconds: list[float] = field(default_factory=list)
    changes: int = 0
    refused: int = 0
    lasted: float = 0.0
    late: float = 0.0

    @property
    def lost(self) -> int:
        """Changes of which no status told."""
        return self.changes - len(self.seconds)


class Load:
    """Pauses and resumes random ModelDeployments, and watches for what their statuses tell."""

    def __init__(self, session: aiohttp.ClientSession, models: int, seed: int) -> None:
        self._session = session
        self._models = models
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._paused: set[int] = set()
        self._busy: set[int] = set()
        self._told: dict[tuple[str, str], int] = defaultdict(int)
        self._waiting: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
        self.answers = Answers()

    async def run(self, rate: float, seconds: float) -> Answers:
        """Change specs at `rate` per second, wait for the last statuses, and leave none paused."""
        watching = asyncio.create_task(self._watch(await self._version()))
        try:
            begun = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                for number in range(round(rate * seconds)):
                    due = begun + number / rate
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    self.answers.late = max(self.answers.late, time.monotonic() - due)
                    tasks.create_task(self._change(await self._pick(), counts=True))
            self.answers.lasted = time.monotonic() - begun
            await self._all_told()
            for model in sorted(self._paused):
                await self._change(model, counts=False)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
        return self.answers

    async def _pick(self) -> int:
        """A model with no change under way: two at once would not say which was answered."""
        while len(self._busy) == self._models:
            await asyncio.sleep(0.001)
        while (model := self._random.randrange(self._models)) in self._busy:
            continue
        self._busy.add(model)
        return model

    async def _change(self, model: int, *, counts: bool) -> None:
        paused = model not in self._paused
        (self._paused.add if paused else self._paused.discard)(model)
        key = place(model)
        async with self._session.patch(
            MODEL_DEPLOYMENT.path(*key),
            data=json.dumps({"spec": {"paused": paused}}),
            headers={"Content-Type": MERGE_PATCH},
        ) as answer:
            body = await answer.read()
        if not answer.ok:
            # What the API server was too busy for changed nothing that could be answered.
            self.answers.refused += 1
            (self._paused.discard if paused else self._paused.add)(model)
            self._busy.discard(model)
            return
        generation, at = msgspec.json.decode(body)["metadata"]["generation"], time.monotonic()
        self._busy.discard(model)
        if not counts:
            return
        self.answers.changes += 1
        if self._told[key] >= generation:
            self.answers.seconds.append(0.0)
        else:
            self._waiting[key].append((generation, at))

    async def _version(self) -> str:
        path = MODEL_DEPLOYMENT.path(None)
        async with self._session.get(path, params={"limit": "1"}) as answer:
            answer.raise_for_status()
            return str((await answer.json())["metadata"]["resourceVersion"])

    async def _watch(self, version: str) -> None:
        """Hear what statuses tell; the API server ends watches that read too slowly."""
        path = MODEL_DEPLOYMENT.path(None)
        while True:
            query = {"watch": "1", "resourceVersion": version}
            async with self._session.get(path, params=query, read_bufsize=2**21) as answer:
                answer.raise_for_status()
                async for line in answer.content:
                    event = msgspec.json.decode(line)
                    if event["type"] == "ERROR":
                        raise RuntimeError(event["object"]["message"])
                    metadata = event["object"]["metadata"]
                    version = metadata["resourceVersion"]
                    told = (event["object"].get("status") or {}).get("observedGeneration", 0)
                    self._tell((metadata["namespace"], metadata["name"]), told)

    def _tell(self, key: tuple[str, str], generation: int) -> None:
        now, waiting = time.monotonic(), self._waiting[key]
        self._told[key] = generation
        self.answers.seconds += [now - at for wanted, at in waiting if wanted <= generation]
        self._waiting[key] = [each for each in waiting if each[0] > generation]

    async def _all_told(self) -> None:
        deadline = time.monotonic() + LAST_S
        while any(self._waiting.values()) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)


async def load(
    server: ApiServer, models: int, rate: float, seconds: float, seed: int = 1
) -> Answers:
    """Run a load against the first `models` of the fleet."""
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(server.ca)), limit=0)
    async with aiohttp.ClientSession(
        server.url,
        headers={"Authorization": f"Bearer {server.token}"},
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:
        return await Load(session, models, seed).run(rate, seconds)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
