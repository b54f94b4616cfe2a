"""Moves that protect users: what has users and should not have them gives them back."""

from dataclasses import replace
from fractions import Fraction

from model_rollouts.api.conditions import Reason
from model_rollouts.api.status import Phase
from model_rollouts.api.strategy import Action
from model_rollouts.decision import explain
from model_rollouts.decision.wording import percent
from model_rollouts.rollout import budget, routing, shadow
from model_rollouts.rollout.actions import Move, Severity
from model_rollouts.rollout.found import SETTLED, Found
from model_rollouts.rollout.going_on import SKIPPED, skipped
from model_rollouts.rollout.next_move import At, Next
from model_rollouts.rollout.situation import Roles

_JUDGED = (Phase.SHADOW, Phase.CANARY)
_TAKE_IT_BACK = "Take it back: "
_NONE = Fraction(0)


def back(at: At, verdict: str, why: str, phase: Phase = Phase.ROLLED_BACK) -> Next:
    """All users to stable, and no copies to the candidate."""
    roles = at.found.roles
    failed = roles.candidate if roles.phase in _JUDGED else None
    if roles.phase is Phase.SHADOW:
        why = f"No user saw it. {why}"
    elif roles.verdict == SKIPPED:
        why = f"{why} {skipped(at.found)}"
    return _away(at, failed or at.found.wanted.name, roles.stable, verdict, why, phase)


def _back_from_watch(at: At, verdict: str, why: str) -> Next:
    """All users to what was stable before."""
    roles = at.found.roles
    return _away(at, roles.stable, roles.previous, verdict, why, Phase.ROLLED_BACK)


def _away(
    at: At, failed: str | None, stable: str | None, verdict: str, why: str, phase: Phase
) -> Next:
    roles = at.found.roles
    attempt = roles.attempt if failed == roles.stable else at.found.spec.strategy.attempt
    after = Roles(stable, failed, None, phase, _NONE, attempt, verdict, roles.sequence + 1)
    if roles.phase is Phase.SHADOW:
        said = f"{at.version(failed)} was stopped in shadow: {why}"
    else:
        said = f"{at.version(failed)} was taken back, all users get {at.version(stable)}: {why}"
    return Next(Move.ROLL_BACK, after, phase.value, said, why, Severity.WARNING)


def by_hand(at: At) -> Next | None:
    found = at.found
    asked = found.spec.strategy.override
    if asked is None or asked.action is not Action.ROLLBACK:
        return None
    why = f"Decided by strategy.override: {asked.reason}."
    if asked.revision == found.roles.stable and found.roles.previous is not None:
        return _back_from_watch(at, "Overridden", why) if _can_go_back(found) else None
    if found.phase in (Phase.STARTING, *_JUDGED) and asked.revision == found.wanted.name:
        return back(at, "Overridden", why) if found.roles.stable is not None else None
    return None


def dropped(at: At) -> Next | None:
    """A candidate with users or copies that the spec does not ask for any more."""
    found, roles = at.found, at.found.roles
    if roles.phase not in _JUDGED or found.phase is roles.phase or found.spec.paused:
        return None
    after = roles._replace(
        candidate=None,
        phase=Phase.FULL,
        weight=_NONE,
        verdict=SETTLED,
        sequence=roles.sequence + 1,
        mirror=0,
        hurt=None,
        since=None,
    )
    left = f"all users get {at.version(roles.stable)}"
    if roles.phase is Phase.SHADOW:
        left = "it gets no copies any more, and no user saw it"
    note = f"{at.version(roles.candidate)} is no longer asked for: {left}."
    return Next(Move.DROP, after, "Superseded", note, "Another version came before it was decided.")


def failed(at: At) -> Next | None:
    trial, found = at.trial, at.found
    if trial is None or found.spec.paused or trial.state.failed_at is None:
        return None
    words = _sentence(explain(trial.judge, trial.state).words.removeprefix(_TAKE_IT_BACK))
    if found.roles.phase in _JUDGED:
        return back(at, "Fail", words)
    return _back_from_watch(at, "Fail", words) if _can_go_back(found) else None


def eased(at: At) -> Next | None:
    """Fewer copies, one stage back, once stable has proven to suffer from them."""
    found, strain = at.found, at.found.memory.strain
    if not found.mirror or found.spec.paused or not found.shadows:
        return None
    if strain is None or strain.state is None or strain.state.failed_at is None:
        return None
    left = max(shadow.stages(found.spec, found.mirror), default=0)
    copied, now = percent(found.mirror / 100), shadow.words(left)
    why = (
        f"{at.version(found.roles.stable)} suffered while {copied} of its requests were copied: "
        f"{strain.words}. {now[:1].upper()}{now[1:]}."
    )
    return _fewer(at, left, hurt=found.mirror, reason=Reason.SHADOW_HURTS_STABLE, why=why)


def refused(at: At) -> Next | None:
    """No copies, once the gateway serves no route with them: users come first."""
    found, route = at.found, at.found.seen.children.route
    if not found.mirror or found.spec.paused or not found.shadows or route is None:
        return None
    why = routing.refused(route)
    if why is None or not why.unserved:
        return None
    said = f"The Gateway refuses a route that copies requests, so none are copied: {why.words}."
    away = _fewer(at, 0, hurt=1, reason=Reason.GATEWAY_INCAPABLE, why=said)
    return replace(away, roles=away.roles._replace(verdict=shadow.REFUSED))


def lowered(at: At) -> Next | None:
    """Fewer copies, because the spec now asks for fewer."""
    found = at.found
    top = max(found.stages, default=0)
    if not found.shadows or found.spec.paused or found.mirror <= top:
        return None
    why = f"{at.version(found.wanted.name)} gets copies of {percent(top / 100)} of the requests."
    return _fewer(at, top, hurt=found.hurt, reason=None, why=why)


def _fewer(at: At, mirror: int, *, hurt: int | None, reason: Reason | None, why: str) -> Next:
    roles = at.found.roles
    after = roles._replace(
        mirror=mirror,
        hurt=hurt,
        attempt=at.found.spec.strategy.attempt,
        sequence=roles.sequence + 1,
    )
    if reason is None:
        return Next(Move.EASE, after, "Mirrored", why, why)
    return Next(Move.EASE, after, reason.value, why, why, Severity.WARNING)


def burns(at: At) -> Next | None:
    """A promoted version that uses up its error budget goes before all of it is gone."""
    found, trial = at.found, at.trial
    if trial is None or found.spec.paused or found.roles.phase is not Phase.FULL:
        return None
    words = budget.burns(trial)
    if words is None or not _can_go_back(found):
        return None
    return _back_from_watch(at, "Burn", f"{_sentence(words)}.")


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _can_go_back(found: Found) -> bool:
    """A rollback never lands on fewer pods than serve now."""
    previous = found.previous()
    return previous is not None and previous.is_ready


def unready(at: At) -> Next | None:
    """A weight on a candidate without pods is an outage that its own metrics do not show."""
    found = at.found
    candidate, stable = found.candidate(), found.stable()
    if found.phase is not Phase.CANARY or found.spec.paused or candidate is None:
        return None
    if candidate.ready > 0 or stable is None or stable.ready == 0:
        return None
    trouble = f" ({candidate.trouble})" if candidate.trouble else ""
    return back(at, "Unready", f"None of its pods is ready{trouble}, while it had users.")
