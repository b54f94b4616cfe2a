"""What a tick costs the core: taking in one interval, and one pass, of each canary."""

import statistics
import time
from dataclasses import dataclass

from model_rollouts.rollout.plan import make_plan
from tests.rollout.simulated_cluster import INTERVAL, NOON, SETTINGS, World

RATE = 20.0
"""Requests per second to each model: its canary stays undecided while it is measured."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Seconds of CPU that a tick of all canaries took, in the median; counting and planning."""

    canaries: int
    ticks: int
    take_s: float
    plan_s: float


def measure(canaries: int, ticks: int) -> Tick:
    """Plan for that many canaries, each with errors of its own, over `ticks` intervals."""
    worlds = [_canary(seed) for seed in range(canaries)]
    takes, plans = [], []
    for _ in range(ticks):
        taking = planning = 0.0
        for world in worlds:
            world.time += INTERVAL
            world.serve()
            begun = time.process_time()
            world.measure()
            taking += time.process_time() - begun
            seen = world.seen()
            begun = time.process_time()
            found = make_plan(seen, world.memory, NOON + world.time, SETTINGS)
            planning += time.process_time() - begun
            world.memory, world.measures = found.memory, found.measures
            for action in found.actions:
                world.do(action)
        takes.append(taking)
        plans.append(planning)
    return Tick(canaries, ticks, statistics.median(takes), statistics.median(plans))


def _canary(seed: int) -> World:
    world = World(rate=RATE, errors={"1": 0.001, "2": 0.001}, seed=seed)
    objective = {"name": "errors", "type": "Availability", "availability": {"target": "99.9%"}}
    world.edit(version="1", strategy__watch={"duration": "0s"}, objectives=[objective])
    world.until("Full").run(10)
    world.edit(version="2")
    return world.until("Canary").run(30)
