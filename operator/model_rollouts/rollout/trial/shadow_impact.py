"""Whether stable bears the copies of its requests: counted, and judged against its own past."""

from collections.abc import Mapping
from dataclasses import replace

from model_rollouts.decision import (
    Dispersion,
    Interval,
    Judge,
    Sample,
    Seen,
    Traffic,
    explain,
    judge_against_past,
)
from model_rollouts.metrics.counts import ArmCounts, IntervalCounts
from model_rollouts.rollout.memory import ShadowImpact, Split, Trial
from model_rollouts.rollout.trial.samples import STABLE, counts
from model_rollouts.text import count, observed

FALSE_ALARM = 0.001
"""The chance that a stable which does not suffer is said to, for one share of copies."""


def counted(
    impact: ShadowImpact, trial: Trial, record: IntervalCounts, split: Split | None
) -> ShadowImpact:
    """What one more interval says of stable.

    Before the first copy it is the past that stable is held against. An interval in which the
    mirror was changed says nothing of either.
    """
    stable = record.arms.get(STABLE)
    if stable is None or STABLE in record.held_arms:
        return impact
    if record.end_ms <= impact.until_ms:
        return replace(impact, before=_added(impact.before, trial, stable))
    if split is None or not split.mirror or record.start_ms < split.since_ms:
        return impact
    judge = impact.judge or judge_of(trial, impact.before)
    if judge is None:
        return impact
    samples = {
        each.name: Sample(found)
        for each in judge.rules.objectives
        if (found := counts(each, stable, stable=True)) is not None
    }
    start, end = ((at - trial.started_ms) / 1000 for at in (record.start_ms, record.end_ms))
    state = judge.update(impact.state or judge.start(), Interval(start, end, samples, Traffic.LIVE))
    after = replace(impact, judge=judge, state=state)
    if state.failed_at is None or (impact.state and impact.state.failed_at is not None):
        return after
    return replace(after, words=_words(judge, after))


def without_evidence(impact: ShadowImpact | None) -> ShadowImpact | None:
    """What is known of the past, without evidence: other copies are another question."""
    return None if impact is None else replace(impact, state=None)


def judge_of(trial: Trial, before: Mapping[str, Seen]) -> Judge | None:
    """The judge of stable against `before`; None when it has no objective that can be judged."""
    rules = trial.judge.rules
    dispersions: Mapping[str, Dispersion] = {
        each.name: dispersion
        for each, dispersion in zip(rules.objectives, trial.judge.dispersions, strict=True)
    }
    return judge_against_past(rules.objectives, before, dispersions, false_alarm=FALSE_ALARM)


def _added(before: Mapping[str, Seen], trial: Trial, stable: ArmCounts) -> Mapping[str, Seen]:
    added = dict(before)
    for each in trial.judge.rules.objectives:
        found = counts(each, stable, stable=True)
        if each.kind.traits.is_held_to_past and found is not None:
            known = before.get(each.name, Seen(0.0, 0.0))
            added[each.name] = Seen(known.total + found.total, known.bad + found.bad_at_least)
    return added


def _words(judge: Judge, impact: ShadowImpact) -> str:
    """How stable got worse, in the objective that shows it most."""
    assert impact.state is not None  # it has failed
    worst = max(explain(judge, impact.state).objectives, key=lambda each: each.fail_evidence)
    now, before = worst.candidate, impact.before.get(worst.name, Seen(0.0, 0.0))
    return f"{worst.name} failed {_share(now)}, before that {_share(before)}"


def _share(seen: Seen) -> str:
    if not seen.total:
        return "none of 0"
    return f"{count(seen.bad)} of {count(seen.total)} ({observed(seen.bad / seen.total)})"
