"""What is expected of a canary at a rate of requests: the judge fed with expected counts."""

from functools import lru_cache

from model_rollouts.api.deployment import Spec
from model_rollouts.api.duration import span
from model_rollouts.decision import Forecast, Judge, forecast
from model_rollouts.decision.counts import COMPARABLE_WEIGHT


def canary(judge: Judge, rate: float, spec: Spec) -> Forecast:
    """What to expect at `rate` requests per second to candidate and stable together."""
    return _forecast(judge, two_digits(rate), *times(spec))


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
def _forecast(judge: Judge, rate: float, deadline: float, min_step: float) -> Forecast:
    return forecast(
        judge, rate, deadline=deadline, min_step=min_step, comparable_from=COMPARABLE_WEIGHT
    )
