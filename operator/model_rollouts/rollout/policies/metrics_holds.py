"""Holds for want of samples: what nobody can judge gets no users."""

from model_rollouts.api.conditions import Reason
from model_rollouts.api.phase import Phase
from model_rollouts.metrics import findings
from model_rollouts.metrics.grid import SELDOM_MS
from model_rollouts.resources.mesh import name_in
from model_rollouts.rollout.policies import needs
from model_rollouts.rollout.policies.needs import WAITING_SECONDS
from model_rollouts.rollout.standing import Hold, Standing
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.rollout.trial.samples import STABLE
from model_rollouts.text import capitalized, cut, duration

FIRST_INTERVALS = 3
"""Intervals in which pods that have just started may be unknown to Prometheus."""

MISSED_INTERVALS = 2
"""Intervals without a sample of pods that were scraped before, until anybody is told."""

UNSENT_BRIEF = 90
"""Characters of the clause that says why a version can get no requests."""

_METRICS = {
    findings.Reason.DUPLICATE_TARGETS: Reason.DUPLICATE_TARGETS,
    findings.Reason.UNLIKE_TARGETS: Reason.DUPLICATE_TARGETS,
    findings.Reason.SCRAPE_MISSING: Reason.SCRAPE_MISSING,
    findings.Reason.METRICS_UNAVAILABLE: Reason.METRICS_UNAVAILABLE,
    findings.Reason.SERIES_MISSING: Reason.SERIES_MISSING,
    findings.Reason.NO_TRAFFIC: Reason.NO_TRAFFIC,
}
"""What was found in the samples and forbids a promotion."""

_BLIND = {
    Reason.METRICS_UNAVAILABLE: "Prometheus gives no usable answer",
    Reason.SCRAPE_MISSING: "Prometheus does not scrape its pods",
    Reason.DUPLICATE_TARGETS: "Prometheus scrapes its pods more than once",
    Reason.SERIES_MISSING: "Prometheus lacks series of its pods",
}

_ADVICE = {
    Reason.SCRAPE_MISSING: (
        " Requests to them are in no count, so nothing is promoted. Look for them among the "
        "targets of Prometheus, and for a NetworkPolicy that blocks port 17090."
    ),
    Reason.SERIES_MISSING: (
        " Nothing is promoted without it. Keep the metric in the scrape configuration: no "
        "`metricRelabelings` may drop it."
    ),
}

_STABLE_UNSEEN = "Prometheus does not scrape the pods of stable"
_SOME_UNSEEN = "Prometheus does not scrape some of its pods"
_SOME_STABLE_UNSEEN = "Prometheus does not scrape some pods of stable"


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
    if state.judged is not None and has_just_begun(state):
        return None
    for finding in state.memory.findings:
        if finding.reason is findings.Reason.METRICS_UNAVAILABLE and finding.arm:
            stopped = _scrape_stopped(state)
            if stopped is not None:
                return stopped
        if finding.reason is findings.Reason.NO_TRAFFIC and (unsent := _unsent(state)) is not None:
            return unsent
        if finding.arm == STABLE and finding.reason is findings.Reason.SCRAPE_MISSING:
            message = f"{capitalized(finding.message)}.{_in_a_mesh(state, state.stable)}"
            if finding.pods:
                advice = _ADVICE[Reason.SCRAPE_MISSING]
                return Hold(Reason.SCRAPE_MISSING, f"{message}{advice}", _SOME_STABLE_UNSEEN)
            return Hold(Reason.SCRAPE_MISSING, message, _STABLE_UNSEEN)
        if (reason := _METRICS.get(finding.reason)) is not None:
            some = reason is Reason.SCRAPE_MISSING
            return Hold(
                reason,
                f"{capitalized(finding.message)}.{_ADVICE.get(reason, '')}",
                _SOME_UNSEEN if some else _BLIND.get(reason, finding.message),
            )
    return None


def _in_a_mesh(state: RolloutState, whose: Standing | None) -> str:
    """What to look at where a mesh stands between Prometheus and these pods."""
    if whose is None or not whose.in_mesh:
        return ""
    mesh = name_in(state.revisions[whose.revision].form.get("template", {})) or "a service mesh"
    return (
        f" Its pods have a sidecar of {mesh}: where that takes mTLS alone, let port 17090 pass it "
        "(docs/proxy.md, strict mTLS)."
    )


def _unsent(state: RolloutState) -> Hold | None:
    """Of a version without a ready pod, that no request came says nothing; None for any other."""
    judged = state.on_trial
    if judged is None or judged.ready:
        return None
    why = "" if judged.trouble is None else f": {judged.trouble}"
    said = f"no pod of version {judged.version} is ready to get requests{why}"
    return Hold(Reason.NO_TRAFFIC, f"{capitalized(said)}.", cut(said, UNSENT_BRIEF))


def has_just_begun(state: RolloutState) -> bool:
    """Whether Prometheus may not know yet what is judged: its pods have just got their requests."""
    trial = state.memory.trial
    if trial is None or trial.watermark is None:
        return True
    return trial.watermark.at_ms - trial.entered_ms < FIRST_INTERVALS * state.interval_ms


def _scrape_stopped(state: RolloutState) -> Hold | None:
    """Pods that are ready, and of which the last interval had no sample; None when none are."""
    judged, trial, last_ms = state.on_trial, state.memory.trial, state.memory.scraped_ms
    if judged is None or not judged.ready or trial is None or trial.watermark is None:
        return None
    silent_ms = trial.watermark.at_ms - (trial.entered_ms if last_ms is None else last_ms)
    return Hold(
        Reason.SCRAPE_MISSING,
        f"Pods of version {judged.version} are ready, but Prometheus has no new sample of them. "
        f"Nothing is decided until it has.{_in_a_mesh(state, judged)}",
        _BLIND[Reason.SCRAPE_MISSING],
        told=silent_ms >= (_first_ms(state) if last_ms is None else _missed_ms(state)),
    )


def behind_since(state: RolloutState) -> float | None:
    """`Memory.behind_since` as of this pass."""
    if not state.behind_ms:
        return None
    since = state.memory.behind_since
    return state.now if since is None else since


def catching_up(state: RolloutState) -> Hold | None:
    """What was counted is old: an operator that has just begun reads first, and then decides."""
    unknown = state.observed.metrics_error is not None or any(
        finding.reason is findings.Reason.METRICS_UNAVAILABLE for finding in state.memory.findings
    )
    since, judged = state.memory.behind_since, state.on_trial
    if not state.behind_ms or judged is None or unknown:
        return None
    late = state.behind_ms / 1000 + MISSED_INTERVALS * state.interval_ms / 1000
    return Hold(
        Reason.CATCHING_UP,
        f"What was counted of version {judged.version} is {duration(late)} old. Nothing is decided "
        "until newer samples are read.",
        "reading the samples of the time before",
        told=since is not None
        and 1000 * (state.now - since) >= FIRST_INTERVALS * state.interval_ms,
    )


def unscraped_since(state: RolloutState) -> float | None:
    """`Memory.unscraped_since` as of this pass."""
    history, candidate, since = (
        state.observed.history,
        state.candidate,
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
    since, candidate = state.memory.unscraped_since, state.candidate
    if since is None or candidate is None:
        return None
    return Hold(
        Reason.SCRAPE_MISSING,
        f"Pods of version {candidate.version} are ready, but Prometheus has no sample of them yet. "
        f"It gets no users before it can be judged.{_in_a_mesh(state, candidate)}",
        _BLIND[Reason.SCRAPE_MISSING],
        told=1000 * (state.now - since) >= _first_ms(state),
    )


def _first_ms(state: RolloutState) -> int:
    """How long pods that have just started may be unknown to Prometheus (ms).

    While it is not known how often pods are scraped, that may be once a minute.
    """
    unknown_ms = 0 if state.memory.scraped_every_ms is not None else SELDOM_MS
    return unknown_ms + FIRST_INTERVALS * state.interval_ms


def _missed_ms(state: RolloutState) -> int:
    """How long pods that were scraped may be without a sample, until anybody is told (ms)."""
    return MISSED_INTERVALS * state.interval_ms


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
