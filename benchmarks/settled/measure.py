"""Many settled services in one process: memory of each, and what a minute of readings takes."""

import asyncio
import gc
import re
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from benchmarks.engine.fleet import Pattern, place
from model_rollouts.engine.operator_metrics import OperatorMetrics
from model_rollouts.engine.queue import KeyedQueue
from model_rollouts.engine.sessions import Sessions
from model_rollouts.engine.store import Key, Store
from model_rollouts.engine.ticker import Ticker
from model_rollouts.engine.wiring import beats
from model_rollouts.rollout import Memory, make_plan, take_counts
from model_rollouts.rollout.observed import Children, Observed
from tests.api.objects import LATENCY
from tests.rollout.simulated_cluster import NOON, SETTINGS

PODS = 2
WINDOW_BLOCKS = 73
"""What the longest window of an error budget holds."""

BLOCK_BYTES = 20

_QUERY = re.compile(r'^(\w+)\{.*modelrollouts_revision=~?"([^"]*)".*\}\[(\d+)ms\]$')


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


class Prometheus:
    """Answers with the samples of healthy pods; what that takes is not the operator's."""

    def __init__(self) -> None:
        self.bytes = self.queries = 0
        self.cpu_s = 0.0

    async def ask(self, text: str, at_ms: int) -> bytes:
        """The answer to a raw range selector."""
        begun = time.process_time()
        found = _QUERY.match(text)
        assert found is not None, text
        metric, revisions, range_ms = found.groups()
        series = [
            each
            for revision in revisions.split("|")
            for pod in range(PODS)
            for each in _series(metric, text, revision, pod, at_ms, int(range_ms))
        ]
        body = (
            '{"status":"success","data":{"resultType":"matrix","result":['
            + ",".join(series)
            + "]}}"
        ).encode()
        self.bytes += len(body)
        self.queries += 1
        self.cpu_s += time.process_time() - begun
        return body


def _series(
    metric: str, text: str, revision: str, pod: int, at_ms: int, range_ms: int
) -> Iterator[str]:
    """One series, with the labels that a PodMonitor gives, one sample in 5 s."""
    number = re.search(r"(\d{5})-", revision)
    namespace, _ = place(int(number.group(1)) if number else 0)
    edge = re.search(r'le=~"[^"]*?\(\?:(\d+)', text)
    code = re.search(r'(envoy_response_code(?:_class)?)="(\w+)"', text)
    listener = re.search(r'(envoy_http_conn_manager_prefix|envoy_cluster_name)="(\w+)"', text)
    more = [f'"{m.group(1)}":"{m.group(2)}"' for m in (code, listener) if m]
    more += [f'"le":"{edge.group(1)}"'] if edge else []
    labels = ",".join(
        [
            f'"__name__":"{metric}","namespace":"{namespace}","pod":"{revision}-{pod}"',
            f'"job":"{namespace}/models","instance":"10.0.{pod}.1:17090","container":"proxy"',
            f'"endpoint":"metrics","modelrollouts_revision":"{revision}","prometheus":"m/k8s"',
            *more,
        ]
    )
    is_bad = "_xx" in metric or "reset" in metric or "upstream" in metric
    first = (at_ms - range_ms) // 5_000 + 1
    values = ",".join(
        f'[{5 * n + 1.234},"{3 if is_bad else 50 * n}"]' for n in range(first, at_ms // 5_000)
    )
    yield f'{{"metric":{{{labels}}},"values":[{values}]}}'


def measure(services: int, say: Callable[[str], None]) -> Cost:
    """Plan for that many settled services, and let minutes pass."""
    pattern, prometheus = Pattern(1), Prometheus()
    there = _sessions(pattern, services)
    _minute(there, Prometheus())
    begun = time.process_time()
    passes = _minute(there, prometheus)
    cpu_s = time.process_time() - begun - prometheus.cpu_s
    say(f"{services}: {cpu_s:.2f} s of CPU in a minute")

    tracemalloc.start()
    there = _sessions(pattern, services)
    _minute(there, Prometheus())
    counted = _traced()
    tracemalloc.reset_peak()
    _minute(there, Prometheus())
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


def _minute(sessions: Sessions, prometheus: Prometheus) -> int:
    """Read every phase of the slow pace once; how many passes follow."""
    queue = KeyedQueue(lambda: 0.0)
    _, beat = beats(SETTINGS, prometheus.ask)
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
