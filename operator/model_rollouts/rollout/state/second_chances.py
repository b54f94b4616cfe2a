"""Who stands in for which version, of which versions it is asked how it does, and what is known."""

from typing import NamedTuple

from model_rollouts.resources import names
from model_rollouts.resources.fallback import Previous, Service, Static
from model_rollouts.resources.revision import Protocol
from model_rollouts.resources.services import selected
from model_rollouts.rollout.observed import FallbackQuery, FallbackSeen
from model_rollouts.rollout.standing import Standing
from model_rollouts.rollout.state.recovered_roles import served
from model_rollouts.rollout.state.revisions import Revision, standing
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
    """Of each version that had users lately and has a fallback, as far as they are known."""
    asked, seen = query(state), _known(state)
    if asked is None:
        return ()
    return tuple(
        Answers(state.revisions[name], *map(round, seen.answers[name]))
        for name in asked.revisions
        if name in seen.answers and round(seen.answers[name].total) > 0
    )


def has_users(state: RolloutState, name: str) -> bool:
    """Whether a version gets requests of users now: one that was rolled back does not."""
    roles = state.roles
    return name == roles.stable or (name == roles.candidate and roles.weight > 0)


def relieves(state: RolloutState) -> bool:
    """Whether users of stable get answers though it gives none: most of them without an error."""
    found = (each for each in answers(state) if each.revision.name == state.roles.stable)
    given = next(found, None)
    return given is not None and given.of_fallback > 0 and 2 * given.failed < given.total


def falls_back(state: RolloutState, name: str | None) -> bool:
    """Whether another revision of the model stands in for that one."""
    revision = state.revisions.get(name or "")
    fallback = None if revision is None or revision.fault else revision.fallback
    return fallback is not None and isinstance(fallback.to, Previous)


def stands_in(state: RolloutState, name: str) -> Revision | None:
    """The revision that answers in place of `name`; None where there is none that can.

    For what serves it is what served before it; for every other one it is what serves.
    """
    stable = state.roles.stable
    found = _before(state, name) if name == stable else stable
    revision = None if found is None or found == name else state.revisions.get(found)
    return revision if revision is not None and _can(revision) else None


def _before(state: RolloutState, stable: str) -> str | None:
    """What served all users before, by its role, by the history, or by the Service that has it.

    A history is short, and may be lost.
    """
    if state.roles.previous is not None:
        return state.roles.previous
    ended = served(state.deployment.status, state.revisions)
    found = next((past.revision for past in ended if past.revision != stable), None)
    services = state.observed.children.services
    return found or selected(services.get(names.backup_service(stable)))


def _can(revision: Revision) -> bool:
    """Whether it answers what is asked by HTTP; of one that cannot be read nobody knows."""
    speaks = revision.form.get("protocol", Protocol.HTTP)
    return revision.fault is None and speaks == Protocol.HTTP


def kept_warm(state: RolloutState) -> Revision | None:
    """The revision that has a pod for no other reason than to stand in for what serves."""
    stable = state.roles.stable
    return stands_in(state, stable) if stable and falls_back(state, stable) else None


def standby(state: RolloutState) -> Standing | None:
    """How the revision runs that stands in for what serves, of which one ready pod is enough."""
    kept = kept_warm(state)
    return None if kept is None else standing(kept, state.observed, 1, state.now)


class Unreached(NamedTuple):
    """Who stands in and takes no connections, as a subject; `is_known` unless nobody has told.

    `advice` is what to look at, as a clause.
    """

    who: str
    is_known: bool
    advice: str


def unreached(state: RolloutState, name: str) -> Unreached | None:
    """Who stands in for a revision without connections.

    None where it takes them, and where nobody has to be reached.
    """
    revision = state.revisions.get(name)
    fallback = None if revision is None or revision.fault else revision.fallback
    reached = _known(state).reached.get(name)
    if fallback is None or reached:
        return None
    match fallback.to:
        case Static():
            return None
        case Service(service, port):
            who = f"Service {service}, port {port}"
            advice = "the Service exists and has ready endpoints"
        case Previous():
            if state.roles.stable is None:
                # The first version: nobody can stand in for it, and it waits for nobody.
                return None
            service, found = names.backup_service(name), stands_in(state, name)
            who = f"Service {service}" if found is None else f"version {found.version}"
            advice = f"Service {service} has ready endpoints"
    return Unreached(who, reached is not None, advice)
