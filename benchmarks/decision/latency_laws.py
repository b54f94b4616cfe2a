"""Latency laws: mixtures of lognormals, scaled to a true p99, and a narrow slow mode."""

import math
from dataclasses import dataclass

from model_rollouts.decision import Bracket

FINE = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.75, 1.0)
DEFAULT = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
EDGES = {"fine": FINE, "default": DEFAULT}

_PARTS = ((0.97, 0.08, 0.45), (0.03, 0.2, 0.5))
"""Weight, median in seconds and log standard deviation."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of answers beyond the edges of a bracket."""

    lower: float
    upper: float
    far: float


@dataclass(frozen=True, slots=True)
class Law:
    """The mixture stretched by `scale`; a share `mode` of answers takes `at` seconds instead."""

    scale: float
    mode: float = 0.0
    at: float = 0.0

    def beyond(self, seconds: float) -> float:
        """Share of answers slower than `seconds`."""
        tail = sum(
            weight * 0.5 * math.erfc(math.log(seconds / self.scale / median) / sigma / 2**0.5)
            for weight, median, sigma in _PARTS
        )
        return (1 - self.mode) * tail + self.mode * (self.at > seconds)

    def shares(self, edges: Bracket) -> Shares:
        """Shares beyond the edges at which a threshold is read."""
        assert edges.far is not None
        return Shares(self.beyond(edges.lower), self.beyond(edges.upper), self.beyond(edges.far))


def scaled(p99: float) -> Law:
    """The mixture with this true p99 in seconds."""
    low, high = 1e-3, 1e3
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if Law(middle).beyond(p99) > 0.01 else (middle, high)
    return Law(high)


def _named() -> dict[str, Law]:
    laws = {}
    for p99, kind in (
        (0.25, "good"),
        (0.29, "good"),
        (0.31, "between"),
        (0.35, "bad"),
        (0.6, "bad"),
    ):
        law = scaled(p99)
        laws[f"{1000 * p99:.0f} ms ({100 * law.beyond(0.3):.2f} %), {kind}"] = law
    fast = scaled(0.15)
    laws["2 % mode at 275 ms, good"] = Law(fast.scale, 0.02, 0.275)
    laws["1.05 % mode at 480 ms, between"] = Law(fast.scale, 0.0105, 0.48)
    return laws


LAWS = _named()
