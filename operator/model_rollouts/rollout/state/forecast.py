"""The stages that a version has before it, with their times: the plan that people are told."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from model_rollouts.api.deployment import Spec
from model_rollouts.api.duration import span
from model_rollouts.api.phase import Phase
from model_rollouts.decision import Decision, Forecast, Judge, Step, forecast_decision
from model_rollouts.rollout.state import current_trial, shadow_stages
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.rollout.trial.trial import judge_for, request_rate, slice_shares
from model_rollouts.text import duration


def expected_canary(state: RolloutState) -> Forecast | None:
    """What to expect of the wanted version's canary, by the traffic that stable had lately.

    None when nothing of it will be judged, or nobody asked anything lately; a service that was too
    young then is told as soon as its traffic has been counted for long enough.
    """
    history, rate = state.observed.history, _rate(state)
    if rate is None or history is None:
        return None
    judge = judge_for(current_trial.candidates_rules(state), history.dispersion, history.others)
    shares = {} if state.memory.trial is None else slice_shares(state.memory.trial)
    return canary_forecast(judge, rate, state.spec, state.steps, shares)


def plan_sentence(state: RolloutState, expected: Forecast | None) -> str | None:
    """The stages with their times in one sentence, None when the canary's is not known."""
    rate = _rate(state)
    if expected is None or rate is None:
        return None
    told = f"canary {_time(expected)} at {rate:g} req/s"
    if not state.shadows:
        return told
    waits = state.pace.stage_seconds, state.pace.warmup_ms / 1000
    seconds = shadow_stages.expected_seconds(state.spec, state.stages, rate, *waits)
    return f"shadow about {duration(seconds)}, {told}"


def _rate(state: RolloutState) -> float | None:
    history, trial = state.observed.history, state.memory.trial
    if history is None or state.skips_judging or state.promotion_verdict is not None:
        return None
    rate = history.rate
    if state.phase.mirrors:
        untold = rate is None and state.deployment.status.plan is None
        rate = request_rate(trial) if trial is not None and untold else None
    elif not (state.phase is Phase.STARTING or state.phase.shares_traffic):
        return None
    return None if rate is None else two_digits(rate)


def _time(expected: Forecast) -> str:
    time = duration(expected.seconds)
    undecided = expected.decision is Decision.INCONCLUSIVE
    return f"undecided at the deadline after {time}" if undecided else f"about {time}"


def canary_forecast(
    judge: Judge,
    rate: float,
    spec: Spec,
    steps: tuple[Step, ...],
    shares: Mapping[str, float] = MappingProxyType({}),
) -> Forecast:
    """What to expect at `rate` requests per second to candidate and stable together.

    `steps` are those that the candidate's pods allow, all users at the end; `shares` the part of
    the requests that each slice has, as far as it is known.
    """
    known = tuple((name, two_digits(share)) for name, share in shares.items())
    return _forecast(judge, two_digits(rate), *times(spec), steps, known)


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
    steps: tuple[Step, ...],
    shares: tuple[tuple[str, float], ...],
) -> Forecast:
    return forecast_decision(
        judge, rate, deadline=deadline, min_step=min_step, steps=steps, shares=dict(shares)
    )
