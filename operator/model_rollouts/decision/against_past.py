"""Whether stable is worse than it was: its requests now against its own past.

What it was is known up to chance: from `bad` of `total` follows the smallest rate that is excluded
(`worst_past`). Each objective is then held against that rate in place of its target, by the bets of
every other objective. The chance that a stable which is as it was is ever called worse is at most
`false_alarm`: half of it for the past, half for the bets, however long one looks.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from model_rollouts.decision.judge import Judge
from model_rollouts.decision.objective import (
    LARGEST_BAD_SHARE,
    Compare,
    Objective,
    Role,
)
from model_rollouts.decision.rules import UNKNOWN, Dispersion, Rules
from model_rollouts.decision.verdict import Seen

_HALVINGS = 60
_NO_STEP = 0.5
"""Rules ask for a step; nothing is ever decided toward it."""


def worst_past(seen: Seen, false_alarm: float, dispersion: float) -> float:
    """The rate above `bad / total` that these counts exclude but for a chance of `false_alarm`.

    Chernoff's bound: the smallest q with total KL(bad / total, q) >= -ln(false_alarm), with counts
    divided by the `dispersion` of bursty ones. 1 without any requests.
    """
    if not seen.total:
        return 1.0
    share = seen.bad / seen.total
    enough = -math.log(false_alarm) * dispersion / seen.total
    low, high = share, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if _divergence(share, middle) >= enough else (middle, high)
    return high


def _divergence(share: float, rate: float) -> float:
    """KL of Bernoulli(`share`) from Bernoulli(`rate`), in nats; 0 <= share <= rate."""
    if rate >= 1:
        return math.inf
    good = (1 - share) * math.log((1 - share) / (1 - rate))
    return good + (share * math.log(share / rate) if share else 0.0)


def judge_against_past(
    objectives: Sequence[Objective],
    before: Mapping[str, Seen],
    dispersions: Mapping[str, Dispersion],
    *,
    false_alarm: float,
) -> Judge | None:
    """The judge of stable as it is now, whose Fail says that it is worse than `before`.

    Errors and latency are judged, in objectives that act. Worse is by more than the slack of the
    objective, a small share of its good limit. Without counts from before the target itself is the
    limit. None when no objective can be judged.
    """
    judged = [
        each
        for each in objectives
        if each.kind.traits.is_held_to_past and each.role is not Role.REPORT
    ]
    held: list[Objective] = []
    for each in judged:
        seen = before.get(each.name, Seen(0.0, 0.0))
        phi = dispersions.get(each.name, UNKNOWN).target
        limit = worst_past(seen, false_alarm / 2 / len(judged), phi) if seen.total else each.good
        limit += each.slack * each.good
        bad = limit * each.bad / each.good
        if bad <= LARGEST_BAD_SHARE:
            held.append(_restated(each, limit, bad, first=not held))
    if not held:
        return None
    rules = Rules(tuple(held), steps=(_NO_STEP,), false_rollback=false_alarm / 2, baseline=False)
    names = {each.name for each in held}
    return Judge(rules, {name: phi for name, phi in dispersions.items() if name in names})


def _restated(objective: Objective, good: float, bad: float, *, first: bool) -> Objective:
    """The objective with its past as the target; one of them has to be a Gate."""
    return replace(
        objective,
        good=good,
        bad=bad,
        accept=max(objective.accept, bad),
        compare=Compare.TARGET,
        role=Role.GATE if first else Role.GUARD,
    )
