"""The stages that a version has before it, with their times: the plan that people are told."""

from typing import NamedTuple

from model_rollouts.api.status import Phase
from model_rollouts.decision import Decision, Forecast
from model_rollouts.decision.wording import duration
from model_rollouts.rollout import forecasts, judging, shadow, trials
from model_rollouts.rollout.found import Found


class Stage(NamedTuple):
    """A stage of a rollout, and what is expected of it."""

    name: str
    expected: Forecast


def stages(found: Found) -> tuple[Stage, ...]:
    """What the wanted version has before it, by the traffic that stable had lately.

    Empty when nothing of it will be judged, or nobody asked anything lately.
    """
    history, rate = found.seen.history, _rate(found)
    if rate is None or history is None:
        return ()
    judge = judging.judge(trials.candidates_rules(found), history.dispersion, history.others)
    return (Stage("canary", forecasts.canary(judge, rate, found.spec, found.steps)),)


def plan(found: Found) -> str | None:
    """The stages with their times in one sentence, None when they are not known."""
    told, rate = [f"{each.name} {_time(each.expected)}" for each in stages(found)], _rate(found)
    if not told or rate is None:
        return None
    if found.shadows:
        pace = found.pace
        waits = pace.stage_seconds, pace.warmup_ms / 1000
        seconds = shadow.expected_seconds(found.spec, found.stages, rate, *waits)
        told.insert(0, f"shadow about {duration(seconds)}")
    return f"{', '.join(told)} at {rate:g} req/s"


def _rate(found: Found) -> float | None:
    history = found.seen.history
    if found.phase not in (Phase.STARTING, Phase.CANARY):
        return None
    if found.goes_all_the_way or found.decided is not None:
        return None
    if history is None or history.rate is None:
        return None
    return forecasts.two_digits(history.rate)


def _time(expected: Forecast) -> str:
    time = duration(expected.seconds)
    undecided = expected.decision is Decision.INCONCLUSIVE
    return f"undecided until the deadline, {time}," if undecided else f"about {time}"
