"""What is expected of a canary at a rate of requests: the judge fed with expected counts."""

from functools import lru_cache

from model_rollouts.api.deployment import Spec
from model_rollouts.api.duration import span
from model_rollouts.decision import Forecast, Judge, forecast
from model_rollouts.decision.counts import COMPARABLE_WEIGHT
from model_rollouts.rollout.state.capacity import Step


def canary(judge: Judge, rate: float, spec: Spec, steps: tuple[Step, ...]) -> Forecast:
    """What to expect at `rate` requests per second to candidate and stable together.

    `steps` are those that the candidate's pods allow, all users at the end.
    """
    given = tuple(float(step.weight) for step in steps for _ in step.asked)
    # A step is as small as its pods demand: they are as busy as those of stable.
    full = (float(step.weight) for step in steps if step.is_reduced)
    comparable = min((COMPARABLE_WEIGHT, *full))
    return _forecast(judge, two_digits(rate), *times(spec), comparable, given)


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
def _forecast(
    judge: Judge,
    rate: float,
    deadline: float,
    min_step: float,
    comparable_from: float,
    weights: tuple[float, ...],
) -> Forecast:
    return forecast(
        judge,
        rate,
        deadline=deadline,
        min_step=min_step,
        comparable_from=comparable_from,
        weights=weights,
    )
