"""Whether requests that were not mirrored are the large ones: gateways have limits for bodies."""

import math

from model_rollouts.metrics.body_sizes import Sizes
from model_rollouts.rollout.trial.traffic_split import NEXT_TO_NONE
from model_rollouts.text import observed

ENOUGH = 20.0
"""Requests of users on either side of a size, before anything is said of it."""

TELLING = 2.0
"""So many times more of the large ones than of the others are missing, or size explains nothing."""

_UNITS = ((1_000_000, "MB"), (1_000, "kB"))


def by_size(missing: float, users: Sizes, mirrored: Sizes) -> str:
    """A clause on the sizes of what was not mirrored, empty while too little is known.

    `missing` is the share of all requests that never came. What is missing of a size follows from
    its shares of the two, so neither has to be whole, nor of the very same time.
    """
    parts = [(_missing(missing, users, mirrored, size), size) for size, _ in users]
    told = [(*part, size) for part, size in parts if part is not None]
    if not told:
        return ""
    above, below, size = max(told, key=lambda each: (round(each[0] - each[1], 2), each[2]))
    if above < TELLING * below:
        return ", large and small ones alike"
    others = observed(below) if below > NEXT_TO_NONE else "next to none"
    return f": {observed(above)} of those of {_size(size)} or more, and {others} of the others"


def _missing(
    missing: float, users: Sizes, mirrored: Sizes, size: float
) -> tuple[float, float] | None:
    """The shares that are missing of what is as large as `size`, and of what is smaller."""
    asked, came = dict(users), dict(mirrored)
    total, copies = asked.get(math.inf, 0.0), came.get(math.inf, 0.0)
    if math.isinf(size) or not copies or size not in came:
        return None
    small = asked[size]
    if min(small, total - small) < ENOUGH:
        return None
    arrived = 1 - missing
    below = 1 - arrived * (came[size] / copies) / (small / total)
    above = 1 - arrived * (1 - came[size] / copies) / (1 - small / total)
    return max(above, 0.0), max(below, 0.0)


def _size(size: float) -> str:
    unit, name = next(each for each in _UNITS if size >= each[0])
    return f"{size / unit:g} {name}"
