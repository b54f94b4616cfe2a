"""How a candidate is judged on copies: the stages of the mirror, and when it may meet users."""

from fractions import Fraction

from model_rollouts.api import duration
from model_rollouts.api.deployment import Spec
from model_rollouts.api.disagreement import Against
from model_rollouts.decision import Decision, Traffic
from model_rollouts.rollout.memory import Clocks, Trial
from model_rollouts.rollout.state import capacity
from model_rollouts.rollout.trial.trial import counted_copies
from model_rollouts.text import percent as shown

FIRST_STAGES = (1, 10)
"""Percent of the requests that are copied before all that the spec asks for are."""

_OF_WHICH_ITSELF = 10
"""One in so many mirrored requests is asked of stable once more: what stable bears is for users."""

STAGE_SECONDS = 15.0
"""How long a stage lasts at least once copies arrive: what too many copies do to stable shows
within seconds, and a scrape interval or two later in its counts."""

FEW = 3
"""Copies that must have arrived on a stage before there are more of them."""


def percent(spec: Spec) -> int:
    """The share of requests that the spec has copied, 0 when shadow is off."""
    asked = spec.strategy.shadow
    return 0 if asked is None else asked.percent


def allowed(spec: Spec, users: int) -> int:
    """The share of requests that is copied at last, in percent, where `users` pods serve everybody.

    It is what the spec asks for, or what the pods bear that a candidate may have.
    """
    extra = spec.strategy.max_extra_replicas
    return min(percent(spec), capacity.largest_mirror(users, extra, peak_factor(spec)))


def stages(top: int, hurt: int | None) -> tuple[int, ...]:
    """The shares of requests that are copied one after the other up to `top`, in percent.

    None from the share `hurt` on, at which stable suffered.
    """
    every = (*(stage for stage in FIRST_STAGES if stage < top), *([top] if top else []))
    return tuple(stage for stage in every if hurt is None or stage < hurt)


def itself(spec: Spec, mirror: int) -> int:
    """The share of requests, in percent, that another pod of stable gets too beside `mirror`.

    A tenth of what the candidate gets, where answers are held against stable's own agreement.
    """
    compares = any(
        each.disagreement is not None and each.disagreement.against is Against.SELF
        for each in spec.objectives
    )
    return mirror // _OF_WHICH_ITSELF if compares else 0


def peak_factor(spec: Spec) -> Fraction | None:
    """How many times the load of a stable pod each pod gets, None for the load as it is."""
    asked = spec.strategy.shadow
    if asked is None or asked.peak_factor is None:
        return None
    return Fraction(asked.peak_factor)


def expected_seconds(
    spec: Spec, every: tuple[int, ...], rate: float, stage_seconds: float, warmup: float
) -> float:
    """How long a shadow takes at `rate` requests of users per second, if all goes well.

    `every` is each of its stages (see `stages`). `warmup` (seconds) passes before the copies of a
    pod count, and each stage has its least.
    """
    asked = spec.strategy.shadow
    if asked is None or not every:
        return 0.0
    least = (max(stage_seconds, FEW / (rate * stage / 100)) for stage in every[:-1])
    last = max(stage_seconds, asked.min_requests / (rate * every[-1] / 100))
    shortest = duration.span(asked.min_duration).total_seconds()
    return max(shortest, warmup + sum(least) + last)


def words(mirror: int) -> str:
    """How many of stable's requests are mirrored after that made it worse: a sentence."""
    return f"Mirroring is down to {shown(mirror / 100)}" if mirror else "Mirroring has stopped"


def is_proven(spec: Spec, trial: Trial | None, clocks: Clocks) -> bool:
    """Whether copies have shown what the first step asks for, for as long as the spec wants."""
    asked = spec.strategy.shadow
    if asked is None or trial is None or trial.traffic is not Traffic.SHADOW:
        return False
    return (
        counted_copies(trial) >= asked.min_requests
        and clocks.phase >= duration.span(asked.min_duration).total_seconds()
        and trial.judge.decide(trial.state, trial.judge.rules.steps[0]) is Decision.PASS
    )
