"""The stages that a version has before it, with their times: the plan that people are told."""

from typing import NamedTuple

from model_rollouts.api.duration import span
from model_rollouts.api.status import Phase
from model_rollouts.decision import Decision, Forecast, Judge
from model_rollouts.decision.wording import duration
from model_rollouts.rollout import forecasts, judging, trials
from model_rollouts.rollout.found import Found


class Expected(NamedTuple):
    """What the wanted version has before it: `shadow` in seconds, None without one."""

    shadow: float | None
    canary: Forecast


def expected(found: Found) -> Expected | None:
    """What to expect by the traffic that stable had lately.

    None when nothing of it will be judged, or nobody asked anything lately.
    """
    history, rate = found.seen.history, _rate(found)
    if rate is None or history is None:
        return None
    judge = judging.judge(trials.candidates_rules(found), history.dispersion, history.others)
    if not found.shadows or not found.stages:
        return Expected(None, forecasts.canary(judge, rate, found.spec))
    return _after_copies(found, judge, rate)


def _after_copies(found: Found, judge: Judge, rate: float) -> Expected:
    asked, spec = found.spec.strategy.shadow, found.spec
    assert asked is not None  # the version is judged in shadow
    share = found.stages[-1] / 100
    # Copies to pods that have just started count as little as those of the first stages.
    climbs = (len(found.stages) - 1) * found.pace.stage_seconds
    before = max(climbs, found.pace.warmup_ms / 1000)
    least = max(
        asked.min_requests / (rate * share),
        span(asked.min_duration).total_seconds() - before,
    )
    copies = forecasts.Copies(share, least, before)
    return Expected(
        forecasts.shadow(judge, rate, spec, copies), forecasts.canary(judge, rate, spec, copies)
    )


def plan(found: Found) -> str | None:
    """The stages with their times in one sentence, None when they are not known."""
    coming = expected(found)
    if coming is None:
        return None
    told = "" if coming.shadow is None else f"shadow about {duration(coming.shadow)}, "
    return f"{told}canary {_time(coming.canary)} at {_rate(found):g} req/s"


def _rate(found: Found) -> float | None:
    history = found.seen.history
    phases = (Phase.STARTING, Phase.SHADOW, Phase.CANARY)
    if found.phase not in phases or found.goes_all_the_way:
        return None
    if history is None or history.rate is None:
        return None
    return forecasts.two_digits(history.rate)


def _time(expected: Forecast) -> str:
    time = duration(expected.seconds)
    undecided = expected.decision is Decision.INCONCLUSIVE
    return f"undecided until the deadline, {time}," if undecided else f"about {time}"
