"""The error budget of a version that serves, and that of one which misses its target anyway."""

import struct
from dataclasses import replace

from model_rollouts.decision import (
    LARGEST_BAD_SHARE,
    RECENT_BLOCKS,
    Burn,
    BurnBlock,
    Counts,
    Objective,
    Rules,
    count_burn,
    fast_burn,
    is_rate_above,
    promise,
)
from model_rollouts.rollout.memory import Service, Trial
from model_rollouts.text import count, duration, observed

_BLOCK = struct.Struct("<Idd")
"""A block: its number, how many requests it had, and how many of them were bad."""

Missed = tuple[tuple[str, float], ...]
"""Objectives that stable missed beside the candidate, each with stable's share of bad ones."""


def spent(packed: bytes, end: float, counted: Counts) -> bytes:
    """The counts of an objective with those of an interval that ended at `end`.

    `end` is in seconds after counting began. Packed they are a tenth of what objects would take.
    """
    last = packed[-_BLOCK.size :]
    merged = count_burn(blocks(last), end, counted.total, counted.bad_at_least)
    if len(merged) == 1:
        return packed[: -_BLOCK.size] + _BLOCK.pack(*merged[0])
    whole = count_burn(blocks(packed), end, counted.total, counted.bad_at_least)
    return b"".join(_BLOCK.pack(*block) for block in whole)


def blocks(packed: bytes) -> tuple[BurnBlock, ...]:
    """The counts by blocks of time."""
    return tuple(map(BurnBlock._make, _BLOCK.iter_unpack(packed)))


def recent_blocks(packed: bytes) -> tuple[BurnBlock, ...]:
    """The latest of them, which hold all short windows."""
    return blocks(packed[-RECENT_BLOCKS * _BLOCK.size :])


def burns(service: Service, judged_by: Rules) -> str | None:
    """Which objective of the rules burns its budget too fast, in words; None when none does."""
    of = {each.name: each for each in judged_by.objectives}
    for promised, packed in zip(service.promises, service.spent, strict=False):
        objective = of.get(promised.name)
        if objective is None or not objective.kind.traits.has_error_budget:
            continue
        if (burn := fast_burn(blocks(packed), objective.good)) is not None:
            return _words(objective, burn, min(burn.pair.long, elapsed(service)))
    return None


def elapsed(service: Service) -> float:
    """For how many seconds it has been counted."""
    return 0.0 if service.began_ms is None else (service.until_ms - service.began_ms) / 1000


def _words(objective: Objective, burn: Burn, seconds: float) -> str:
    share = burn.bad / burn.total
    return (
        f"{objective.name} uses its error budget {share / objective.good:.0f} times as fast as "
        f"allowed: {promise(objective)}, but {count(burn.bad)} of {count(burn.total)} failed "
        f"({observed(share)}) in the last {duration(seconds)}"
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
        f"{observed(shares[objective.name])}"
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
