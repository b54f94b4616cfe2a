"""Why a rollout does not move by itself now. What is held stays as it is; nothing is lost by it."""

from collections.abc import Callable, Iterator

from model_rollouts.api.conditions import Reason
from model_rollouts.api.status import Phase
from model_rollouts.api.strategy import Action
from model_rollouts.decision import Decision
from model_rollouts.metrics import findings
from model_rollouts.rollout import exchange, routing
from model_rollouts.rollout.found import Found, seconds
from model_rollouts.rollout.situation import Hold

GATEWAY_SECONDS = 5.0
"""What a gateway may take to accept a route before anybody is told."""

FIRST_INTERVALS = 3
"""Intervals in which pods that have just started may be unknown to Prometheus."""

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
        if (reason := _METRICS.get(finding.reason)) is not None:
            return Hold(reason, f"{finding.message[:1].upper()}{finding.message[1:]}.")
    return None


def _has_just_begun(found: Found) -> bool:
    trial = found.memory.trial
    if trial is None or trial.watermark is None:
        return True
    return trial.watermark.at_ms - trial.started_ms < FIRST_INTERVALS * found.step_ms


def _unscraped(found: Found) -> Hold | None:
    history = found.seen.history
    if found.phase is not Phase.STARTING or found.goes_all_the_way or history is None:
        return None
    candidate = found.candidate()
    if history.scraped_ms is not None or candidate is None or not candidate.is_ready:
        return None
    return Hold(
        Reason.SCRAPE_MISSING,
        f"Pods of {candidate.version} run, and Prometheus has no sample of them yet: it gets no "
        "users before it can be judged.",
    )


def _split(found: Found) -> Hold | None:
    split = found.memory.split
    if found.phase is not Phase.CANARY or split is None or split.mismatch is None:
        return None
    return Hold(Reason.SPLIT_NOT_OBSERVED, f"{split.mismatch}.")


def _capacity(found: Found) -> Hold | None:
    """Pods for the next step start while the present one is judged; only a late one is told."""
    candidate, trial = found.candidate(), found.memory.trial
    if found.phase is not Phase.CANARY or candidate is None or candidate.is_ready or trial is None:
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
    _capacity,
    _exchanging,
)
"""In the order in which a person would want to hear of them."""


def find(found: Found) -> Iterator[Hold]:
    """Every reason to stay, the most important first."""
    for policy in POLICIES:
        if (hold := policy(found)) is not None:
            yield hold
