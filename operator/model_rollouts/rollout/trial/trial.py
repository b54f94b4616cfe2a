"""Counts of a tick become evidence: the trial of a candidate, or of a promoted version."""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from model_rollouts import decision
from model_rollouts.api.deployment import Spec
from model_rollouts.api.objectives import BREAKER
from model_rollouts.api.ratio import share
from model_rollouts.decision import Dispersion, Judge, Rules, Traffic
from model_rollouts.metrics.counts import Counted, IntervalCounts, Unavailable
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.requests import DEFAULT_WARMUP_MS, Arm, MeasuredRollout, Request
from model_rollouts.metrics.sources import Listener
from model_rollouts.rollout.memory import Memory, PeakLoad, Service, ShadowImpact, Trial
from model_rollouts.rollout.trial import peak_load, service, shadow_impact, traffic_split
from model_rollouts.rollout.trial.objectives import LADDER, Edges, judged_objective
from model_rollouts.rollout.trial.samples import (
    CANDIDATE,
    SHADOW,
    STABLE,
    Counting,
    arm_of,
    past_of,
    requests,
)
from model_rollouts.text import clock

QUIET_MS = 60_000
QUIET_GAPS = 10
"""No request for this long, and for this many times the usual time between two, is no traffic.
At little traffic most single intervals have none, and that is nothing to tell."""


def trial_rules(spec: Spec, *, baseline: bool, edges: Edges = LADDER) -> Rules:
    """What a trial under `spec` is judged by; `baseline`: whether stable has users beside it.

    Without a baseline every objective is held against its target alone, whatever it says. `edges`
    are those of the revision on trial and of stable, by default the ones that every revision has.
    Raises ValueError for objectives that the CRD refuses, such as none with the role Gate.
    """
    advanced = spec.strategy.advanced
    return Rules(
        (
            *(judged_objective(each, spec.strategy.assurance, edges) for each in spec.objectives),
            decision.breaker(BREAKER),
        ),
        steps=tuple(float(share(step)) for step in spec.strategy.canary.steps),
        false_rollback=float(share(advanced.false_rollback)),
        false_promotion=float(share(advanced.false_promotion)),
        baseline=baseline,
    )


@lru_cache(maxsize=4096)
def judge_for(
    judged_by: Rules,
    dispersion: Dispersion | None,
    others: tuple[tuple[str, Dispersion], ...] = (),
) -> Judge:
    """The judge by these rules, always the same one: its tables cost much and hold no evidence.

    `dispersion` is that of stable's errors, None while it is not known; `others` are those of other
    objectives by `Past.key`.
    """
    known = dict(others)

    def of(objective: decision.Objective) -> Dispersion | None:
        if objective.kind.traits.shares_errors_past:
            return dispersion
        asked = past_of(objective)
        return None if asked is None else known.get(asked.key)

    found = {each.name: of(each) for each in judged_by.objectives}
    judging = Judge(judged_by, {name: each for name, each in found.items() if each is not None})
    return shared_judge(judged_by, judging.dispersions)


@lru_cache(maxsize=4096)
def shared_judge(judged_by: Rules, dispersions: tuple[Dispersion, ...]) -> Judge:
    """The judge of all rollouts that have these rules, and these dispersions of the objectives."""
    names = (each.name for each in judged_by.objectives)
    return Judge(judged_by, dict(zip(names, dispersions, strict=True)))


def enter_live(trial: Trial) -> Trial:
    """The trial once users are judged in place of copies."""
    state = trial.judge.enter_live(trial.state)
    return replace(trial, traffic=Traffic.LIVE, state=state, entered=trial.state.elapsed)


def begin_trial(
    revision: str,
    attempt: int,
    judged_by: Rules,
    dispersion: Dispersion | None,
    started_ms: int,
    traffic: Traffic = Traffic.LIVE,
    entered: float = 0.0,
    others: tuple[tuple[str, Dispersion], ...] = (),
) -> Trial:
    """A trial without evidence."""
    judging = judge_for(judged_by, dispersion, others)
    return Trial(
        revision,
        attempt,
        started_ms,
        judging,
        judging.start(),
        traffic=traffic,
        entered=entered,
    )


def counting_request(
    key: str,
    namespace: str,
    trial: Trial,
    stable: str | None,
    warmup_ms: int = DEFAULT_WARMUP_MS,
) -> Request:
    """What the ticker has to count for a trial; `stable` None when nobody serves beside it.

    Copies do not count in the first `warmup_ms` of a pod.
    Raises InputError when a name is empty or `stable` is the revision on trial.
    """
    judged = Arm(CANDIDATE, trial.revision)
    if trial.traffic is Traffic.SHADOW:
        judged = Arm(SHADOW, trial.revision, Listener.SHADOW)
    arms = [judged]
    if stable is not None:
        arms.append(Arm(STABLE, stable))
    rollout = MeasuredRollout(
        key=key,
        namespace=namespace,
        arms=tuple(arms),
        objectives=Counting(trial.judge.rules.objectives).counted(),
        started_ms=trial.started_ms,
        warmup_ms=warmup_ms,
    )
    return Request(rollout, trial.watermark)


def take_counts(memory: Memory, counted: Counted | Unavailable, weight: float) -> Memory:
    """The memory after a tick of what `request` asked for, with the candidate's weight then.

    Evidence, watermark, split, findings and the time of the last request move on, in shadow also
    what is known of stable's strain and of the candidate's load, and always how stable serves. What
    serves alone after its watch has no trial, and nothing else moves then. An interval that
    was taken already is passed over, so that reading again from an earlier watermark changes
    nothing; so is an answer that is older than the trial's watermark.
    """
    trial = memory.trial
    if trial is None:
        return memory if isinstance(counted, Unavailable) else _served_alone(memory, counted)
    if isinstance(counted, Unavailable):
        return replace(memory, findings=(counted.finding,))
    until_ms = _taken_until(trial)
    if counted.watermark.at_ms < until_ms:
        return memory
    newest: IntervalCounts | None = None
    for record in _after(until_ms, counted.intervals):
        memory = _taken(memory, record, weight)
        newest = record
    assert memory.trial is not None  # it was there before
    trial = replace(memory.trial, watermark=counted.watermark)
    findings = memory.findings
    if newest is not None and newest.end_ms > trial.entered_ms:
        findings = _findings(newest, trial, memory)
    return replace(memory, trial=trial, findings=findings)


def _served_alone(memory: Memory, counted: Counted) -> Memory:
    """The memory after a tick in which nothing was counted but what serves all users."""
    now = memory.service
    for record in counted.intervals:
        if now is not None:
            now = service.counted(now, record, STABLE, now.promises)
    return replace(memory, service=now)


def _served(memory: Memory, record: IntervalCounts) -> Service | None:
    """How stable serves after one interval of a trial: beside a candidate, or in its watch."""
    now, trial = memory.service, memory.trial
    assert trial is not None  # its counts are at hand
    alone = not trial.judge.rules.baseline
    if now is None or (alone and trial.revision != now.revision):
        return now
    name = CANDIDATE if alone else STABLE
    return service.counted(now, record, name, trial.judge.rules.objectives)


def _taken(memory: Memory, record: IntervalCounts, weight: float) -> Memory:
    """The memory after one interval."""
    trial, split = memory.trial, memory.split
    assert trial is not None  # its counts are at hand
    memory = replace(memory, service=_served(memory, record))
    counting = Counting(trial.judge.rules.objectives)
    in_shadow = trial.traffic is Traffic.SHADOW
    if in_shadow:
        strain = shadow_impact.counted(memory.shadow_impact or ShadowImpact(), trial, record, split)
        memory = replace(memory, shadow_impact=strain)
        if record.end_ms <= trial.entered_ms:
            return memory
    interval = counting.interval(record, trial.started_ms, trial.traffic)
    trial = replace(trial, state=trial.judge.update(trial.state, interval))
    if in_shadow:
        load = peak_load.counted(memory.peak_load or PeakLoad(), counting.objectives, record)
        memory = replace(memory, peak_load=replace(load, copies=counted_copies(trial)))
    if split is not None and in_shadow:
        split = traffic_split.mirrored(split, record)
    elif split is not None:
        split = traffic_split.counted(split, record, weight)
    last = memory.last_request_ms
    judged = record.arms[arm_of(trial.traffic)]
    # What is not asked of stable cannot be copied either.
    asked = record.arms.get(STABLE) if in_shadow else judged
    if asked is not None and requests(asked):
        last = record.end_ms
    scraped_ms = record.end_ms if judged.pods else memory.scraped_ms
    return replace(memory, trial=trial, split=split, last_request_ms=last, scraped_ms=scraped_ms)


def _taken_until(trial: Trial) -> int:
    """The time (Unix milliseconds) up to which the trial has its evidence."""
    judged = trial.started_ms + round(trial.state.elapsed * 1000)
    return judged if trial.watermark is None else max(judged, trial.watermark.at_ms)


def _after(until_ms: int, intervals: Iterable[IntervalCounts]) -> Iterable[IntervalCounts]:
    for record in intervals:
        if until_ms <= record.start_ms < record.end_ms:
            yield record
            until_ms = record.end_ms


def _findings(record: IntervalCounts, trial: Trial, memory: Memory) -> tuple[Finding, ...]:
    """Why nothing can be decided after this interval, the quiet of a candidate in its own words."""
    counting, last = Counting(trial.judge.rules.objectives), memory.last_request_ms
    arm, traffic = arm_of(trial.traffic), trial.traffic
    found = [
        each for each in counting.held(record, traffic) if each.reason is not Reason.NO_TRAFFIC
    ]
    began = trial.entered_ms if last is None else max(last, trial.entered_ms)
    if not found and record.end_ms - began >= _quiet_ms(trial, last):
        what = "to the candidate" if traffic is Traffic.LIVE else "that could be mirrored"
        message = f"no request {what} since {clock(began / 1000)}"
        found.append(Finding(Reason.NO_TRAFFIC, arm, (), message))
    return tuple(sorted(found))


def _quiet_ms(trial: Trial, last: int | None) -> float:
    in_shadow = trial.traffic is Traffic.SHADOW
    seen = max(
        each.seen_stable_total if in_shadow else each.seen_total for each in trial.state.evidence
    )
    if last is None or not seen:
        return QUIET_MS
    return max(QUIET_MS, QUIET_GAPS * (last - trial.entered_ms) / seen)


LEAST_RATE_SECONDS = 60.0
"""Of counting, before a rate of requests is known."""


def request_rate(trial: Trial) -> float | None:
    """Requests per second of users to candidate and stable, None while it is not known.

    Copies of them are none.
    """
    state, copied = trial.state, trial.traffic is Traffic.SHADOW
    judged = state.elapsed - trial.entered
    if judged < LEAST_RATE_SECONDS:
        return None
    requests = max(
        each.seen_stable_total + (0.0 if copied else each.seen_total) for each in state.evidence
    )
    return requests / judged if requests else None


def counted_copies(trial: Trial) -> int:
    """Copies that were counted; 0 once users are."""
    if trial.state.arm is not Traffic.SHADOW:
        return 0
    return round(max(evidence.seen_total for evidence in trial.state.evidence))
