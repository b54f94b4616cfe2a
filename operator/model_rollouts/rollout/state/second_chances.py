"""What users get from fallbacks now: of which versions it is asked, and what is known."""

from typing import NamedTuple

from model_rollouts.resources.fallback import Service
from model_rollouts.rollout.observed import FallbackQuery, FallbackSeen
from model_rollouts.rollout.state.revisions import Revision
from model_rollouts.rollout.state.state import RolloutState

OFTEN_S = 15.0
"""While a version is on its way: what its fallback does holds it."""
SELDOM_S = 60.0
"""Otherwise: it is told, and nothing else follows."""


class Answers(NamedTuple):
    """Answers to users of a version in the last minutes, as whole numbers."""

    revision: Revision
    of_fallback: int
    total: int
    failed: int


def query(state: RolloutState) -> FallbackQuery | None:
    """What is asked, None where no version has a fallback."""
    roles = state.roles
    named = dict.fromkeys(filter(None, (roles.stable, roles.candidate, state.wanted.name)))
    found = tuple(
        name
        for name in named
        if name in state.observed.children.deployments
        and name in state.revisions
        and state.revisions[name].fallback is not None
    )
    if not found:
        return None
    moves = state.phase.is_preparing or state.phase.is_judged
    return FallbackQuery(found, OFTEN_S if moves else SELDOM_S)


def again_at(state: RolloutState) -> float | None:
    """When it is asked again (Unix seconds); None for now, or never."""
    asked, known = query(state), state.observed.fallback
    if asked is None or known is None or known.asked != asked or state.now >= known.again_at:
        return None
    return known.again_at


def _known(state: RolloutState) -> FallbackSeen:
    known = state.observed.fallback
    return FallbackSeen(FallbackQuery((), 0.0), 0.0) if known is None else known


def answers(state: RolloutState) -> tuple[Answers, ...]:
    """Of each version that has users and a fallback, as far as they are known."""
    asked, seen = query(state), _known(state)
    if asked is None:
        return ()
    return tuple(
        Answers(state.revisions[name], *map(round, seen.answers[name]))
        for name in asked.revisions
        if name in seen.answers and round(seen.answers[name].total) > 0
    )


def relieves(state: RolloutState) -> bool:
    """Whether users of stable get answers though it gives none: most of them without an error."""
    found = (each for each in answers(state) if each.revision.name == state.roles.stable)
    given = next(found, None)
    return given is not None and given.of_fallback > 0 and 2 * given.failed < given.total


def unreached(state: RolloutState, name: str) -> tuple[Service, bool] | None:
    """The Service that stands in for a revision without connections, and whether that is known.

    None where it takes them, and where nobody has to be reached.
    """
    revision = state.revisions.get(name)
    fallback = None if revision is None or revision.fault else revision.fallback
    if fallback is None or not isinstance(fallback.to, Service):
        return None
    reached = _known(state).reached.get(name)
    return None if reached else (fallback.to, reached is not None)
