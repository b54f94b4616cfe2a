"""The error budget of a promoted version, and that of a service which misses its target anyway."""

from dataclasses import replace

from model_rollouts.decision import (
    LARGEST_BAD_SHARE,
    Burn,
    BurnBlock,
    Interval,
    Judge,
    Objective,
    Role,
    Rules,
    count_burn,
    fast_burn,
    is_rate_above,
    promise,
)
from model_rollouts.rollout.memory import Trial
from model_rollouts.text import count, duration, percent

Spent = tuple[tuple[BurnBlock, ...], ...]
"""Counts in blocks of time, by objective in the order of the rules."""

Missed = tuple[tuple[str, float], ...]
"""Objectives that stable missed beside the candidate, each with stable's share of bad ones."""


def spent(before: Spent, judge: Judge, interval: Interval) -> Spent:
    """The counts with those of an interval."""
    rows = before or ((),) * len(judge.rules.objectives)
    return tuple(
        count_burn(blocks, interval.end, sample.candidate.total, sample.candidate.bad_at_least)
        if (sample := interval.samples.get(objective.name)) is not None
        else blocks
        for blocks, objective in zip(rows, judge.rules.objectives, strict=True)
    )


def burns(trial: Trial) -> str | None:
    """Which objective burns its budget too fast, in words; None when none does."""
    for blocks, objective in zip(trial.spent, trial.judge.rules.objectives, strict=False):
        if objective.role is Role.REPORT or not objective.kind.traits.has_error_budget:
            continue
        if (burn := fast_burn(blocks, objective.good)) is not None:
            return _words(objective, burn, min(burn.pair.long, trial.state.elapsed))
    return None


def _words(objective: Objective, burn: Burn, seconds: float) -> str:
    share = burn.bad / burn.total
    return (
        f"{objective.name} uses its error budget {share / objective.good:.0f} times as fast as "
        f"allowed: {promise(objective)}, but {count(burn.bad)} of {count(burn.total)} failed "
        f"({percent(share)}) in the last {duration(seconds)}"
    )


def missed(trial: Trial) -> Missed:
    """What stable missed beside the candidate of `trial`, where that is hardly chance."""
    pairs = zip(trial.judge.rules.objectives, trial.state.evidence, strict=True)
    return tuple(
        (objective.name, evidence.seen_stable_bad / evidence.seen_stable_total)
        for objective, evidence in pairs
        if objective.kind.traits.is_missed_by_stable
        and is_rate_above(evidence.seen_stable_total, evidence.seen_stable_bad, objective.good)
    )


def degraded(trial: Trial) -> str | None:
    """How stable itself misses its objectives, in words; None when it does not."""
    shares = dict(missed(trial))
    told = [
        f"{objective.name}: {promise(objective)}, but stable failed "
        f"{percent(shares[objective.name])}"
        for objective in trial.judge.rules.objectives
        if objective.name in shares
    ]
    if not told:
        return None
    return f"{'; '.join(told)}. The candidate is therefore judged against stable"


def watched(judged_by: Rules, before: Missed) -> Rules:
    """The rules of a watch, after a canary in which stable missed some objectives.

    The version before is no way out of what it does itself: going back to it is for what is worse
    than that by as much as a bad limit is by its good one.
    """
    shares = dict(before)
    wider = [_wider(each, shares.get(each.name, 0.0)) for each in judged_by.objectives]
    # What is allowed by an objective on errors must not be forbidden by the breaker.
    most = min((each.good for each in wider if each.kind.traits.is_breaker), default=1.0)
    return replace(
        judged_by,
        objectives=tuple(
            _limited(each, most) if each.kind.traits.is_under_breaker and each.good > most else each
            for each in wider
        ),
    )


def _wider(objective: Objective, share: float) -> Objective:
    """The objective, with as much room above `share` as it had above its good limit."""
    room = objective.bad / objective.good
    good = min(share * room, LARGEST_BAD_SHARE / room)
    return _limited(objective, good) if good > objective.good else objective


def _limited(objective: Objective, good: float) -> Objective:
    """The objective with another good limit, and the others in the same proportion."""
    # Rounding must not lift it over what an objective may say.
    bad = min(good * objective.bad / objective.good, LARGEST_BAD_SHARE)
    return replace(objective, good=good, bad=bad, accept=max(bad, objective.accept))
