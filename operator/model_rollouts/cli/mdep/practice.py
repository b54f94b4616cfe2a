"""What no schema refuses and practice knows: promises that cannot be kept, or shown to be.

A function for each, from a ModelDeployment to what is odd about it, and a row in `CHECKS`.
"""

from collections.abc import Callable, Iterator

from model_rollouts.api.deployment import ModelDeployment
from model_rollouts.api.duration import span
from model_rollouts.api.objectives import Role
from model_rollouts.api.strategy import StrategyMode
from model_rollouts.api.template import CONTAINER
from model_rollouts.cli.mdep.offline import Path, Problem
from model_rollouts.decision import is_comparable
from model_rollouts.rollout import forecast_of, steps_of
from model_rollouts.text import about, duration, percent

CLOSE = 1.3
"""How close the rate that is told is to the least one, as a factor."""
LOWEST_RATE, HIGHEST_RATE = 1.0, 1e5
"""Requests per second between which the least is looked for; below there is nothing to tell."""

Check = Callable[[ModelDeployment, float | None], Iterator[Problem]]


def odd(deployment: ModelDeployment, rate: float | None = None) -> list[Problem]:
    """What is odd about a ModelDeployment; `rate` is the requests per second that it gets."""
    if deployment.spec.strategy.mode is not StrategyMode.PROGRESSIVE:
        always = (_cut_by_timeouts, _late_fallback, _not_probed)
        return [problem for check in always for problem in check(deployment, rate)]
    return [problem for check in CHECKS for problem in check(deployment, rate)]


def _undecidable(deployment: ModelDeployment, rate: float | None) -> Iterator[Problem]:
    """Objectives that the traffic, or any at all, cannot decide before the deadline."""
    path: Path = ("spec", "objectives")
    if rate is not None:
        found = forecast_of(deployment, rate)
        if found.underpowered:
            yield Problem(path, found.words)
        return
    if not forecast_of(deployment, LOWEST_RATE).underpowered:
        return
    low, high = LOWEST_RATE, 10 * LOWEST_RATE
    while (found := forecast_of(deployment, high)).underpowered:
        if high >= HIGHEST_RATE:
            yield Problem(path, f"no traffic decides these before the deadline: {found.words}")
            return
        low, high = high, 10 * high
    while high / low > CLOSE:
        middle = float((low * high) ** 0.5)
        is_less = forecast_of(deployment, middle).underpowered
        low, high = (middle, high) if is_less else (low, middle)
    deadline = span(deployment.spec.strategy.deadline).total_seconds()
    yield Problem(
        path,
        f"these need about {about(high)} req/s to be decided before the deadline of "
        f"{duration(deadline)}; --rate tells whether yours is enough",
    )


def _reduced_steps(deployment: ModelDeployment, rate: float | None) -> Iterator[Problem]:
    """Steps for which there are too few pods."""
    steps = [each for each in steps_of(deployment) if not each.is_all]
    reduced = [each for each in steps if each.is_reduced]
    strategy = deployment.spec.strategy
    if reduced:
        given = ", ".join(percent(float(each.weight)) for each in steps) or "none"
        yield Problem(
            ("spec", "strategy", "canary", "steps"),
            f"found {', '.join(strategy.canary.steps)} with {deployment.spec.replicas} replicas "
            f"and maxExtraReplicas {strategy.max_extra_replicas}: its pods carry {given}; raise "
            "maxExtraReplicas, or write smaller steps",
        )


def _too_little_load(deployment: ModelDeployment, rate: float | None) -> Iterator[Problem]:
    """Latency Gates that no step gives enough load to count."""
    steps = [each for each in steps_of(deployment) if not each.is_all]
    if not steps or any(
        is_comparable(float(each.weight), 1 - float(each.weight), float(each.pods))
        for each in steps
    ):
        return
    for index, each in enumerate(deployment.spec.objectives):
        if each.latency is not None and each.acting_role is Role.GATE:
            yield Problem(
                ("spec", "strategy", "canary", "steps"),
                f"found a last step of {deployment.spec.strategy.canary.steps[-1]}: a pod of the "
                f"candidate then gets too few requests for objective '{each.name}' "
                f"(spec.objectives[{index}]) to count; add a last step of 50%",
            )


def _cut_by_timeouts(deployment: ModelDeployment, rate: float | None) -> Iterator[Problem]:
    """Times of latency objectives that a timeout in front of the model, or a fallback, cuts."""
    spec = deployment.spec
    cuts = [*spec.route.time_limits()]
    if spec.fallback is not None and spec.fallback.after is not None:
        cuts.append(("spec.fallback.after", spec.fallback.after))
    for index, objective in enumerate(spec.objectives):
        within = None if objective.latency is None else objective.latency.within
        for place, text in cuts:
            if within is not None and span(text) <= span(within):
                yield Problem(
                    ("spec", "objectives", index, "latency", "within"),
                    f"found {within}, and {place} ends requests after {text}: none is ever "
                    "answered later, so that slow ones count as failed, and never as slow; write "
                    "less than that time",
                )


def _late_fallback(deployment: ModelDeployment, rate: float | None) -> Iterator[Problem]:
    """A fallback for slow answers that no user waits for, because a timeout is over before."""
    fallback = deployment.spec.fallback
    cut = None if fallback is None else fallback.comes_late(deployment.spec.route)
    if fallback is not None and cut is not None:
        place, text = cut
        yield Problem(
            ("spec", "fallback", "after"),
            f"found {fallback.after}, and {place} ends requests after {text}: no user gets the "
            f"fallback for an answer that is too slow; write less than {text}, or a longer "
            f"{place}: model and fallback have `after` each",
        )


def _not_probed(deployment: ModelDeployment, rate: float | None) -> Iterator[Problem]:
    """A model server without a readiness probe."""
    containers = deployment.spec.template["spec"]["containers"]
    for index, each in enumerate(containers):
        if each.get("name") == CONTAINER and "readinessProbe" not in each:
            yield Problem(
                ("spec", "template", "spec", "containers", index),
                "found no readinessProbe: a pod then counts as ready before the model is loaded, "
                "and its first users get errors; write one that asks for the model",
            )


CHECKS: tuple[Check, ...] = (
    _undecidable,
    _reduced_steps,
    _too_little_load,
    _cut_by_timeouts,
    _late_fallback,
    _not_probed,
)
