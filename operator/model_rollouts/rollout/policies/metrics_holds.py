"""Holds for want of samples: what nobody can judge gets no users."""

from model_rollouts.api.conditions import Reason
from model_rollouts.api.phase import Phase
from model_rollouts.metrics import findings
from model_rollouts.rollout.policies import needs
from model_rollouts.rollout.policies.holds import WAITING_SECONDS
from model_rollouts.rollout.standing import Hold
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.text import capitalized

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

_BLIND = {
    Reason.METRICS_UNAVAILABLE: "Prometheus gives no usable answer",
    Reason.SCRAPE_MISSING: "Prometheus does not scrape its pods",
    Reason.DUPLICATE_TARGETS: "Prometheus scrapes its pods more than once",
}


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
    history, candidate, since = (
        state.observed.history,
        state.candidate(),
        state.memory.unscraped_since,
    )
    waits = (
        state.phase is Phase.STARTING
        and not state.skips_judging
        and candidate is not None
        and candidate.is_ready
    )
    if not waits or (history is not None and history.scraped_ms is not None):
        return None
    # While it is asked again nothing new is known.
    return since if history is None else since or state.now


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


def past_unknown(state: RolloutState) -> Hold | None:
    """A candidate is compared with a past that is asked for once, before its first request."""
    if not needs.lacks_history(state):
        return None
    since = state.observed.asked_since
    return Hold(
        Reason.METRICS_UNAVAILABLE,
        "Prometheus has not answered yet how the version that serves did before.",
        _BLIND[Reason.METRICS_UNAVAILABLE],
        told=since is not None and state.now - since >= WAITING_SECONDS,
    )
