"""Why a rollout does not move by itself now. What is held stays as it is; nothing is lost by it."""

from model_rollouts.api.conditions import Reason
from model_rollouts.api.phase import Phase
from model_rollouts.api.strategy import Action
from model_rollouts.decision import COMPARABLE_LOAD, Decision, Role
from model_rollouts.metrics import findings
from model_rollouts.rollout.memory import Trial
from model_rollouts.rollout.policies import pod_exchange
from model_rollouts.rollout.standing import Hold
from model_rollouts.rollout.state import shadow_stages
from model_rollouts.rollout.state.state import RolloutState, seconds
from model_rollouts.routes.acceptance import refusal_of
from model_rollouts.routes.record import RecordedVerdict
from model_rollouts.text import capitalized, cut, percent

GATEWAY_SECONDS = 5.0
"""What a gateway may take to accept a route before anybody is told."""

FIRST_INTERVALS = 3
"""Intervals in which pods that have just started may be unknown to Prometheus."""

MISSED_INTERVALS = 2
"""Intervals without a sample of pods that were scraped before, until anybody is told."""

_METRICS = {
    findings.Reason.DUPLICATE_TARGETS: Reason.DUPLICATE_TARGETS,
    findings.Reason.SCRAPE_MISSING: Reason.SCRAPE_MISSING,
    findings.Reason.METRICS_UNAVAILABLE: Reason.METRICS_UNAVAILABLE,
    findings.Reason.NO_TRAFFIC: Reason.NO_TRAFFIC,
}
"""What was found in the samples and forbids a verdict."""

_BRIEF = 80
"""Characters of what others say, in the clause of a status sentence."""

_BLIND = {
    Reason.METRICS_UNAVAILABLE: "Prometheus gives no usable answer",
    Reason.SCRAPE_MISSING: "Prometheus does not scrape its pods",
    Reason.DUPLICATE_TARGETS: "Prometheus scrapes its pods more than once",
}


def paused(state: RolloutState) -> Hold | None:
    if not state.spec.paused:
        return None
    return Hold(Reason.PAUSED, "spec.paused is true. Set it to false to resume.", "it is paused")


def held_by_hand(state: RolloutState) -> Hold | None:
    asked = state.spec.strategy.override
    if asked is None or not state.override(Action.HOLD, state.wanted.name):
        return None
    return Hold(
        Reason.OVERRIDDEN,
        f"Held by strategy.override: {asked.reason}. Remove the override to resume.",
        "held by strategy.override",
    )


def stable_unavailable(state: RolloutState) -> Hold | None:
    """A candidate is not compared with a stable that has too few pods."""
    stable = state.stable()
    if stable is None or stable.is_ready:
        return None
    trouble = f": {stable.trouble}" if stable.trouble else ""
    return Hold(
        Reason.STABLE_UNAVAILABLE,
        f"{stable.ready} of {stable.replicas} pods of version {stable.version} are ready, "
        f"{stable.needed} are needed{trouble}.",
        f"version {stable.version} has {stable.ready} of {stable.needed} needed pods ready",
    )


def too_slow_to_start(state: RolloutState) -> Hold | None:
    limit = state.spec.strategy.progress_deadline
    if state.phase is not Phase.STARTING or state.clocks.phase < seconds(limit):
        return None
    candidate = state.candidate()
    if candidate is None:
        return None
    trouble = f": {candidate.trouble}" if candidate.trouble else ""
    return Hold(
        Reason.PROGRESS_DEADLINE_EXCEEDED,
        f"{candidate.ready} of {candidate.needed} pods of version {candidate.version} became ready "
        f"within {limit}{trouble}. Run kubectl describe deployment {candidate.revision}; raise "
        "strategy.attempt to try again.",
        f"{candidate.ready} of {candidate.needed} pods became ready within {limit}",
        stalls=True,
    )


def not_accepted(state: RolloutState) -> Hold | None:
    route = state.observed.children.route
    why = None if route is None else refusal_of(route)
    if why is None:
        return None
    written_at = state.routed_at
    # The clock of another operator that wrote it may be ahead.
    slow = written_at is None or abs(state.now - written_at) >= GATEWAY_SECONDS
    return Hold(
        Reason.GATEWAY_NOT_ACCEPTED,
        f"{why.words}.",
        "the Gateway has not accepted the route",
        told=slow or not why.pending,
    )


def blind(state: RolloutState) -> Hold | None:
    """A version that nobody can judge gets no users."""
    starts = state.phase is Phase.STARTING and not state.skips_judging
    if state.judged is None and not starts:
        return None
    if state.observed.metrics_error is not None:
        return Hold(
            Reason.METRICS_UNAVAILABLE,
            f"Prometheus gives no usable answer: {state.observed.metrics_error}.",
            _BLIND[Reason.METRICS_UNAVAILABLE],
        )
    if state.judged is not None and _has_just_begun(state):
        return None
    for finding in state.memory.findings:
        if finding.reason is findings.Reason.METRICS_UNAVAILABLE and finding.arm:
            stopped = _scrape_stopped(state)
            if stopped is not None:
                return stopped
        if (reason := _METRICS.get(finding.reason)) is not None:
            return Hold(
                reason, f"{capitalized(finding.message)}.", _BLIND.get(reason, finding.message)
            )
    return None


def _has_just_begun(state: RolloutState) -> bool:
    trial = state.memory.trial
    if trial is None or trial.watermark is None:
        return True
    return trial.watermark.at_ms - trial.entered_ms < FIRST_INTERVALS * state.step_ms


def _scrape_stopped(state: RolloutState) -> Hold | None:
    """Pods that are ready, and of which the last interval had no sample; None when none are."""
    judged, trial, last_ms = state.on_trial(), state.memory.trial, state.memory.scraped_ms
    if judged is None or not judged.ready or trial is None or trial.watermark is None:
        return None
    silent_ms = trial.watermark.at_ms - (trial.entered_ms if last_ms is None else last_ms)
    return Hold(
        Reason.SCRAPE_MISSING,
        f"Pods of version {judged.version} are ready, but Prometheus has no new sample of them. "
        "Nothing is decided until it has.",
        _BLIND[Reason.SCRAPE_MISSING],
        told=silent_ms >= MISSED_INTERVALS * state.step_ms,
    )


def unscraped_since(state: RolloutState) -> float | None:
    """`Memory.unscraped_since` as of this pass."""
    history, candidate = state.observed.history, state.candidate()
    awaited = (
        state.phase is Phase.STARTING
        and not state.skips_judging
        and candidate is not None
        and candidate.is_ready
        and history is not None
        and history.scraped_ms is None
    )
    since = state.memory.unscraped_since
    return (state.now if since is None else since) if awaited else None


def unscraped(state: RolloutState) -> Hold | None:
    """The first scrape of fresh pods comes within an interval; only a late one is told."""
    since, candidate = state.memory.unscraped_since, state.candidate()
    if since is None or candidate is None:
        return None
    return Hold(
        Reason.SCRAPE_MISSING,
        f"Pods of version {candidate.version} are ready, but Prometheus has no sample of them yet. "
        "It gets no users before it can be judged.",
        _BLIND[Reason.SCRAPE_MISSING],
        told=1000 * (state.now - since) >= FIRST_INTERVALS * state.step_ms,
    )


def mirror(state: RolloutState) -> Hold | None:
    split = state.memory.split
    if not state.mirror_percent or split is None or split.mismatch is None:
        return None
    return Hold(
        Reason.MIRROR_NOT_OBSERVED,
        f"{capitalized(split.mismatch)}. The Gateway may not support mirroring; set "
        "strategy.shadow.percent: 0 to continue without shadow.",
        split.mismatch,
    )


def hurts(state: RolloutState) -> Hold | None:
    if state.suffered_at_percent is None or not state.shadows:
        return None
    if state.roles.verdict == RecordedVerdict.MIRROR_REFUSED:
        return Hold(
            Reason.GATEWAY_INCAPABLE,
            "The Gateway refused the route with mirroring. Set strategy.shadow.percent: 0 to "
            "continue without shadow, or use a Gateway that supports RequestMirror with a "
            "percentage and raise strategy.attempt.",
            "the Gateway refused the route with mirroring",
        )
    impact = state.memory.shadow_impact
    seen = f": {impact.words}" if impact is not None and impact.words else ""
    mirrored = percent(state.suffered_at_percent / 100)
    return Hold(
        Reason.SHADOW_HURTS_STABLE,
        f"Mirroring {mirrored} of requests made stable worse{seen}. "
        f"{shadow_stages.words(state.mirror_percent)}. Lower strategy.shadow.percent; or give "
        "stable more replicas and raise strategy.attempt; or skip shadow with strategy.override "
        "SkipShadow.",
        f"mirroring {mirrored} made stable worse",
    )


def split(state: RolloutState) -> Hold | None:
    split = state.memory.split
    if not state.phase.shares_traffic or split is None or split.mismatch is None:
        return None
    return Hold(Reason.SPLIT_NOT_OBSERVED, f"{capitalized(split.mismatch)}.", split.mismatch)


def low_load(state: RolloutState) -> Hold | None:
    """An idle pod is always fast: latency is proven for all users under a load like theirs."""
    candidate, stable, trial = state.candidate(), state.stable(), state.memory.trial
    split = state.memory.split
    if not state.phase.shares_traffic or state.promotion_verdict is not None or trial is None:
        return None
    if state.next_step.weight != 1:
        return None
    if split is None or not split.observed or candidate is None or stable is None:
        return None
    if not candidate.ready or not stable.ready:
        return None
    load = split.candidate * stable.ready / (candidate.ready * max(split.stable, 1))
    waiting = _latency_gates(trial)
    if load >= COMPARABLE_LOAD or not waiting:
        return None
    names = " and ".join(waiting)
    return Hold(
        Reason.LOW_LOAD,
        f"{names} cannot pass for promotion yet: each pod of version {candidate.version} "
        f"({candidate.ready} for {percent(state.roles.weight)} of users) gets {load:.2f}x the "
        f"requests of a pod of version {stable.version}; {COMPARABLE_LOAD:g}x is needed. Add a "
        "last step of 50% to strategy.canary.steps.",
        f"each candidate pod gets {load:.2f}x the requests of a stable pod, promotion needs "
        f"{COMPARABLE_LOAD:g}x",
    )


def _latency_gates(trial: Trial) -> list[str]:
    """The latency objectives that are not proven yet, and block promotion."""
    judge, evidence = trial.judge, trial.state.evidence
    return [
        objective.name
        for index, objective in enumerate(judge.rules.objectives)
        if objective.latency is not None
        and objective.role is Role.GATE
        and not judge.passes(index, evidence[index], level=0)
    ]


def capacity(state: RolloutState) -> Hold | None:
    """Pods for the next step start while the present one is judged; only a late one is told."""
    candidate, trial = state.candidate(), state.memory.trial
    if candidate is None or candidate.is_ready or trial is None:
        return None
    if state.phase.mirrors:
        trouble = f" ({candidate.trouble})" if candidate.trouble else ""
        return Hold(
            Reason.CAPACITY_PENDING,
            f"{candidate.ready} of {candidate.needed} pods of version {candidate.version} are "
            f"ready{trouble}.",
            f"{candidate.ready} of {candidate.needed} pods are ready",
        )
    if not state.phase.shares_traffic:
        return None
    if state.promotion_verdict or (
        trial.judge.decide(trial.state, float(state.next_step.proof)) is not Decision.PASS
    ):
        return None
    return Hold(
        Reason.CAPACITY_PENDING,
        f"Every gate passed; {candidate.ready} of {candidate.needed} pods for the next step are "
        "ready.",
        f"{candidate.ready} of {candidate.needed} pods for the next step are ready",
    )


def exchanging(state: RolloutState) -> Hold | None:
    """Users move as fast as pods become ready, and until then nothing else begins."""
    words = pod_exchange.awaited(state)
    return None if words is None else Hold(Reason.EXCHANGING, f"{capitalized(words)}.", words)


def write_refused(state: RolloutState) -> Hold | None:
    if state.observed.refusal is None:
        return None
    return Hold(
        Reason.WRITE_REFUSED,
        f"The API server refuses a write: {state.observed.refusal}",
        f"the API server refuses a write: {cut(state.observed.refusal, _BRIEF)}",
    )
