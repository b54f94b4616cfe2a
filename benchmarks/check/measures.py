"""What is measured again in a minute: a function for each benchmark, with its figures by name.

CPU time is told as on the machine of the ranges: divided by what a fixed piece of work takes beside
it, for the same code takes twice the CPU time on cores that others use too.
"""

import asyncio
import gc
import statistics
import tracemalloc
from collections.abc import Callable, Mapping

from benchmarks.active import latency
from benchmarks.active.fleet import SETTLED, Fleet
from benchmarks.decision import speed
from benchmarks.intake.exporter import namespace, pods, revisions
from benchmarks.intake.measure import rollout
from benchmarks.machine import reference_s
from benchmarks.made_up_prometheus import MadeUpPrometheus, Scraped
from benchmarks.settled.measure import measure as settled
from model_rollouts.metrics.counts import Counted
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.intake import Intake
from model_rollouts.metrics.requests import Request
from model_rollouts.metrics.watermark import Watermark
from model_rollouts.prometheus.reader import SampleReader

REFERENCE_S = 0.033
"""What the fixed piece of work takes where the ranges were measured, on 2 cores of an AMD EPYC."""

CANARIES = 100
TICKS = 12
CHANGES_S = 20.0
SERVICES = 100
ROLLOUTS = 200
READINGS = 8
BEGAN_MS = 1_800_000_000_000

Figures = dict[str, float]


def machine() -> float:
    """How many times as long this machine takes for the same work now."""
    return statistics.median(reference_s() for _ in range(5)) / REFERENCE_S


def active() -> Figures:
    """A tick of canaries, and a change beside them."""
    fleet = Fleet(CANARIES)
    for _ in range(SETTLED):
        fleet.tick()
    shares, passes = [], 0
    for _ in range(TICKS):
        tick = fleet.tick()
        shares.append(tick.whole_s / machine())
        passes += tick.passes
    slower = machine()
    waits = latency.measure(CANARIES, CANARIES, 50.0, CHANGES_S)
    return {
        "active.cpu_ms_per_tick": 1000 * statistics.mean(shares) / CANARIES,
        "active.passes_per_tick": passes / (TICKS * CANARIES),
        "active.event_to_write_p99_ms": waits["p99_ms"] / (slower + machine()) * 2,
    }


def intake() -> Figures:
    """What the intake keeps of an active rollout: 2 versions, 2 pods of each, 3 objectives."""
    of = {
        revision: Scraped(namespace(number), tuple(pods(revision)), 50)
        for number in range(ROLLOUTS)
        for revision in revisions(number)
    }
    prometheus = MadeUpPrometheus(of, BEGAN_MS - 3_600_000)
    rollouts = [rollout(number, BEGAN_MS) for number in range(ROLLOUTS)]
    gc.collect()
    tracemalloc.start()
    reader = SampleReader(prometheus.ask, Intake(Grid(5_000)))
    since: dict[str, Watermark] = {}

    async def read() -> None:
        for number in range(READINGS):
            requests = [Request(each, since.get(each.key)) for each in rollouts]
            at_ms = BEGAN_MS + 65_000 + 5_000 * number
            for key, counted in (await reader.tick(requests, at_ms)).items():
                assert isinstance(counted, Counted)
                since[key] = counted.watermark

    asyncio.run(read())
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return {"intake.bytes_per_rollout": kept / ROLLOUTS}


def service() -> Figures:
    """A version that serves after its watch."""
    slower = machine()
    cost = settled(SERVICES, lambda line: None)
    slower = (slower + machine()) / 2
    return {
        "settled.counted_bytes": cost.counted_bytes,
        "settled.full_bytes": cost.full_bytes,
        "settled.cpu_ms_per_minute": 1000 * cost.cpu_s / SERVICES / slower,
        "settled.passes": cost.passes,
    }


def judge() -> Figures:
    """One interval of one trial with six objectives."""
    slower = machine()
    found = speed.measure()
    slower = (slower + machine()) / 2
    return {
        "judge.update_us": found.update_median / slower,
        "judge.bursty_update_us": found.bursty_update_median / slower,
        "judge.evidence_characters": found.evidence_characters,
    }


MEASURES: Mapping[str, Callable[[], Figures]] = {
    "active": active,
    "intake": intake,
    "settled": service,
    "judge": judge,
}
