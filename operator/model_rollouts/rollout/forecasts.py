"""What is expected of a rollout at a rate of requests: the judge fed with expected counts."""

from functools import lru_cache
from typing import NamedTuple

from model_rollouts.api.deployment import Spec
from model_rollouts.api.duration import span
from model_rollouts.decision import Forecast, Judge, State, forecast, forecast_shadow
from model_rollouts.decision.counts import COMPARABLE_WEIGHT


class Copies(NamedTuple):
    """What a shadow is expected to copy: a `share` of the requests, for `least` seconds at least.

    Before that it takes `before` seconds until copies count.
    """

    share: float
    least: float
    before: float


def canary(judge: Judge, rate: float, spec: Spec, copies: Copies | None = None) -> Forecast:
    """What to expect at `rate` requests per second to candidate and stable together.

    With `copies` it begins with what these have shown, and without the time that they took.
    """
    rate, (deadline, min_step) = two_digits(rate), times(spec)
    return _canary(judge, rate, deadline, min_step, copies)


def shadow(judge: Judge, rate: float, spec: Spec, copies: Copies) -> float:
    """The seconds that a shadow takes at `rate` requests per second; the deadline at most."""
    deadline, _ = times(spec)
    return min(copies.before + _shadow(judge, two_digits(rate), deadline, copies).elapsed, deadline)


def two_digits(rate: float) -> float:
    """A rate as exact as a forecast is: it is then found in the cache, and words stay the same."""
    return float(f"{rate:.1e}")


def times(spec: Spec) -> tuple[float, float]:
    """The deadline and the shortest step, in seconds."""
    strategy = spec.strategy
    return (
        span(strategy.deadline).total_seconds(),
        span(strategy.canary.min_step_duration).total_seconds(),
    )


@lru_cache(maxsize=4096)
def _canary(
    judge: Judge, rate: float, deadline: float, min_step: float, copies: Copies | None
) -> Forecast:
    begun = None if copies is None else _shadow(judge, rate, deadline, copies)
    return forecast(
        judge,
        rate,
        deadline=deadline,
        min_step=min_step,
        comparable_from=COMPARABLE_WEIGHT,
        begun=begun,
    )


@lru_cache(maxsize=4096)
def _shadow(judge: Judge, rate: float, deadline: float, copies: Copies) -> State:
    return forecast_shadow(judge, rate, share=copies.share, least=copies.least, deadline=deadline)
