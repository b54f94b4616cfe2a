"""Whether stable bears the copies of its requests: counted, and judged against its own past."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeGuard

from model_rollouts.decision import (
    Counts,
    Dispersion,
    Interval,
    Judge,
    NewIntervals,
    Objective,
    PastIntervals,
    Role,
    Sample,
    Seen,
    State,
    Traffic,
    explain,
    judge_against_past,
    proven_worse,
)
from model_rollouts.metrics.counts import ArmCounts, IntervalCounts
from model_rollouts.rollout.memory import ShadowImpact, Split, Trial
from model_rollouts.rollout.trial.samples import STABLE, counts
from model_rollouts.text import count, observed

FALSE_ALARM = 0.001
"""The chance that a stable which does not suffer is said to, for one share of copies: half of it
for the judge of rates, and half for the intervals."""


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
        return _with_past(impact, trial, stable)
    if split is None or not split.mirror or record.start_ms < split.since_ms:
        return impact
    after = _with_intervals(impact, trial, stable)
    judge = impact.judge or judge_of(trial, impact.before)
    if judge is not None:
        samples = {
            each.name: Sample(found)
            for each in judge.rules.objectives
            if (found := counts(each, stable, stable=True)) is not None
        }
        start, end = ((at - trial.started_ms) / 1000 for at in (record.start_ms, record.end_ms))
        interval = Interval(start, end, samples, Traffic.LIVE)
        state = judge.update(impact.state or judge.start(), interval)
        after = replace(after, judge=judge, state=state)
    if impact.suffers:
        return after
    if judge is not None and _has_failed(after.state):
        explained = explain(judge, after.state).objectives
        most = max(explained, key=lambda each: each.fail_evidence).name
        return replace(after, suffers=True, words=_words(most, after))
    worse = _worse(after)
    if worse is not None:
        return replace(after, suffers=True, words=_interval_words(worse, after))
    return after


def resumed(impact: ShadowImpact) -> ShadowImpact:
    """What was stored, with what its evidence proves: nothing has to be counted again for that."""
    return replace(impact, suffers=_has_failed(impact.state) or _worse(impact) is not None)


def _worse(impact: ShadowImpact) -> str | None:
    """The objective in which intervals prove that stable is worse than it was."""
    return proven_worse(impact.since, false_alarm=FALSE_ALARM / 2)


def _has_failed(state: State | None) -> TypeGuard[State]:
    """Whether the judge of rates has proven that stable is worse than it was."""
    return state is not None and state.failed_at is not None


def without_evidence(impact: ShadowImpact) -> ShadowImpact:
    """What is known of the past, without evidence: other copies are another question.

    Where stable began to look worse on fewer copies, its intervals count on: if it is as it was, it
    is that on any share. Each share has a test of its own, and this is the one of a share before.
    """
    since = {} if impact.suffers else impact.since
    leaning = {name: each for name, each in since.items() if each.log_evidence > 0}
    return replace(impact, state=None, since=leaning, suffers=False)


def judge_of(trial: Trial, before: Mapping[str, Seen]) -> Judge | None:
    """The judge of stable against `before`; None when it has no objective that can be judged."""
    rules = trial.judge.rules
    dispersions: Mapping[str, Dispersion] = {
        each.name: dispersion
        for each, dispersion in zip(rules.objectives, trial.judge.dispersions, strict=True)
    }
    return judge_against_past(rules.objectives, before, dispersions, false_alarm=FALSE_ALARM / 2)


def _with_past(impact: ShadowImpact, trial: Trial, stable: ArmCounts) -> ShadowImpact:
    """With one more interval of stable without copies."""
    before, intervals = dict(impact.before), dict(impact.intervals)
    for each, found in _held(trial, stable):
        known = before.get(each.name, Seen(0.0, 0.0))
        before[each.name] = Seen(known.total + found.total, known.bad + found.bad_at_least)
        intervals[each.name] = intervals.get(each.name, PastIntervals()).with_one(found)
    return replace(impact, before=before, intervals=intervals)


def _with_intervals(impact: ShadowImpact, trial: Trial, stable: ArmCounts) -> ShadowImpact:
    """With one more interval of stable, held against those without copies."""
    since = dict(impact.since)
    for each, found in _held(trial, stable):
        if each.role is not Role.REPORT:
            before = impact.intervals.get(each.name, PastIntervals())
            since[each.name] = since.get(each.name, NewIntervals()).with_one(found, before, each)
    return replace(impact, since=since)


def _held(trial: Trial, stable: ArmCounts) -> Iterator[tuple[Objective, Counts]]:
    """What stable is held to its past in, with the counts of an interval."""
    for each in trial.judge.rules.objectives:
        if each.kind.traits.is_held_to_past:
            found = counts(each, stable, stable=True)
            if found is not None:
                yield each, found


def _words(objective: str, impact: ShadowImpact) -> str:
    """How stable got worse in the objective that shows it most."""
    now = impact.since.get(objective, NewIntervals()).seen
    before = impact.before.get(objective, Seen(0.0, 0.0))
    return f"{objective} failed {_share(now)}, before that {_share(before)}"


def _interval_words(objective: str, impact: ShadowImpact) -> str:
    """How, where single intervals were as bad before: most were not."""
    now, before = impact.since[objective].seen, impact.intervals[objective]
    most = f"at most {observed(before.levels[-1])} in half of {before.number} intervals"
    return f"{objective} failed {_share(now)}, before that {most}"


def _share(seen: Seen) -> str:
    if not seen.total:
        return "none of 0"
    return f"{count(seen.bad)} of {count(seen.total)} ({observed(seen.bad / seen.total)})"
