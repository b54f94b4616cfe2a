"""Counts of a tick become evidence: the trial of a candidate, or of a promoted version."""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from model_rollouts import decision
from model_rollouts.api.deployment import Spec
from model_rollouts.api.objectives import BREAKER, Objective
from model_rollouts.api.ratio import share
from model_rollouts.api.runtimes import Runtime
from model_rollouts.api.strategy import Strategy
from model_rollouts.decision import Dispersion, Judge, Rules, Traffic
from model_rollouts.metrics.counts import Counted, IntervalCounts, Unavailable
from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.pods import KnownPods
from model_rollouts.metrics.requests import DEFAULT_WARMUP_MS, Arm, MeasuredRollout, Request
from model_rollouts.metrics.sources import Listener
from model_rollouts.rollout.memory import Memory, PeakLoad, Service, ShadowImpact, Trial
from model_rollouts.rollout.trial import (
    crashes,
    observer_sight,
    peak_load,
    service,
    shadow_impact,
    traffic_split,
)
from model_rollouts.rollout.trial.guards import Known, guards_of
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


def trial_rules(
    spec: Spec, *, baseline: bool, edges: Edges = LADDER, usual: float | None = None
) -> Rules:
    """What a trial under `spec` is judged by; `baseline`: whether stable has users beside it.

    Without a baseline every objective is held against its target alone, whatever it says. `edges`
    are those of the revision on trial and of stable, by default the ones that every revision has.
    `usual` is `Memory.usual`.
    Raises ValueError for objectives that the CRD refuses, such as none with the role Gate.
    """
    own, slices = (tuple(each.items()) for each in (edges.own, edges.slices))
    asked = spec.objectives, spec.strategy, spec.runtime
    known = edges.candidate, edges.stable, tuple(sorted(own)), slices
    return _rules(*asked, baseline, *known, usual)


@lru_cache(maxsize=1024)
def _rules(
    objectives: tuple[Objective, ...],
    strategy: Strategy,
    runtime: Runtime | None,
    baseline: bool,
    candidate: tuple[float, ...],
    stable: tuple[float, ...],
    own: tuple[tuple[str, tuple[tuple[float, ...], tuple[float, ...]]], ...],
    slices: tuple[tuple[str, tuple[tuple[float, ...], tuple[float, ...] | None]], ...],
    usual: float | None,
) -> Rules:
    """The same ones for the same spec: each pass asks for them, and many specs promise the same."""
    edges, advanced = Edges(candidate, stable, dict(own), dict(slices)), strategy.advanced
    each_judged = (
        judged_objective(each, strategy.assurance, edges, runtime) for each in objectives
    )
    return Rules(
        (
            # What serves alone has no copies.
            *(each for each in each_judged if baseline or not each.kind.traits.is_of_copies),
            *guards_of(objectives, strategy.guards, Known(edges, usual), baseline=baseline),
            decision.breaker(BREAKER),
        ),
        steps=tuple(float(share(step)) for step in strategy.canary.steps),
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
        if objective.kind.traits.shares_errors_past and objective.slice is None:
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


def with_guards_of(
    judged_by: Rules,
    trial: Trial,
    dispersion: Dispersion | None,
    others: tuple[tuple[str, Dispersion], ...],
) -> Trial:
    """The trial by rules of which only guards have changed: those alone begin without evidence.

    The dispersions are as for `judge_for`; what the trial was begun with stays. The same trial when
    other rules have changed too, or it has failed.
    """
    before = trial.judge
    if not decision.differ_in_guards_alone(before.rules, judged_by):
        return trial
    names = (each.name for each in before.rules.objectives)
    measured = dict(zip(names, before.dispersions, strict=True))
    fresh = judge_for(judged_by, dispersion, others).dispersions
    pairs = zip(judged_by.objectives, fresh, strict=True)
    after = shared_judge(judged_by, tuple(measured.get(each.name, new) for each, new in pairs))
    state = decision.with_guards_of(after, before, trial.state)
    return trial if state is None else replace(trial, judge=after, state=state)


def enter_live(trial: Trial) -> Trial:
    """The trial once users are judged in place of copies."""
    state = trial.judge.enter_live(trial.state)
    return replace(trial, traffic=Traffic.LIVE, state=state, entered=trial.state.elapsed)


def enter_last_step(trial: Trial) -> Trial:
    """The trial once the candidate has its last share of users before all of them."""
    return replace(trial, state=trial.judge.enter_last_step(trial.state))


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
    pods: KnownPods | None = None,
) -> Request:
    """What the ticker has to count for a trial; `stable` None when nobody serves beside it.

    In the first `warmup_ms` that a pod is asked, copies do not count, and of users' requests not
    how long they took. Samples of other pods than `pods` do not
    count, unless that is None.
    Raises InputError when a name is empty or `stable` is the revision on trial.
    """
    judged = Arm(CANDIDATE, trial.revision)
    if trial.traffic is Traffic.SHADOW:
        judged = Arm(SHADOW, trial.revision, Listener.SHADOW)
    arms = [judged]
    if stable is not None:
        arms.append(Arm(STABLE, stable, compared_with=trial.revision))
    rollout = MeasuredRollout(
        key=key,
        namespace=namespace,
        arms=tuple(arms),
        objectives=Counting(trial.judge.rules.objectives).counted(),
        started_ms=trial.started_ms,
        pods=pods,
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
        findings = _findings(newest, trial, memory, weight)
    return replace(
        memory,
        trial=trial,
        findings=findings,
        unknown_pods=counted.unknown,
        scraped_every_ms=counted.scraped_every_ms or memory.scraped_every_ms,
        late_ms=counted.delay_ms,
    )


def _measured(memory: Memory, counted: Counted) -> Memory:
    """The memory with how often pods are scraped, and how late that is seen."""
    every_ms = counted.scraped_every_ms or memory.scraped_every_ms
    return replace(memory, scraped_every_ms=every_ms, late_ms=counted.delay_ms)


def _served_alone(memory: Memory, counted: Counted) -> Memory:
    """The memory after a tick in which nothing was counted but what serves all users."""
    now, memory = memory.service, _measured(memory, counted)
    if now is None:
        return memory
    found = memory.findings
    for record in counted.intervals:
        now = service.counted_alone(now, record, knows_pods=bool(memory.pods))
        found = tuple(each for each in record.findings if each.reason is Reason.PODS_NOT_COUNTED)
    is_new = found != memory.findings or set(counted.unknown) - set(memory.unknown_pods)
    return replace(
        memory,
        service=replace(now, has_news=now.has_news or bool(is_new)),
        findings=found,
        unknown_pods=counted.unknown,
    )


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
    # A memory is copied once for an interval: it has many fields, and there are many memories.
    news: dict[str, Any] = {"service": _served(memory, record)}
    counting = Counting(trial.judge.rules.objectives)
    in_shadow = trial.traffic is Traffic.SHADOW
    if in_shadow:
        impact = memory.shadow_impact or ShadowImpact()
        news["shadow_impact"] = shadow_impact.counted(impact, trial, record, split)
        if record.end_ms <= trial.entered_ms:
            return replace(memory, trial=trial, **news)
    judged_arm = arm_of(trial.traffic)
    stable = memory.roles.stable if memory.roles is not None else None
    arms = {judged_arm: trial.revision, STABLE: stable} if stable else {judged_arm: trial.revision}
    interval = counting.interval(
        record,
        trial.started_ms,
        trial.traffic,
        crashes.counts(memory.crashes, arms),
    )
    if not counting.held(record, trial.traffic):
        news["crashes"] = crashes.taken(memory.crashes)
    trial = replace(trial, state=trial.judge.update(trial.state, interval))
    if in_shadow:
        load = peak_load.counted(memory.peak_load or PeakLoad(), counting.objectives, record)
        news["peak_load"] = replace(load, copies=counted_copies(trial))
        news["observer"] = observer_sight.counted(memory.observer, trial, record)
    if split is not None and in_shadow:
        split = traffic_split.mirrored(split, record)
    elif split is not None:
        both = {of.name for each in counting.objectives if (of := each.slice) and of.by_stable}
        split = traffic_split.counted(split, record, weight, both)
    judged = record.arms[judged_arm]
    # What is not asked of stable cannot be copied either.
    asked = record.arms.get(STABLE) if in_shadow else judged
    if asked is not None and requests(asked):
        news["last_request_ms"] = record.end_ms
    if judged.pods:
        news["scraped_ms"] = record.end_ms
    return replace(memory, trial=trial, split=split, **news)


def _taken_until(trial: Trial) -> int:
    """The time (Unix milliseconds) up to which the trial has its evidence."""
    judged = trial.started_ms + round(trial.state.elapsed * 1000)
    return judged if trial.watermark is None else max(judged, trial.watermark.at_ms)


def _after(until_ms: int, intervals: Iterable[IntervalCounts]) -> Iterable[IntervalCounts]:
    for record in intervals:
        if until_ms <= record.start_ms < record.end_ms:
            yield record
            until_ms = record.end_ms


_TO_BE_MENDED = frozenset({Reason.SERIES_MISSING, Reason.SCRAPE_MISSING, Reason.DUPLICATE_TARGETS})
"""Scrapes are not as they should be: what is counted may fail a version, and promotes none."""


def _findings(
    record: IntervalCounts, trial: Trial, memory: Memory, weight: float
) -> tuple[Finding, ...]:
    """Why nothing can be decided after this interval, the quiet of a candidate in its own words.

    It is quiet since the route was written last, and not while it has no users.
    """
    counting, last = Counting(trial.judge.rules.objectives), memory.last_request_ms
    arm, traffic = arm_of(trial.traffic), trial.traffic
    found = [
        each for each in counting.held(record, traffic) if each.reason is not Reason.NO_TRAFFIC
    ]
    if trial.state.is_alone and trial.state.unseen_since is not None:
        since = clock(trial.started_ms / 1000 + trial.state.unseen_since)
        message = (
            f"Prometheus has had no sample of stable since {since}. Until it has, the candidate "
            "is judged against its targets alone, and keeps its share of users"
        )
        found.append(Finding(Reason.SCRAPE_MISSING, STABLE, (), message))
    # The others are judged; what has no counts is no reason to go on.
    found += [each for each in record.findings if each.reason in _TO_BE_MENDED]
    began = trial.entered_ms if last is None else max(last, trial.entered_ms)
    if memory.split is not None:
        began = max(began, memory.split.since_ms)
    asked = weight > 0 or traffic is not Traffic.LIVE
    if asked and not found and record.end_ms - began >= _quiet_ms(trial, last):
        what = "to the candidate" if traffic is Traffic.LIVE else "that could be mirrored"
        message = f"no request {what} since {clock(began / 1000)}"
        found.append(Finding(Reason.NO_TRAFFIC, arm, (), message))
    # Nothing waits because of what is not counted: the others are.
    found += [each for each in record.findings if each.reason is Reason.PODS_NOT_COUNTED]
    return tuple(sorted(found))


def _quiet_ms(trial: Trial, last: int | None) -> float:
    in_shadow = trial.traffic is Traffic.SHADOW
    seen = max(each.seen_stable_total if in_shadow else each.seen_total for each in trial.requests)
    if last is None or not seen:
        return QUIET_MS
    return max(QUIET_MS, QUIET_GAPS * (last - trial.entered_ms) / seen)


LEAST_RATE_SECONDS = 60.0
"""Of counting, before a rate of requests is known."""


def request_rate(trial: Trial) -> float | None:
    """Requests per second of users to candidate and stable, None while it is not known.

    Copies of them are none.
    """
    copied = trial.traffic is Traffic.SHADOW
    judged = trial.state.elapsed - trial.entered
    if judged < LEAST_RATE_SECONDS:
        return None
    requests = max(
        each.seen_stable_total + (0.0 if copied else each.seen_total) for each in trial.requests
    )
    return requests / judged if requests else None


def slice_shares(trial: Trial) -> dict[str, float]:
    """Which part of the requests each slice has, of candidate and stable together.

    Nothing is known before a minute was counted. One request more than was seen is taken for seen:
    a slice without any is rare, and may have some.
    """
    if request_rate(trial) is None:
        return {}
    whole = max(trial.requests, key=lambda each: each.seen_total + each.seen_stable_total)
    found = {}
    for objective, part in zip(trial.judge.rules.objectives, trial.state.evidence, strict=True):
        of = objective.slice
        if of is not None:
            seen, among = part.seen_total, whole.seen_total
            if of.by_stable:
                seen, among = seen + part.seen_stable_total, among + whole.seen_stable_total
            found[of.name] = min(1.0, (seen + 1) / (among + 1))
    return found


def counted_copies(trial: Trial) -> int:
    """Copies that were counted; 0 once users are."""
    if trial.state.arm is not Traffic.SHADOW:
        return 0
    return round(max(evidence.seen_total for evidence in trial.requests))
