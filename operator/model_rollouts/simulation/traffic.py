"""Made-up traffic from the standard library's generator: Poisson arrivals, binomial bad answers."""

import math
import random
from collections.abc import Mapping
from typing import NamedTuple

from model_rollouts.decision import Counts, Objective, Sample
from model_rollouts.simulation.looks import Draw

_SMALL_MEAN = 30.0
FAR_SHARE = 0.5
"""Part of the slow answers that is beyond the dual boundary too."""


def poisson(rng: random.Random, mean: float) -> int:
    """A Poisson count, exact, in a time that grows with the mean only through its logarithm.

    Small means: arrival by arrival. Large ones: the n-th arrival time is a gamma variable; what
    remains of the mean after it is Poisson again, or binomial when it overshoots (Ahrens, Dieter
    1974).
    """
    count = 0
    while mean > _SMALL_MEAN:
        arrivals = int(mean * 7 / 8)
        reached = rng.gammavariate(arrivals, 1)
        if reached > mean:
            return count + binomial(rng, arrivals - 1, mean / reached)
        count += arrivals
        mean -= reached
    arrival = rng.expovariate(1)
    while arrival < mean:
        count += 1
        arrival += rng.expovariate(1)
    return count


def binomial(rng: random.Random, total: int, share: float) -> int:
    """A binomial count, exact, in a time proportional to the rarer outcome."""
    if share > 0.5:
        return total - binomial(rng, total, 1 - share)
    if share <= 0:
        return 0
    scale = math.log1p(-share)
    bad, position = -1, 0
    while position <= total:
        bad += 1
        position += int(math.log(1 - rng.random()) / scale) + 1
    return bad


class Sliced(NamedTuple):
    """A part of the requests: an objective on it, its share, and those of the same on all."""

    name: str
    share: float
    whole: tuple[str, ...]


def draw_from(
    rng: random.Random,
    objectives: tuple[Objective, ...],
    requests_per_second: float,
    look: float,
    candidate: Mapping[str, float],
    stable: Mapping[str, float],
    sliced: tuple[Sliced, ...] = (),
) -> Draw:
    """Counts of each look; the shares are the true bad shares by objective name.

    Objectives of restarts are left out: they have no requests. `sliced` are objectives
    on one slice: its bad requests are among those of `whole`, whose shares are of the requests
    outside of it.
    """
    counted = [objective for objective in objectives if not objective.is_rate]
    of = {objective.name: objective for objective in counted}

    def counts(objective: Objective, total: int, share: float) -> Counts:
        bad = binomial(rng, total, share)
        far = binomial(rng, bad, FAR_SHARE) if objective.kind.traits.has_far_edge else 0
        return Counts(total, bad, bad, far)

    def arm(total: int, shares: Mapping[str, float]) -> dict[str, Counts]:
        inside = binomial(rng, total, sliced[0].share)
        found: dict[str, Counts] = {}
        for part in sliced:
            own = counts(of[part.name], inside, shares[part.name])
            rest = counts(of[part.whole[0]], total - inside, shares[part.whole[0]])
            bad = own.bad_at_most + rest.bad_at_most
            found |= dict.fromkeys(part.whole, Counts(total, bad, bad, own.far + rest.far))
            found[part.name] = own
        others = (o for o in counted if o.name not in found)
        return found | {o.name: counts(o, total, shares[o.name]) for o in others}

    def draw(start: float, weight: float) -> dict[str, Sample]:
        total = poisson(rng, requests_per_second * look * weight)
        stable_total = poisson(rng, requests_per_second * look * (1 - weight))
        if sliced:
            one, other = arm(total, candidate), arm(stable_total, stable)
            return {o.name: Sample(one[o.name], other[o.name]) for o in counted}
        return {
            o.name: Sample(
                counts(o, total, candidate[o.name]), counts(o, stable_total, stable[o.name])
            )
            for o in counted
        }

    return draw
