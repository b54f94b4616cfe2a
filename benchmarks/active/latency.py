"""How long a change of a spec waits for the status that answers it, beside many canaries.

Time passes as on a quiet machine: while the process works it is the CPU time that it takes, and
while it waits it jumps to what it waits for. So the figures do not depend on who else computes.
"""

import asyncio
import gc
import random
import time
from collections.abc import Callable
from typing import Any

from benchmarks.active.fleet import SETTLED, Fleet, Object
from benchmarks.engine.changes import quantile
from model_rollouts.cluster.kinds import MODEL_DEPLOYMENT, Kind
from model_rollouts.cluster.watch import Changed, Happening
from model_rollouts.engine.engine import URGENT_WORKERS, WORKERS
from model_rollouts.engine.store import Key
from tests.faults.virtual_time import VirtualLoop

ANSWER_S = 0.005
"""What the API server takes for a write."""


class QuietLoop(VirtualLoop):
    """A loop in which time is the CPU time of this process, without that of what is made up."""

    def __init__(self, made_up_s: Callable[[], float]) -> None:
        self._made_up_s = made_up_s
        self._jumped = 0.0
        self._begun = time.process_time()
        super().__init__()

    def time(self) -> float:
        """Seconds since the loop began."""
        return self._jumped + time.process_time() - self._begun - self._made_up_s()

    def select(self, timeout: float | None) -> list[Any]:
        """Let time pass until the next timer."""
        assert timeout is not None
        self._jumped += timeout
        return []


class Changes:
    """Pauses and resumes random ModelDeployments, and notes when a status tells of it."""

    def __init__(self, fleet: Fleet, keys: list[Key], seed: int) -> None:
        self._fleet = fleet
        self._keys = keys
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._begun: dict[str, float] = {}
        self.seconds: list[float] = []
        self.made = 0
        fleet.passes.cluster.hook = self._asked

    async def _asked(self, verb: str, kind: Kind, name: str) -> None:
        await asyncio.sleep(ANSWER_S)
        if verb == "status" and name in self._begun:
            now = asyncio.get_running_loop().time()
            self.seconds.append(now - self._begun.pop(name))

    async def run(self, rate: float, seconds: float) -> None:
        """Change at random moments, `rate` times in a second."""
        loop = asyncio.get_running_loop()
        due, until = loop.time(), loop.time() + seconds
        while (due := due + self._random.expovariate(rate)) < until:
            await asyncio.sleep(max(0.0, due - loop.time()))
            # The event was there at its time, whoever kept the process busy then.
            self._change(due)
        await asyncio.sleep(1.0)

    def _change(self, at: float) -> None:
        key = self._random.choice(self._keys)
        cluster = self._fleet.passes.cluster
        model: Object = cluster.objects[MODEL_DEPLOYMENT.name, key.name]
        if key.name in self._begun:
            return
        spec, metadata = model["spec"], model["metadata"]
        changed = {**spec, "paused": not spec.get("paused", False)}
        self._begun[key.name] = at
        self.made += 1
        cluster.put(
            {
                **model,
                "metadata": {**metadata, "generation": metadata["generation"] + 1},
                "spec": changed,
            }
        )


def measure(canaries: int, beside: int, rate: float, seconds: float) -> dict[str, float]:
    """Milliseconds from an event to the write that answers it, with so many canaries beside."""
    fleet = Fleet(canaries, beside)
    for _ in range(SETTLED):
        fleet.tick()
    gc.collect()
    begun = fleet.passes.now
    with asyncio.Runner(loop_factory=lambda: QuietLoop(lambda: fleet.prometheus.cpu_s)) as runner:
        return runner.run(_measured(fleet, begun, rate, seconds))


async def _measured(fleet: Fleet, begun: float, rate: float, seconds: float) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    passes, base = fleet.passes, loop.time()
    fleet.follow(lambda: begun + loop.time() - base)
    changes = Changes(fleet, fleet.beside, seed=1)

    def sink(happening: Happening) -> None:
        if isinstance(happening, Changed):
            for key in passes.store.put(happening.kind, happening.obj):
                passes.queue.add(key)

    tasks = [
        asyncio.create_task(passes.cluster.run(sink)),
        asyncio.create_task(fleet.ticker.run()),
        *(
            asyncio.create_task(passes.reconciler.work(urgent=number >= WORKERS))
            for number in range(WORKERS + URGENT_WORKERS)
        ),
    ]
    await changes.run(rate, seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    found = changes.seconds
    return {
        "canaries": fleet.canaries,
        "changes": changes.made,
        "answered": len(found),
        "median_ms": round(1000 * quantile(found, 0.5), 1),
        "p99_ms": round(1000 * quantile(found, 0.99), 1),
        "max_ms": round(1000 * max(found), 1),
    }
