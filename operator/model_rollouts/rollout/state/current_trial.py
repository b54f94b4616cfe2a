"""The trial of what has users now: taken from memory, from the status, or begun anew."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from model_rollouts.api.deployment import ModelDeployment
from model_rollouts.decision import UNKNOWN, Rules, Traffic
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.requests import LONGEST_WARMUP_MS, Request
from model_rollouts.rollout.memory import Memory, ShadowImpact, Split, Trial
from model_rollouts.rollout.standing import Roles
from model_rollouts.rollout.state import current_service, revisions
from model_rollouts.rollout.state.revisions import Revision
from model_rollouts.rollout.state.state import RolloutState, attempt_at, seconds
from model_rollouts.rollout.trial import (
    crashes,
    error_budget,
    own_pods,
    peak_load,
    shadow_impact,
    stored_evidence,
)
from model_rollouts.rollout.trial.objectives import OwnBuckets
from model_rollouts.rollout.trial.samples import Past, past_of
from model_rollouts.rollout.trial.trial import (
    begin_trial,
    counting_request,
    enter_last_step,
    enter_live,
    trial_rules,
    with_guards_of,
)

PHASE_MS = 500
"""Intervals end in one of so few places that rollouts share their queries."""

JITTER_MS = 100
"""Scrapes are not quite regular: one just behind the end of its interval would leave it empty."""

PAST_MS = 300_000
"""How much of stable's past it is held against while its requests are copied."""

PAST_SECONDS = 10.0
"""How long users of a candidate wait for what stable was before, until it is judged without."""

LONGEST_BACK_MS = 3_600_000
"""From how far back that past is still read, when it was lost with the status."""

OTHER_RULES = "the objectives, steps or error rates in the spec were changed"


def restored(deployment: ModelDeployment, stored: Mapping[str, Revision], today: Roles) -> Memory:
    """What the status remembers, when this operator has just begun."""
    beside = today.phase.is_judged
    revision = today.candidate if beside else today.stable
    attempt = attempt_at(deployment.spec, revision, today) if beside else today.attempt
    text = deployment.status.evidence
    usual, own = stored_evidence.usual(text), stored_evidence.buckets(text)
    edges = revisions.edges(stored, revision, today.stable if beside else None, own)
    judged_by = trial_rules(deployment.spec, baseline=beside, edges=edges, usual=usual)
    if beside:
        kept = stored_evidence.decode(text, revision or "", attempt, judged_by)
        return replace(kept, buckets=own)
    judged_by = error_budget.watched(judged_by, stored_evidence.missed(text))
    kept = stored_evidence.decode(text, revision or "", attempt, judged_by)
    kept = replace(kept, buckets=own)
    if kept.trial is not None:
        return kept
    canary = _in_canary(deployment, stored, today)
    if canary is None:
        return kept
    return replace(kept, missed=error_budget.missed(canary), dropped=None)


def _in_canary(
    deployment: ModelDeployment, stored: Mapping[str, Revision], today: Roles
) -> Trial | None:
    """The trial beside the version before, when the operator ended just after the promotion.

    The evidence of the canary is what the status was told last.
    """
    text, revision = deployment.status.evidence, today.stable or ""
    judged_by = trial_rules(
        deployment.spec,
        baseline=True,
        edges=revisions.edges(stored, today.stable, today.previous, stored_evidence.buckets(text)),
        usual=stored_evidence.usual(text),
    )
    return stored_evidence.decode(text, revision, today.attempt, judged_by).trial


def since_write(memory: Memory, sequence: int) -> Memory:
    """The memory without what was seen of another write of the route than that of `sequence`.

    Whoever wrote it, and whether or not the answer came: what is seen since is another question.
    """
    if memory.clocks is not None and memory.clocks.sequence == sequence:
        return memory
    return memory.knowing(
        split=None,
        shadow_impact=memory.shadow_impact and shadow_impact.without_evidence(memory.shadow_impact),
        peak_load=peak_load.without_evidence(memory.peak_load),
    )


def at_hand(state: RolloutState, grid: Grid) -> Memory:
    """The memory with the trial of what is judged now, and without any when nothing is.

    A candidate's trial waits for the dispersions of stable, which are asked once. Another spec of
    the objectives is another trial: its evidence is zero, and the weight stays. Of guards that were
    changed, only theirs is.
    """
    revision, beside = state.judged, state.roles.phase.is_judged
    memory = _of_this_trial(state.memory, revision, beside=beside)
    own = _own_buckets(state, revision)
    memory = memory.knowing(buckets=own, service=current_service.at_hand(state))
    if revision is None:
        memory = memory.knowing(
            trial=None,
            shadow_impact=None,
            peak_load=None,
            observer=None,
            crashes=None,
            dropped=None,
        )
        return current_service.pods(state, memory)
    edges = revisions.edges(state.revisions, revision, _beside(state), own)
    history = state.observed.history
    begins = memory.trial is None or memory.trial.revision != revision
    if beside and begins and memory.usual is None and history is not None:
        # What is usual is fixed before the first count: afterwards it would be chosen by them.
        memory = memory.knowing(usual=history.usual)
    judged_by = trial_rules(state.spec, baseline=beside, edges=edges, usual=memory.usual)
    if beside:
        # What was watched and lost its pods will be watched again.
        memory = memory if state.promotion_verdict else memory.knowing(missed=())
    else:
        memory = memory.knowing(missed=_missed(memory, revision))
        judged_by = error_budget.watched(judged_by, memory.missed)
    traffic = Traffic.SHADOW if state.roles.phase.mirrors else Traffic.LIVE
    if _goes_on_as_it_was(state, memory.trial, revision):
        judged_by = memory.trial.judge.rules if memory.trial is not None else judged_by
    if memory.trial is not None:
        trial = with_guards_of(judged_by, memory.trial, memory.dispersion, memory.others)
        memory = memory.knowing(trial=trial)
    memory = memory.knowing(dropped=_dropped(memory, revision, state.attempt, judged_by))
    if not _is_of(memory.trial, revision, state.attempt, judged_by, traffic):
        dispersion = memory.dispersion or (history.dispersion if history else None)
        # What was measured for this rollout before stays as it was.
        known = (dict(history.others) if history else {}) | dict(memory.others)
        wanted = {each.key for each in pasts(judged_by)}
        lacking = dispersion is None or (history is None and not wanted <= known.keys())
        if beside and lacking and not _waited_for_past(state):
            return memory.knowing(trial=None)
        others = tuple((key, each) for key, each in known.items() if key in wanted)
        # A watch goes on with what was measured before its canary; and users are protected, with
        # the widest spread that is allowed for, when nobody can tell what it was.
        dispersion = dispersion or UNKNOWN
        start = _start(grid, state)
        memory = replace(
            memory,
            trial=begin_trial(
                revision,
                state.attempt,
                judged_by,
                dispersion,
                start.started_ms,
                traffic,
                start.entered,
                others,
            ),
            dispersion=dispersion,
            others=others,
            findings=(),
            last_request_ms=None,
            shadow_impact=start.strain,
            scraped_ms=None,
            crashes=None,
            observer=None,
        )
    elif memory.trial is not None:
        trial = _judged_on(memory.trial, traffic)
        if _all_users_come_next(state):
            trial = enter_last_step(trial)
        memory = memory.knowing(trial=trial)
    if memory.trial is not None:
        pods = state.observed.pods
        looked = crashes.seen(memory.crashes, pods, memory.trial, state.now)
        names = own_pods.seen(memory.pods, pods, _counted(state, memory.trial))
        memory = memory.knowing(crashes=looked, pods=names)
    now_ms, why = int(state.now * 1000), state.refusal
    if beside and why is not None and why.pending:
        # Users are not split yet as it says.
        memory = memory.knowing(split=Split(now_ms, mirror=state.roles.mirror_percent))
    elif memory.split is None and beside:
        write = state.roles.written
        since_ms = now_ms if write is None else min(write.ms, now_ms)
        memory = memory.knowing(split=Split(since_ms, mirror=state.roles.mirror_percent))
    return memory


def _own_buckets(state: RolloutState, judged: str | None) -> OwnBuckets:
    """The edges of the model server's own histograms, as they are fixed for what is `judged`.

    They are taken once of each revision, those of stable once there are some of what is judged:
    edges that change in the middle of a trial would make evidence of different questions one.
    """
    known, roles = state.memory.buckets, state.roles
    scraped = {} if state.observed.buckets is None else state.observed.buckets.edges
    serving = {roles.stable, roles.candidate, roles.previous, state.wanted.name}
    kept = {key: edges for key, edges in known.items() if key[1] in serving}
    for (key, revision), edges in scraped.items():
        is_told = (key, judged or "") in scraped or (key, judged or "") in kept
        if is_told and revision in serving:
            kept.setdefault((key, revision), edges)
    return known if kept == known else kept


def _dropped(memory: Memory, revision: str, attempt: int, judged_by: Rules) -> str | None:
    """Why evidence about what is judged counts no more, from its trial before or from this one."""
    trial = memory.trial
    if trial is None:
        return memory.dropped
    before = trial.judge.rules
    if (trial.revision, trial.attempt, before.baseline) != (revision, attempt, judged_by.baseline):
        return None
    return OTHER_RULES if before != judged_by and trial.state.elapsed else memory.dropped


def _goes_on_as_it_was(state: RolloutState, trial: Trial | None, revision: str) -> bool:
    """Whether the rules of today are not known, so that those of the trial stay."""
    unknown = state.spec_fault is not None or state.revisions[revision].fault is not None
    return unknown and trial is not None and trial.revision == revision


def _waited_for_past(state: RolloutState) -> bool:
    """Whether the past was asked for, and did not come for so long that users cannot wait."""
    since = state.observed.asked_since
    waited = since is not None and state.now - since >= PAST_SECONDS
    return state.roles.phase.shares_traffic and (waited or state.observed.metrics_error is not None)


def _of_this_trial(memory: Memory, revision: str | None, *, beside: bool) -> Memory:
    """The memory without what is about another trial; the one that ended last is kept as such."""
    trial = memory.trial
    if trial is not None and trial.revision != revision:
        memory = memory.knowing(ended=trial)
    if not beside:
        return memory.knowing(about=None, split=None, usual=None)
    if memory.about == revision:
        return memory
    return memory.knowing(
        about=revision,
        dispersion=None,
        others=(),
        usual=None,
        shadow_impact=None,
        peak_load=None,
    )


def _judged_on(trial: Trial, traffic: Traffic) -> Trial:
    """The trial of what is judged on `traffic` now, whatever it was when it was stored."""
    was_in_shadow = trial.state.arm is Traffic.SHADOW and trial.state.elapsed > 0
    if traffic is Traffic.LIVE and was_in_shadow:
        return enter_live(trial)
    return trial if trial.traffic is traffic else replace(trial, traffic=traffic)


def _all_users_come_next(state: RolloutState) -> bool:
    """Whether the candidate has the largest share of users that is not all of them."""
    has_users = state.phase.shares_traffic and state.roles.weight > 0
    return has_users and state.next_step.is_all


def _missed(memory: Memory, revision: str) -> error_budget.Missed:
    """What the version before missed, as the canary of the one that is watched has shown."""
    trial = memory.trial
    if trial is None or not trial.judge.rules.baseline or trial.revision != revision:
        return memory.missed
    return error_budget.missed(trial) or memory.missed


def candidates_rules(state: RolloutState) -> Rules:
    """What the wanted version is judged by, or will be once it has users."""
    stable, own = state.roles.stable, state.memory.buckets
    edges = revisions.edges(state.revisions, state.wanted.name, stable, own)
    return trial_rules(state.spec, baseline=True, edges=edges)


def pasts(judged_by: Rules) -> tuple[Past, ...]:
    """What has to be known of the past besides errors."""
    asked = (past_of(each) for each in judged_by.objectives)
    return tuple({each.key: each for each in asked if each is not None}.values())


class _Start(NamedTuple):
    """Where counting begins (Unix milliseconds), and judging (so many seconds later).

    `strain` is what is known of stable until then, None where nobody asks.
    """

    started_ms: int
    entered: float
    strain: ShadowImpact | None


def _start(grid: Grid, state: RolloutState) -> _Start:
    """The beginning of a trial: now; in shadow, stable is counted from some time before its copies.

    Intervals end soon after the candidate's scrapes, so that what they show is judged at once.
    """
    history, now_ms = state.observed.history, round(state.now * 1000)
    scraped_ms = history.scraped_ms if history else None
    if scraped_ms is not None:
        after = -(-(scraped_ms + JITTER_MS) // PHASE_MS) * PHASE_MS
        grid = replace(grid, phase_ms=after % grid.step_ms)
    if not state.roles.phase.mirrors:
        return _Start(grid.floor(now_ms), 0.0, None)
    known = state.memory.shadow_impact
    if known is not None and known.before:
        # Other objectives: what stable was without copies stays true.
        strain = replace(shadow_impact.without_evidence(known), judge=None)
        return _Start(grid.floor(now_ms), 0.0, strain)
    first_ms = now_ms if state.roles.since is None else state.roles.since * 1000
    if now_ms - first_ms > LONGEST_BACK_MS:
        return _Start(grid.floor(now_ms), 0.0, ShadowImpact(first_ms))
    started_ms = grid.floor(max(0, first_ms - PAST_MS))
    return _Start(started_ms, (now_ms - started_ms) / 1000, ShadowImpact(first_ms))


def measures(state: RolloutState) -> Request | None:
    """What has to be counted: for the trial; without one, of what serves. None for neither."""
    trial = state.memory.trial
    if trial is None:
        return current_service.measures(state)
    namespace, warmup_ms = state.deployment.metadata.namespace, state.pace.warmup_ms
    if trial.traffic is Traffic.LIVE:
        warmup_s = seconds(state.spec.strategy.canary.warmup)
        warmup_ms = min(round(1000 * warmup_s), LONGEST_WARMUP_MS)
    names = state.memory.pods
    if own_pods.is_awaited(state.observed, names):
        # What was counted stays counted, so the first list of pods is waited for.
        return None
    pods = own_pods.known(state.observed, names, _counted(state, trial))
    return counting_request(state.key, namespace, trial, _beside(state), warmup_ms, pods)


def _counted(state: RolloutState, trial: Trial) -> tuple[str, ...]:
    """The revisions whose requests are counted for a trial, its own first."""
    return tuple(filter(None, (trial.revision, _beside(state))))


def _beside(state: RolloutState) -> str | None:
    """The revision that what is judged is compared with, None when nothing serves beside it."""
    return state.roles.stable if state.roles.phase.is_judged else None


def _is_of(
    trial: Trial | None, revision: str, attempt: int, judged_by: Rules, traffic: Traffic
) -> bool:
    if trial is None or (traffic is Traffic.SHADOW and trial.state.arm is Traffic.LIVE):
        return False
    return (trial.revision, trial.attempt, trial.judge.rules) == (revision, attempt, judged_by)
