"""The trial of what has users now: taken from memory, from the status, or begun anew."""

from collections.abc import Mapping
from dataclasses import replace

from model_rollouts.api.deployment import ModelDeployment
from model_rollouts.api.status import Phase
from model_rollouts.decision import UNKNOWN, Rules
from model_rollouts.metrics.grid import Grid
from model_rollouts.metrics.measured import Request
from model_rollouts.rollout import evidence, judging, revisions
from model_rollouts.rollout.found import Found
from model_rollouts.rollout.memory import Memory, Split, Trial
from model_rollouts.rollout.revisions import Revision
from model_rollouts.rollout.situation import Roles

PHASE_MS = 500
"""Intervals end in one of so few places that rollouts share their queries."""

JITTER_MS = 100
"""Scrapes are not quite regular: one just behind the end of its interval would leave it empty."""


def restored(deployment: ModelDeployment, stored: Mapping[str, Revision], today: Roles) -> Memory:
    """What the status remembers, when this operator has just begun."""
    canary = today.phase is Phase.CANARY
    revision = today.candidate if canary else today.stable
    attempt = deployment.spec.strategy.attempt if canary else today.attempt
    beside = today.stable if canary else None
    judged_by = judging.rules(
        deployment.spec, baseline=canary, edges=revisions.edges(stored, revision, beside)
    )
    return evidence.decode(deployment.status.evidence, revision or "", attempt, judged_by)


def at_hand(found: Found, grid: Grid) -> Memory:
    """The memory with the trial of what is judged now, and without any when nothing is.

    A candidate's trial waits for the dispersion of stable's errors, which is asked once. Another
    spec of the objectives is another trial: its evidence is zero, and the weight stays.
    """
    memory, canary = found.memory, found.roles.phase is Phase.CANARY
    revision, now_ms = found.judged, round(found.now * 1000)
    if revision is None:
        return replace(memory, trial=None, split=None, findings=())
    edges = revisions.edges(found.revisions, revision, _beside(found))
    judged_by = judging.rules(found.spec, baseline=canary, edges=edges)
    if not _is_of(memory.trial, revision, found.attempt, judged_by):
        history = found.seen.history
        dispersion = memory.dispersion or (history.dispersion if history else None)
        if dispersion is None and canary:
            return replace(memory, trial=None)
        # A watch goes on with what was measured before its canary.
        dispersion = dispersion or UNKNOWN
        memory = replace(
            memory,
            trial=judging.begin(
                revision, found.attempt, judged_by, dispersion, _start(grid, found)
            ),
            dispersion=dispersion,
            findings=(),
            last_request_ms=None,
        )
    if memory.split is None and canary:
        memory = replace(memory, split=Split(now_ms))
    return memory


def _start(grid: Grid, found: Found) -> int:
    """Where counting begins (Unix milliseconds): where an interval of the rollout begins.

    Its intervals end soon after the candidate's scrapes, so that what they show is judged at once.
    """
    history, now_ms = found.seen.history, round(found.now * 1000)
    scraped_ms = history.scraped_ms if history else None
    if scraped_ms is None:
        return grid.floor(now_ms)
    after = -(-(scraped_ms + JITTER_MS) // PHASE_MS) * PHASE_MS
    return replace(grid, phase_ms=after % grid.step_ms).floor(now_ms)


def measures(found: Found) -> Request | None:
    """What has to be counted for the trial, None when there is none."""
    trial = found.memory.trial
    if trial is None:
        return None
    return judging.request(found.key, found.deployment.metadata.namespace, trial, _beside(found))


def _beside(found: Found) -> str | None:
    """The revision that what is judged is compared with, None when nothing serves beside it."""
    return found.roles.stable if found.roles.phase is Phase.CANARY else None


def _is_of(trial: Trial | None, revision: str, attempt: int, judged_by: Rules) -> bool:
    return trial is not None and (trial.revision, trial.attempt, trial.judge.rules) == (
        revision,
        attempt,
        judged_by,
    )
