"""Many canaries in the middle of their judgement, and the operator's own parts around them.

One of them is rolled out in the world of the stories, up to its first step; the others are its
copies under other names. The cluster and Prometheus are in the process; all between them is real.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.engine.fleet import Pattern, place
from benchmarks.made_up_prometheus import MadeUpPrometheus, Scraped
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.store import Key
from model_rollouts.engine.ticker import SETTLE_S, Ticker
from model_rollouts.engine.wiring import beats
from model_rollouts.metrics.batching import Batching
from model_rollouts.resources.names import MODEL_LABEL, REVISION_LABEL
from model_rollouts.rollout import make_plan, take_counts
from tests.api.objects import ERRORS, LATENCY
from tests.engine.passes import Passes
from tests.rollout.simulated_cluster import INTERVAL, NOON, SETTINGS, World

PODS = 2
REQUESTS = 50
"""Of a pod of stable, between two scrapes: 20 in a second for both of its pods."""

SETTLED = 26
"""Ticks before anything is measured: all begin at once, and their first statuses come together."""

Object = dict[str, Any]


def canary() -> World:
    """A world in which version 2 has its first users for half a minute, and keeps that share."""
    world = World(rate=2.0 * PODS * REQUESTS / INTERVAL)
    world.edit(version="1", strategy__watch={"duration": "0s"}, objectives=[ERRORS, LATENCY])
    world.until("Full").run(10)
    # The made-up Prometheus goes on with this split.
    world.edit(version="2", strategy__canary__minStepDuration="6h")
    return world.until("Canary").run(30)


@dataclass(frozen=True, slots=True)
class Tick:
    """CPU seconds of one tick: reading and counting, taking counts in, and planning; its passes."""

    read_s: float
    taken_s: float
    planned_s: float
    passes: int

    @property
    def whole_s(self) -> float:
        """All of it."""
        return self.read_s + self.taken_s + self.planned_s


class Timed(Passes):
    """Passes at a time that somebody else may tell."""

    source: Callable[[], float] | None = None

    def clock(self) -> float:
        """The time."""
        return self.now if self.source is None else self.source()


class Fleet:
    """So many canaries under one operator, and ModelDeployments `beside` that are settled."""

    def __init__(self, canaries: int, beside: int = 0) -> None:
        self.canaries = canaries
        world = canary()
        self._text = json.dumps([world.obj, *world.objects.values()])
        self.taken_s = 0.0
        self.passes = Timed(
            lambda observed, memory, now: make_plan(observed, memory, now, SETTINGS),
            take=self._take,
        )
        self.passes.now = float(NOON + world.time)
        scraped: dict[str, Scraped] = {}
        for number in range(canaries):
            self._enter(number, scraped)
        pattern = Pattern(1)
        self.beside: list[Key] = []
        for number in range(canaries, canaries + beside):
            self._enter_settled(pattern, number)
        self.prometheus = MadeUpPrometheus(scraped, round(self.passes.now - 3_600) * 1000)
        beat, _ = beats(SETTINGS, self.prometheus.ask, Batching())
        self.phases = tuple(beat.readers)
        self.ticker = Ticker(
            beat=beat,
            store=self.passes.store,
            queue=self.passes.queue,
            rollouts=self.passes.sessions,
            instruments=OperatorMetrics("benchmark"),
            clock=self.passes.clock,
        )

    def _take(self, *given: Any) -> Any:
        begun = time.process_time()
        try:
            return take_counts(*given)
        finally:
            self.taken_s += time.process_time() - begun

    def _enter(self, number: int, scraped: dict[str, Scraped]) -> None:
        namespace, name = place(number)
        text = self._text.replace("arrival", name).replace('"flights"', f'"{namespace}"')
        model, *children = json.loads(text.replace('"u-1"', f'"uid-{number}"'))
        for obj in (*children, model):
            uid = {} if obj is model else {"uid": f"{number}-{obj['metadata']['name']}"}
            obj["metadata"] = {"generation": 1, **obj["metadata"], **uid}
            self.passes.told(self.passes.cluster.put(obj))
        key = Key(namespace, name)
        self.passes.pods.follow(key)
        names: list[str] = []
        for obj in children:
            if obj["kind"] != "Deployment":
                continue
            revision, number_of = obj["metadata"]["name"], obj["spec"]["replicas"]
            pods = tuple(f"{revision}-{n}" for n in range(number_of))
            names += pods
            for pod in pods:
                self.passes.pods.put(_pod(pod, revision, key, self.passes.now))
            of = revision, namespace, pods
            self._scrape(scraped, of, json.loads(text))
        self.passes.pods.listed(key, names, "1")

    def _enter_settled(self, pattern: Pattern, number: int) -> None:
        model, *children = pattern.copy(number)
        uid = f"uid-{number}"
        for obj in children:
            metadata = obj["metadata"]
            metadata |= {"generation": 1, "uid": f"{number}-{metadata['name']}"}
            metadata["ownerReferences"][0]["uid"] = uid
            self.passes.told(self.passes.cluster.put(obj))
        generation = model["status"]["observedGeneration"]
        model["metadata"] |= {"generation": generation, "uid": uid}
        self.passes.told(self.passes.cluster.put(model))
        self.beside.append(Key(*place(number)))

    def follow(self, source: Callable[[], float]) -> None:
        """Have the time told by `source` (Unix seconds) from now on."""
        self.passes.source = source

    @staticmethod
    def _scrape(
        scraped: dict[str, Scraped], of: tuple[str, str, tuple[str, ...]], objects: list[Object]
    ) -> None:
        revision, namespace, pods = of
        route = next(each for each in objects if each["kind"] == "HTTPRoute")
        weights = {
            backend["name"]: backend.get("weight", 1)
            for rule in route["spec"]["rules"]
            for backend in rule["backendRefs"]
        }
        share = weights.get(revision, 0) / sum(weights.values())
        requests = round(2 * PODS * REQUESTS * share / max(1, len(pods)))
        scraped[revision] = Scraped(namespace, pods, requests)

    def tick(self) -> Tick:
        """Let one interval pass, and read and plan all that follows from it."""
        return asyncio.run(self._tick())

    async def _tick(self) -> Tick:
        passes = self.passes
        boundary = (passes.now - SETTLE_S) // INTERVAL * INTERVAL + INTERVAL
        planned, number = 0.0, 0
        for second in range(1, INTERVAL):
            passes.now = max(passes.now, boundary - INTERVAL + second + SETTLE_S + 0.1)
            spent, made = await self._plan()
            planned, number = planned + spent, number + made
        passes.now = boundary + SETTLE_S + 0.1
        made_up, taken = self.prometheus.cpu_s, self.taken_s
        begun = time.process_time()
        for phase_ms in self.phases:
            while await self.ticker.tick(phase_ms):
                pass
        read = time.process_time() - begun - (self.prometheus.cpu_s - made_up)
        taken = self.taken_s - taken
        spent, made = await self._plan()
        return Tick(read - taken, taken, planned + spent, number + made)

    async def _plan(self) -> tuple[float, int]:
        """Every pass that is due: the CPU seconds of it and their number."""
        begun, made = time.process_time(), 0
        while (key := self.passes.queue.take()) is not None:
            await self.passes.reconciler.step(key)
            made += 1
        self.passes.seen.clear()
        return time.process_time() - begun, made


def _pod(name: str, revision: str, key: Key, now: float) -> Object:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 600))
    return {
        "metadata": {
            "name": name,
            "namespace": key.namespace,
            "uid": f"uid-of-{name}",
            "resourceVersion": "1",
            "creationTimestamp": since,
            "labels": {MODEL_LABEL: key.name, REVISION_LABEL: revision},
        },
        "spec": {"nodeName": "node"},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": since}],
        },
    }
