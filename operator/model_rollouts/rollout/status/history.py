"""The rollouts that ended, as the status tells them."""

from collections.abc import Mapping
from datetime import UTC, datetime

from model_rollouts.api.phase import Outcome, Phase
from model_rollouts.api.status import LONGEST_HISTORY, LONGEST_MESSAGE, Past
from model_rollouts.rollout.standing import SUPERSEDED, Roles
from model_rollouts.rollout.state.revisions import Revision
from model_rollouts.routes.record import RecordedVerdict


def updated_history(
    history: tuple[Past, ...], roles: Roles, revisions: Mapping[str, Revision], now: float
) -> tuple[Past, ...]:
    """The history with what the route says to have ended, the newest first.

    What is there already is not added again: a lost status, or one that lags behind the route, is
    made up for, with a note that is shorter when nobody recorded the reason. What ended did so when
    the route was written, or at `now` (Unix seconds) where that is not known.
    """
    write, dropped = roles.written, untold_drop(roles, history)
    at, note = (now, None) if write is None else (write.ms / 1000, write.why)
    if roles.verdict == RecordedVerdict.SETTLED:
        # Why it serves has been told; what was recorded last is about something else.
        note = None
    if dropped is not None and dropped in revisions:
        outcome = Outcome.SUPERSEDED
        history = _with(history, dropped, revisions, roles.attempt, outcome, SUPERSEDED, at)
    if roles.phase is Phase.FULL and roles.stable is not None:
        bounded = roles.verdict == RecordedVerdict.PASS_WITH_BOUND
        outcome = Outcome.PROMOTED_WITH_BOUND if bounded else Outcome.PROMOTED
        last = next((past for past in history if past.outcome.serves), None)
        if last is not None and last.revision == roles.stable:
            return history
        return _with(history, roles.stable, revisions, roles.attempt, outcome, note, at)
    ended = roles.phase.outcome
    if ended is not None and roles.candidate is not None:
        last = next((past for past in history if past.outcome is not Outcome.SUPERSEDED), None)
        found = None if last is None else (last.revision, last.attempt, last.outcome)
        if found == (roles.candidate, roles.attempt, ended):
            return history
        return _with(history, roles.candidate, revisions, roles.attempt, ended, note, at)
    return history


def untold_drop(roles: Roles, history: tuple[Past, ...]) -> str | None:
    """The candidate that was dropped and is not told of in the history; None when there is none."""
    write = roles.written
    if write is None or write.dropped is None:
        return None
    at = datetime.fromtimestamp(write.ms // 1000, UTC)
    told = any(
        past.revision == write.dropped
        and past.outcome is Outcome.SUPERSEDED
        and past.ended_at >= at
        for past in history
    )
    return None if told else write.dropped


def _with(
    history: tuple[Past, ...],
    revision: str,
    revisions: Mapping[str, Revision],
    attempt: int,
    outcome: Outcome,
    note: str | None,
    at: float,
) -> tuple[Past, ...]:
    """The history with one more rollout in front."""
    past = Past(
        revision=revision,
        version=revisions[revision].version,
        attempt=max(1, attempt),
        outcome=outcome,
        ended_at=datetime.fromtimestamp(int(at), UTC),
        message=(note or outcome.meaning)[:LONGEST_MESSAGE],
    )
    return (past, *history)[:LONGEST_HISTORY]
