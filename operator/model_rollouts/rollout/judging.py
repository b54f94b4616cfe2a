"""Counts of a tick become evidence: the trial of a candidate, or of a promoted version."""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from model_rollouts import decision
from model_rollouts.api.deployment import Spec
from model_rollouts.api.objectives import BREAKER
from model_rollouts.api.ratio import share
from model_rollouts.decision import Arm as Traffic
from model_rollouts.decision import Dispersion, Judge, Kind, Rules
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.measured import Arm, MeasuredRollout, Request
from model_rollouts.metrics.records import Counted, IntervalCounts, Unavailable
from model_rollouts.rollout import splits
from model_rollouts.rollout.counting import CANDIDATE, STABLE, Counting, requests
from model_rollouts.rollout.memory import Memory, Trial
from model_rollouts.rollout.promises import LADDER, Edges, judged
from model_rollouts.rollout.wording import clock

QUIET_MS = 60_000
QUIET_GAPS = 10
"""No request for this long, and for this many times the usual time between two, is no traffic.
At little traffic most single intervals have none, and that is nothing to tell."""


def rules(spec: Spec, *, baseline: bool, edges: Edges = LADDER) -> Rules:
    """What a trial under `spec` is judged by; `baseline`: whether stable has users beside it.

    Without a baseline every objective is held against its target alone, whatever it says. `edges`
    are those of the revision on trial and of stable, by default the ones that every revision has.
    Raises ValueError for objectives that the CRD refuses, such as none with the role Gate.
    """
    advanced = spec.strategy.advanced
    return Rules(
        (
            *(judged(each, spec.strategy.assurance, edges) for each in spec.objectives),
            decision.breaker(BREAKER),
        ),
        steps=tuple(float(share(step)) for step in spec.strategy.canary.steps),
        false_rollback=float(share(advanced.false_rollback)),
        false_promotion=float(share(advanced.false_promotion)),
        baseline=baseline,
    )


@lru_cache(maxsize=4096)
def judge(judged_by: Rules, dispersion: Dispersion | None) -> Judge:
    """The judge by these rules, always the same one: its tables cost much and hold no evidence.

    `dispersion` is that of stable's errors, None while it is not known.
    """
    if dispersion is None:
        return Judge(judged_by)
    return Judge(
        judged_by,
        {each.name: dispersion for each in judged_by.objectives if each.kind is Kind.ERRORS},
    )


def begin(
    revision: str, attempt: int, judged_by: Rules, dispersion: Dispersion | None, started_ms: int
) -> Trial:
    """A trial without evidence."""
    judging = judge(judged_by, dispersion)
    return Trial(revision, attempt, started_ms, judging, judging.start())


def request(key: str, namespace: str, trial: Trial, stable: str | None) -> Request:
    """What the ticker has to count for a trial; `stable` None when nobody serves beside it.

    Raises InputError when a name is empty or `stable` is the revision on trial.
    """
    arms = [Arm(CANDIDATE, trial.revision)]
    if stable is not None:
        arms.append(Arm(STABLE, stable))
    rollout = MeasuredRollout(
        key=key,
        namespace=namespace,
        arms=tuple(arms),
        objectives=Counting(trial.judge.rules.objectives).counted(),
        started_ms=trial.started_ms,
    )
    return Request(rollout, trial.watermark)


def take(memory: Memory, counted: Counted | Unavailable, weight: float) -> Memory:
    """The memory after a tick of what `request` asked for, with the candidate's weight then.

    Evidence, watermark, split, findings and the time of the last request move on. An interval that
    was taken already is passed over, so that reading again from an earlier watermark changes
    nothing; so is an answer that is older than the trial's watermark.
    """
    trial = memory.trial
    if trial is None:
        return memory
    if isinstance(counted, Unavailable):
        return replace(memory, findings=(counted.finding,))
    until_ms = _taken_until(trial)
    if counted.watermark.at_ms < until_ms:
        return memory
    counting = Counting(trial.judge.rules.objectives)
    state, split, last = trial.state, memory.split, memory.last_request_ms
    newest: IntervalCounts | None = None
    for record in _after(until_ms, counted.intervals):
        state = trial.judge.update(state, counting.interval(record, trial.started_ms, Traffic.LIVE))
        if requests(record.arms[CANDIDATE]):
            last = record.end_ms
        if split is not None:
            split = splits.counted(split, record, weight)
        newest = record
    trial = replace(trial, state=state, watermark=counted.watermark)
    findings = memory.findings
    if newest is not None:
        findings = _findings(counting, newest, trial, last)
    return replace(memory, trial=trial, split=split, findings=findings, last_request_ms=last)


def _taken_until(trial: Trial) -> int:
    """The time (Unix milliseconds) up to which the trial has its evidence."""
    judged = trial.started_ms + round(trial.state.elapsed * 1000)
    return judged if trial.watermark is None else max(judged, trial.watermark.at_ms)


def _after(until_ms: int, intervals: Iterable[IntervalCounts]) -> Iterable[IntervalCounts]:
    for record in intervals:
        if until_ms <= record.start_ms < record.end_ms:
            yield record
            until_ms = record.end_ms


def _findings(
    counting: Counting, record: IntervalCounts, trial: Trial, last: int | None
) -> tuple[Finding, ...]:
    """Why nothing can be decided after this interval, the quiet of a candidate in its own words."""
    found = [
        each for each in counting.held(record, Traffic.LIVE) if each.reason is not Reason.NO_TRAFFIC
    ]
    began = trial.started_ms if last is None else last
    if not found and record.end_ms - began >= _quiet_ms(trial, last):
        message = f"no request to the candidate since {clock(began / 1000)}"
        found.append(Finding(Reason.NO_TRAFFIC, CANDIDATE, (), message))
    return tuple(sorted(found))


def _quiet_ms(trial: Trial, last: int | None) -> float:
    seen = max(evidence.seen_total for evidence in trial.state.evidence)
    if last is None or not seen:
        return QUIET_MS
    return max(QUIET_MS, QUIET_GAPS * (last - trial.started_ms) / seen)
