"""The rollouts that ended, as the status tells them."""

from collections.abc import Mapping
from datetime import UTC, datetime

from model_rollouts.api.phase import Outcome, Phase
from model_rollouts.api.status import LONGEST_HISTORY, LONGEST_MESSAGE, Past
from model_rollouts.rollout.standing import Roles
from model_rollouts.rollout.state.revisions import Revision
from model_rollouts.routes.record import RecordedVerdict


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
        bounded = roles.verdict == RecordedVerdict.PASS_WITH_BOUND
        outcome = Outcome.PROMOTED_WITH_BOUND if bounded else Outcome.PROMOTED
        last = next((past for past in history if past.outcome.serves), None)
        if last is not None and last.revision == roles.stable:
            return history
        return history_with(history, roles.stable, revisions, roles.attempt, outcome, note, now)
    ended = roles.phase.outcome
    if ended is not None and roles.candidate is not None:
        last = next((past for past in history if past.outcome is not Outcome.SUPERSEDED), None)
        found = None if last is None else (last.revision, last.attempt, last.outcome)
        if found == (roles.candidate, roles.attempt, ended):
            return history
        return history_with(history, roles.candidate, revisions, roles.attempt, ended, note, now)
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
        message=(note or outcome.meaning)[:LONGEST_MESSAGE],
    )
    return (past, *history)[:LONGEST_HISTORY]
