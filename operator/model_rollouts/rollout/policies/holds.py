"""Why a rollout does not move by itself now. What is held stays as it is; nothing is lost by it."""

from collections.abc import Callable, Iterator

from model_rollouts.api.conditions import Reason
from model_rollouts.api.ratio import ratio
from model_rollouts.api.status import Phase
from model_rollouts.api.strategy import Action
from model_rollouts.decision import Decision, Role
from model_rollouts.decision.counts import COMPARABLE_LOAD
from model_rollouts.metrics import findings
from model_rollouts.rollout.memory import Trial
from model_rollouts.rollout.objects import route as routing
from model_rollouts.rollout.policies import pod_exchange as exchange
from model_rollouts.rollout.state import shadow_stages as shadow
from model_rollouts.rollout.state.state import Found, seconds
from model_rollouts.rollout.status.summary import Hold
from model_rollouts.text import percent

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

Policy = Callable[[Found], Hold | None]


def _paused(found: Found) -> Hold | None:
    if not found.spec.paused:
        return None
    return Hold(Reason.PAUSED, "spec.paused is true: set it to false to go on.")


def _held_by_hand(found: Found) -> Hold | None:
    asked = found.spec.strategy.override
    if asked is None or not found.override(Action.HOLD, found.wanted.name):
        return None
    return Hold(Reason.OVERRIDDEN, f"Held by strategy.override: {asked.reason}.")


def _stable_unavailable(found: Found) -> Hold | None:
    """A candidate is not compared with a stable that lacks pods."""
    stable = found.stable()
    if stable is None or stable.is_ready:
        return None
    trouble = f": {stable.trouble}" if stable.trouble else ""
    return Hold(
        Reason.STABLE_UNAVAILABLE,
        f"{stable.ready} of {stable.replicas} pods of {stable.version} are ready, "
        f"{stable.needed} are needed{trouble}.",
    )


def _too_slow_to_start(found: Found) -> Hold | None:
    limit = found.spec.strategy.progress_deadline
    if found.phase is not Phase.STARTING or found.clocks.phase < seconds(limit):
        return None
    candidate = found.candidate()
    if candidate is None:
        return None
    trouble = f": {candidate.trouble}" if candidate.trouble else ""
    return Hold(
        Reason.PROGRESS_DEADLINE_EXCEEDED,
        f"{candidate.ready} of {candidate.needed} pods of {candidate.version} became ready within "
        f"{limit}{trouble}. See kubectl describe deployment {candidate.revision}; raise "
        "strategy.attempt to try again.",
        stalls=True,
    )


def _not_accepted(found: Found) -> Hold | None:
    route = found.seen.children.route
    why = None if route is None else routing.refused(route)
    if why is None:
        return None
    written_at = found.memory.routed_at
    slow = written_at is None or found.now - written_at >= GATEWAY_SECONDS
    return Hold(Reason.GATEWAY_NOT_ACCEPTED, f"{why.words}.", told=slow or not why.pending)


def _blind(found: Found) -> Hold | None:
    """A version that nobody can judge gets no users."""
    starts = found.phase is Phase.STARTING and not found.goes_all_the_way
    if found.judged is None and not starts:
        return None
    if found.seen.metrics_error is not None:
        return Hold(Reason.METRICS_UNAVAILABLE, f"Prometheus: {found.seen.metrics_error}.")
    if found.judged is not None and _has_just_begun(found):
        return None
    for finding in found.memory.findings:
        if finding.reason is findings.Reason.METRICS_UNAVAILABLE and finding.arm:
            stopped = _scrape_stopped(found)
            if stopped is not None:
                return stopped
        if (reason := _METRICS.get(finding.reason)) is not None:
            return Hold(reason, f"{finding.message[:1].upper()}{finding.message[1:]}.")
    return None


def _has_just_begun(found: Found) -> bool:
    trial = found.memory.trial
    if trial is None or trial.watermark is None:
        return True
    return trial.watermark.at_ms - trial.entered_ms < FIRST_INTERVALS * found.step_ms


def _scrape_stopped(found: Found) -> Hold | None:
    """Pods that answer, and of which the last interval had no sample; None when none answer."""
    judged, trial, last_ms = found.on_trial(), found.memory.trial, found.memory.scraped_ms
    if judged is None or not judged.ready or trial is None or trial.watermark is None:
        return None
    silent_ms = trial.watermark.at_ms - (trial.entered_ms if last_ms is None else last_ms)
    return Hold(
        Reason.SCRAPE_MISSING,
        f"Pods of {judged.version} run, and Prometheus has no new sample of them: nothing is "
        "decided before it has.",
        told=silent_ms >= MISSED_INTERVALS * found.step_ms,
    )


def unscraped_since(found: Found) -> float | None:
    """`Memory.unscraped_since` as of this pass."""
    history, candidate = found.seen.history, found.candidate()
    awaited = (
        found.phase is Phase.STARTING
        and not found.goes_all_the_way
        and candidate is not None
        and candidate.is_ready
        and history is not None
        and history.scraped_ms is None
    )
    since = found.memory.unscraped_since
    return (found.now if since is None else since) if awaited else None


def _unscraped(found: Found) -> Hold | None:
    """The first scrape of fresh pods comes within an interval; only a late one is told."""
    since, candidate = found.memory.unscraped_since, found.candidate()
    if since is None or candidate is None:
        return None
    return Hold(
        Reason.SCRAPE_MISSING,
        f"Pods of {candidate.version} run, and Prometheus has no sample of them yet: it gets no "
        "users before it can be judged.",
        told=1000 * (found.now - since) >= FIRST_INTERVALS * found.step_ms,
    )


def _mirror(found: Found) -> Hold | None:
    split = found.memory.split
    if not found.mirror or split is None or split.mismatch is None:
        return None
    return Hold(
        Reason.MIRROR_NOT_OBSERVED,
        f"{split.mismatch}: the Gateway may not support it; strategy.shadow.percent: 0 goes on "
        "without a shadow.",
    )


def _hurts(found: Found) -> Hold | None:
    if found.hurt is None or not found.shadows:
        return None
    if found.roles.verdict == shadow.REFUSED:
        return Hold(
            Reason.GATEWAY_INCAPABLE,
            "The Gateway refused the route while it copied requests: write "
            "strategy.shadow.percent: 0 to go without a shadow, or use a Gateway that supports "
            "RequestMirror with a percentage and raise strategy.attempt.",
        )
    strain = found.memory.strain
    seen = f": {strain.words}" if strain is not None and strain.words else ""
    return Hold(
        Reason.SHADOW_HURTS_STABLE,
        f"Stable suffered while {percent(found.hurt / 100)} of its requests were copied{seen}; "
        f"{shadow.words(found.mirror)}. Lower strategy.shadow.percent; or give stable more "
        "replicas and raise strategy.attempt; or go on without with strategy.override SkipShadow.",
    )


def _split(found: Found) -> Hold | None:
    split = found.memory.split
    if found.phase is not Phase.CANARY or split is None or split.mismatch is None:
        return None
    return Hold(Reason.SPLIT_NOT_OBSERVED, f"{split.mismatch}.")


def _low_load(found: Found) -> Hold | None:
    """An idle pod is always fast: latency is proven for all users under a load like theirs."""
    candidate, stable, trial = found.candidate(), found.stable(), found.memory.trial
    split = found.memory.split
    if found.phase is not Phase.CANARY or found.decided is not None or trial is None:
        return None
    if found.next_step.weight != 1:
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
    weight = ratio(found.roles.weight)
    return Hold(
        Reason.LOW_LOAD,
        f"{names}: a pod of {candidate.version} ({weight} of the users on {candidate.ready}) gets "
        f"{load:.2f} times the requests of a pod of {stable.version} (the others on "
        f"{stable.ready}); latency counts for promotion from {COMPARABLE_LOAD:g} on. Write a last "
        "step of 50% into strategy.canary.steps.",
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


def _capacity(found: Found) -> Hold | None:
    """Pods for the next step start while the present one is judged; only a late one is told."""
    candidate, trial = found.candidate(), found.memory.trial
    if candidate is None or candidate.is_ready or trial is None:
        return None
    if found.phase is Phase.SHADOW:
        trouble = f" ({candidate.trouble})" if candidate.trouble else ""
        return Hold(
            Reason.CAPACITY_PENDING,
            f"{candidate.ready} of {candidate.needed} pods of {candidate.version} are "
            f"ready{trouble}.",
        )
    if found.phase is not Phase.CANARY:
        return None
    if found.decided or (
        trial.judge.decide(trial.state, float(found.next_step.proof)) is not Decision.PASS
    ):
        return None
    return Hold(
        Reason.CAPACITY_PENDING,
        f"{candidate.ready} of {candidate.needed} pods for the next step are ready.",
    )


def _exchanging(found: Found) -> Hold | None:
    """Users move as fast as pods become ready, and until then nothing else begins."""
    words = exchange.awaited(found)
    return None if words is None else Hold(Reason.EXCHANGING, words)


def _write_refused(found: Found) -> Hold | None:
    if found.seen.refusal is None:
        return None
    return Hold(Reason.WRITE_REFUSED, f"The API server refuses: {found.seen.refusal}")


POLICIES: tuple[Policy, ...] = (
    _paused,
    _write_refused,
    _held_by_hand,
    _too_slow_to_start,
    _stable_unavailable,
    _not_accepted,
    _blind,
    _unscraped,
    _split,
    _mirror,
    _hurts,
    _low_load,
    _capacity,
    _exchanging,
)
"""In the order in which a person would want to hear of them."""


def find(found: Found) -> Iterator[Hold]:
    """Every reason to stay, the most important first."""
    for policy in POLICIES:
        if (hold := policy(found)) is not None:
            yield hold
