"""Many settled services in one process: memory of each, and what a minute of readings takes."""

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.engine.fleet import Pattern, place
from benchmarks.made_up_prometheus import MadeUpPrometheus, Scraped
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.sessions import Sessions
from model_rollouts.engine.store import Key, Store
from model_rollouts.engine.ticker import Ticker
from model_rollouts.engine.wiring import beats
from model_rollouts.metrics.batching import Batching
from model_rollouts.rollout import Memory, make_plan, take_counts
from model_rollouts.rollout.observed import Children, Observed
from tests.api.objects import LATENCY
from tests.rollout.simulated_cluster import NOON, SETTINGS

PODS = 2
WINDOW_BLOCKS = 73
"""What the longest window of an error budget holds."""

BLOCK_BYTES = 20

REQUESTS = 50
"""Of each pod between two scrapes."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What so many settled services cost.

    Bytes are what counting adds to one service: `counted_bytes` after a minute, and `full_bytes`
    once the windows of its error budgets are full. `reading_mib` is the most that one of the
    readings of a minute takes meanwhile. `cpu_s` is for one minute, answers of Prometheus decoded
    and counted; `answers_mib` is their size, `passes` the number of plans.
    """

    services: int
    counted_bytes: int
    full_bytes: int
    reading_mib: float
    cpu_s: float
    answers_mib: float
    queries: int
    passes: int


def prometheus_of(sessions: Sessions) -> MadeUpPrometheus:
    """A Prometheus that has the samples of all of them."""
    of: dict[str, Scraped] = {}
    for key, session in sessions:
        assert session.measures is not None
        for arm in session.measures.rollout.arms:
            pods = tuple(f"{arm.revision}-{number}" for number in range(PODS))
            of[arm.revision] = Scraped(key.namespace, pods, REQUESTS)
    return MadeUpPrometheus(of, NOON * 1000)


def measure(services: int, say: Callable[[str], None]) -> Cost:
    """Plan for that many settled services, and let minutes pass."""
    pattern = Pattern(1)
    there = _sessions(pattern, services)
    prometheus = prometheus_of(there)
    _minute(there, prometheus_of(there))
    begun = time.process_time()
    passes = _minute(there, prometheus)
    cpu_s = time.process_time() - begun - prometheus.cpu_s
    say(f"{services}: {cpu_s:.2f} s of CPU in a minute")

    tracemalloc.start()
    there = _sessions(pattern, services)
    asked = prometheus_of(there)
    _minute(there, asked)
    counted = _traced()
    tracemalloc.reset_peak()
    _minute(there, asked)
    peak = tracemalloc.get_traced_memory()[1]
    _fill(there)
    full = _traced()
    for _, session in there:
        session.measures, session.memory = None, replace(session.memory, service=None)
    without = _traced()
    tracemalloc.stop()
    return Cost(
        services,
        (counted - without) // services,
        (full - without) // services,
        round((peak - counted) / 2**20, 1),
        round(cpu_s, 2),
        round(prometheus.bytes / 2**20, 1),
        prometheus.queries,
        passes,
    )


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _sessions(pattern: Pattern, services: int) -> Sessions:
    """All of them after their first pass."""
    sessions = Sessions(take_counts)
    for number in range(services):
        model, *children = pattern.copy(number)
        model["spec"]["objectives"].append(LATENCY)
        model["metadata"] |= {
            "uid": str(number),
            "generation": model["status"]["observedGeneration"],
        }
        for each in children:
            each["metadata"] |= {"generation": 1, "resourceVersion": "1", "uid": "c"}
        of = {kind: [c for c in children if c["kind"] == kind] for kind in _KINDS}
        (route,) = of["HTTPRoute"]
        observed = Observed(
            model,
            Children(
                of["ControllerRevision"],
                {each["metadata"]["name"]: each for each in of["Deployment"]},
                {each["metadata"]["name"]: each for each in of["Service"]},
                route,
            ),
        )
        found = make_plan(observed, Memory(), NOON + 3_600.0, SETTINGS)
        assert found.measures is not None
        assert found.measures.rollout.sparing
        session = sessions.of(Key(*place(number)), str(number))
        session.keep(replace(found.memory, written=None), found.measures)
    return sessions


_KINDS = ("ControllerRevision", "Deployment", "Service", "HTTPRoute")


def _minute(sessions: Sessions, prometheus: MadeUpPrometheus) -> int:
    """Read every phase of the slow pace once; how many passes follow."""
    queue = KeyedQueue(lambda: 0.0)
    _, beat = beats(SETTINGS, prometheus.ask, Batching())
    clock = max(
        (s.memory.service.until_ms for _, s in sessions if s.memory.service), default=0
    ) // 1000 or int(NOON + 7_200)
    ticker = Ticker(
        beat=beat,
        store=Store(),
        queue=queue,
        rollouts=sessions,
        instruments=OperatorMetrics("benchmark"),
        clock=lambda: clock + 121.0,
    )

    async def read() -> None:
        for phase_ms in beat.readers:
            while await ticker.tick(phase_ms):
                pass

    asyncio.run(read())
    return queue.depth


def _fill(sessions: Sessions) -> None:
    """Fill the windows of all of them, as hours of counting would."""
    for _, session in sessions:
        known = session.memory.service
        assert known is not None
        assert known.until_ms
        empty = WINDOW_BLOCKS * BLOCK_BYTES
        full = tuple(bytes(empty - len(packed)) + packed for packed in known.spent)
        session.memory = replace(session.memory, service=replace(known, spent=full))
