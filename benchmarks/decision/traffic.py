"""Traffic of a simulated rollout, drawn with numpy in chunks: counts for the judge.

A timeline gives the true bad shares of candidate and stable over time; bursts replace independent
bad requests by clusters. Requests arrive as a Poisson process throughout.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_rollouts.decision import Counts, Sample
from model_rollouts.simulation.looks import Draw

Floats = NDArray[np.float64]
Timeline = Callable[[Floats], tuple[Floats, Floats]]
"""Times in seconds -> bad share of candidate and of stable at each."""

CHUNK = 64
OUTAGE_SECONDS = 20.0
OUTAGE_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class World:
    """True bad shares and how they vary. `kind` selects the timeline, `numbers` its parameters."""

    candidate: float
    stable: float
    kind: str = "steady"
    numbers: tuple[float, ...] = ()
    burst: float = 1.0
    """Mean size of clusters of bad requests; sizes are geometric."""
    far: float = 0.0
    upper: float | None = None
    """Shares beyond the upper and the dual edge of a latency objective, for both versions."""

    def timeline(self, rng: np.random.Generator, horizon: float, scrape: float) -> Timeline:
        """A timeline for one trial; random phases and outages are drawn here."""
        return _TIMELINES[self.kind](self, rng, horizon, scrape)


def _steady(world: World, *_: Any) -> Timeline:
    return lambda times: (
        np.full_like(times, world.candidate),
        np.full_like(times, world.stable),
    )


def _drift(world: World, rng: np.random.Generator, *_: Any) -> Timeline:
    """Both versions follow one sinusoid: `numbers` is amplitude and period."""
    amplitude, period = world.numbers
    phase = rng.uniform(0, 2 * math.pi)

    def shares(times: Floats) -> tuple[Floats, Floats]:
        wave = 1 + amplitude * np.sin(2 * math.pi * times / period + phase)
        return world.candidate * wave, world.stable * wave

    return shares


def _late(world: World, *_: Any) -> Timeline:
    """The candidate has stable's share until `numbers[0]` seconds, then its own."""

    def shares(times: Floats) -> tuple[Floats, Floats]:
        stable = np.full_like(times, world.stable)
        return np.where(times < world.numbers[0], stable, world.candidate), stable

    return shares


def _alternating(world: World, *_: Any) -> Timeline:
    """Periods of `numbers[0]` s as given take turns with a degraded service, `numbers[1]` each."""
    period, degraded = world.numbers

    def shares(times: Floats) -> tuple[Floats, Floats]:
        first = (times // period) % 2 == 0
        return (
            np.where(first, world.candidate, degraded),
            np.where(first, world.stable, degraded),
        )

    return shares


def _outages(world: World, rng: np.random.Generator, horizon: float, scrape: float) -> Timeline:
    """Half of the bad requests come in outages at 5 %; each version has its own."""
    candidate = _outage_shares(rng, world.candidate, horizon, scrape)
    stable = _outage_shares(rng, world.stable, horizon, scrape)

    def shares(times: Floats) -> tuple[Floats, Floats]:
        index = (times / scrape).astype(np.int64)
        return candidate[index], stable[index]

    return shares


def _shared_outages(
    world: World, rng: np.random.Generator, horizon: float, scrape: float
) -> Timeline:
    """The same, but both versions suffer at the same time, in proportion to their shares."""
    stable = _outage_shares(rng, world.stable, horizon, scrape)

    def shares(times: Floats) -> tuple[Floats, Floats]:
        now = stable[(times / scrape).astype(np.int64)]
        return np.minimum(now * world.candidate / world.stable, 1), now

    return shares


def _outage_shares(rng: np.random.Generator, share: float, horizon: float, scrape: float) -> Floats:
    """Mean bad share of each scrape: half of `share` always, half in outages.

    Outages last 20 s on average, gaps what the mean asks for, both exponential.
    """
    scrapes = math.ceil(horizon / scrape) + CHUNK
    mean_gap = OUTAGE_SECONDS * (OUTAGE_SHARE / (share / 2) - 1)
    inside = np.zeros(scrapes)
    edges = np.arange(scrapes) * scrape
    now = rng.exponential(mean_gap)
    while now < scrapes * scrape:
        end = now + rng.exponential(OUTAGE_SECONDS)
        first, last = int(now // scrape), min(int(end // scrape) + 1, scrapes)
        inside[first:last] += np.minimum(edges[first:last] + scrape, end) - np.maximum(
            edges[first:last], now
        )
        now = end + rng.exponential(mean_gap)
    outages: Floats = OUTAGE_SHARE * inside / scrape
    return share / 2 + outages


_TIMELINES: Mapping[str, Callable[..., Timeline]] = {
    "steady": _steady,
    "drift": _drift,
    "late": _late,
    "alternating": _alternating,
    "outages": _outages,
    "shared outages": _shared_outages,
}


def arm(
    rng: np.random.Generator, world: World, requests: float, shares: Floats
) -> tuple[list[int], list[int], list[int], list[int]]:
    """Counts of one version per scrape: total, beyond lower, upper and dual edge."""
    if world.burst > 1:
        bursts = rng.poisson(requests * shares / world.burst)
        bad = bursts + np.where(
            bursts > 0, rng.negative_binomial(np.maximum(bursts, 1), 1 / world.burst), 0
        )
        total = bad + rng.poisson(requests * (1 - shares))
    else:
        total = rng.poisson(requests, len(shares))
        bad = rng.binomial(total, shares)
    if world.upper is None:
        beyond = bad.tolist()
        return total.tolist(), beyond, beyond, [0] * len(beyond)
    upper = rng.binomial(bad, world.upper / np.maximum(shares, 1e-12))
    far = rng.binomial(upper, world.far / world.upper if world.upper else 0.0)
    return total.tolist(), bad.tolist(), upper.tolist(), far.tolist()


def draw_from(
    rng: np.random.Generator,
    world: World,
    name: str,
    requests_per_second: float,
    scrape: float,
    horizon: float,
) -> Draw:
    """The counts of one trial, drawn ahead in chunks until the weight changes."""
    timeline = world.timeline(rng, horizon, scrape)
    requests = requests_per_second * scrape
    ahead: Iterator[Sample] = iter(())
    weight_drawn = -1.0

    def samples(start: float, weight: float) -> Iterator[Sample]:
        times = (start + scrape * np.arange(CHUNK)).astype(np.float64)
        candidate_shares, stable_shares = timeline(times)
        candidate = arm(rng, world, requests * weight, candidate_shares)
        stable = arm(rng, world, requests * (1 - weight), stable_shares)
        for total, lower, upper, far, s_total, s_lower, s_upper, s_far in zip(
            *candidate, *stable, strict=True
        ):
            yield Sample(Counts(total, upper, lower, far), Counts(s_total, s_upper, s_lower, s_far))

    def draw(start: float, weight: float) -> dict[str, Sample]:
        nonlocal ahead, weight_drawn
        if weight != weight_drawn:
            ahead, weight_drawn = samples(start, weight), weight
        sample = next(ahead, None)
        if sample is None:
            ahead = samples(start, weight)
            sample = next(ahead)
        return {name: sample}

    return draw


Blocks = list[tuple[int, int]]


def history(
    rng: np.random.Generator, world: World, requests_per_second: float
) -> tuple[Blocks, tuple[Blocks, Blocks]]:
    """A day of stable in blocks of 15 s: the whole service, and two halves of its pods.

    Outages that both versions share hit both halves at once, others hit each half for itself:
    history can only show the kind of burst that the rollout will meet.
    """
    block, blocks = 15.0, 5760
    quiet = World(world.stable, world.stable, world.kind, world.numbers, world.burst)
    timeline = quiet.timeline(rng, block * blocks, block)
    times = (np.arange(blocks) * block).astype(np.float64)
    shares = timeline(times)
    requests = requests_per_second * block

    def counted(requests: float, shares: Floats) -> Blocks:
        total, bad, *_ = arm(rng, quiet, requests, shares)
        return list(zip(total, bad, strict=True))

    halves = counted(requests / 2, shares[0]), counted(requests / 2, shares[1])
    return counted(requests, shares[0]), halves
