"""The stages that a version has before it, with their times: the plan that people are told."""

from model_rollouts.api.status import Phase
from model_rollouts.decision import Decision, Forecast
from model_rollouts.rollout.state import current_trial as trials
from model_rollouts.rollout.state import forecasts
from model_rollouts.rollout.state import shadow_stages as shadow
from model_rollouts.rollout.state.state import Found
from model_rollouts.rollout.status import progress as proof
from model_rollouts.rollout.trial import trial as judging
from model_rollouts.text import duration


def canary(found: Found) -> Forecast | None:
    """What to expect of the wanted version's canary, by the traffic that stable had lately.

    None when nothing of it will be judged, or nobody asked anything lately; a service that was too
    young then is told as soon as its traffic has been counted for long enough.
    """
    history, rate = found.seen.history, _rate(found)
    if rate is None or history is None:
        return None
    judge = judging.judge(trials.candidates_rules(found), history.dispersion, history.others)
    return forecasts.canary(judge, rate, found.spec, found.steps)


def plan(found: Found, expected: Forecast | None) -> str | None:
    """The stages with their times in one sentence, None when the canary's is not known."""
    rate = _rate(found)
    if expected is None or rate is None:
        return None
    told = f"canary {_time(expected)} at {rate:g} req/s"
    if not found.shadows:
        return told
    waits = found.pace.stage_seconds, found.pace.warmup_ms / 1000
    seconds = shadow.expected_seconds(found.spec, found.stages, rate, *waits)
    return f"shadow about {duration(seconds)}, {told}"


def _rate(found: Found) -> float | None:
    history, trial = found.seen.history, found.memory.trial
    if history is None or found.goes_all_the_way or found.decided is not None:
        return None
    rate = history.rate
    if found.phase is Phase.SHADOW:
        untold = rate is None and found.deployment.status.plan is None
        rate = proof.rate(trial) if trial is not None and untold else None
    elif found.phase not in (Phase.STARTING, Phase.CANARY):
        return None
    return None if rate is None else forecasts.two_digits(rate)


def _time(expected: Forecast) -> str:
    time = duration(expected.seconds)
    undecided = expected.decision is Decision.INCONCLUSIVE
    return f"undecided until the deadline, {time}," if undecided else f"about {time}"
