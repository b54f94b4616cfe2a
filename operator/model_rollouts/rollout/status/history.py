"""The rollouts that ended, as the status tells them."""

from collections.abc import Mapping
from datetime import UTC, datetime

from model_rollouts.api.status import LONGEST_HISTORY, Outcome, Past, Phase
from model_rollouts.rollout.standing import Roles
from model_rollouts.rollout.state.revisions import Revision

_MESSAGE = 1024
SERVES = (Outcome.PROMOTED, Outcome.PROMOTED_WITH_BOUND)
"""Outcomes of a version that served all users."""
_ENDS = {Phase.ROLLED_BACK: Outcome.ROLLED_BACK, Phase.UNDECIDED: Outcome.UNDECIDED}


def updated_history(
    history: tuple[Past, ...],
    roles: Roles,
    revisions: Mapping[str, Revision],
    note: str | None,
    now: float,
) -> tuple[Past, ...]:
    """The history with what the route says to have ended, the newest first.

    What is there already is not added again: a lost status, or one that lags behind the route, is
    made up for, with a note that is shorter when the reason has gone with it.
    """
    if roles.phase is Phase.FULL and roles.stable is not None:
        outcome = Outcome.PROMOTED_WITH_BOUND if roles.verdict == "PassWithBound" else SERVES[0]
        last = next((past for past in history if past.outcome in SERVES), None)
        if last is not None and last.revision == roles.stable:
            return history
        return history_with(history, roles.stable, revisions, roles.attempt, outcome, note, now)
    if roles.phase in _ENDS and roles.candidate is not None:
        outcome = _ENDS[roles.phase]
        last = next((past for past in history if past.outcome is not Outcome.SUPERSEDED), None)
        found = None if last is None else (last.revision, last.attempt, last.outcome)
        if found == (roles.candidate, roles.attempt, outcome):
            return history
        return history_with(history, roles.candidate, revisions, roles.attempt, outcome, note, now)
    return history


def history_with(
    history: tuple[Past, ...],
    revision: str,
    revisions: Mapping[str, Revision],
    attempt: int,
    outcome: Outcome,
    note: str | None,
    now: float,
) -> tuple[Past, ...]:
    """The history with one more rollout in front."""
    past = Past(
        revision=revision,
        version=revisions[revision].version,
        attempt=max(1, attempt),
        outcome=outcome,
        ended_at=datetime.fromtimestamp(int(now), UTC),
        message=(note or outcome.meaning)[:_MESSAGE],
    )
    return (past, *history)[:LONGEST_HISTORY]
