"""Moves that protect users: what has users and should not have them gives them back."""

from dataclasses import replace
from fractions import Fraction

from model_rollouts.api.conditions import Reason
from model_rollouts.api.ratio import ratio
from model_rollouts.api.status import Phase
from model_rollouts.api.strategy import Action
from model_rollouts.decision import explain
from model_rollouts.rollout.actions import Move, Severity
from model_rollouts.rollout.objects import route as routing
from model_rollouts.rollout.policies import pod_exchange as exchange
from model_rollouts.rollout.policies.advance import skipped
from model_rollouts.rollout.policies.policy import At, Next
from model_rollouts.rollout.state import capacity
from model_rollouts.rollout.state import shadow_stages as shadow
from model_rollouts.rollout.state.state import BURN_IN_WATCH, FAIL_IN_WATCH, SETTLED, SKIPPED, Found
from model_rollouts.rollout.status.summary import Roles, Standing
from model_rollouts.rollout.trial import error_budget as budget
from model_rollouts.text import percent

_JUDGED = (Phase.SHADOW, Phase.CANARY)
_TAKE_IT_BACK = "Take it back: "
_NONE = Fraction(0)
_ALL = Fraction(1)


def back(at: At, verdict: str, why: str, phase: Phase = Phase.ROLLED_BACK) -> Next:
    """All users to stable, in an exchange as its pods carry them; no copies to the candidate."""
    found, roles = at.found, at.found.roles
    failed = roles.candidate if roles.phase in _JUDGED else None
    if roles.phase is Phase.SHADOW:
        why = f"No user saw it. {why}"
    elif roles.verdict == SKIPPED:
        why = f"{why} {skipped(found)}"
    weight = _kept_beside_stable(found)
    return _away(at, failed or found.wanted.name, roles.stable, weight, verdict, why, phase)


def _back_from_watch(at: At, verdict: str, why: str) -> Next:
    """All users to what was stable before, or those that its pods carry."""
    found, roles = at.found, at.found.roles
    weight = _kept(found, found.previous(), found.stable())
    return _away(at, roles.stable, roles.previous, weight, verdict, why, Phase.ROLLED_BACK)


def _kept_beside_stable(found: Found) -> Fraction:
    stable = found.stable()
    if stable is None or not (found.exchanging or stable.replicas < found.spec.replicas):
        # It has all its pods still: whatever they lack, they do not wait for those of a candidate.
        return _NONE
    return _kept(found, stable, found.beside())


def _kept(found: Found, taking: Standing | None, leaving: Standing | None) -> Fraction:
    """The share of users that stays for now with the version that is taken back."""
    has = found.roles.weight if found.roles.phase is Phase.CANARY else _ALL
    if taking is None or leaving is None:
        return _NONE
    return capacity.kept(found.spec.replicas, taking.ready, leaving.ready, has)


def _away(
    at: At,
    failed: str | None,
    stable: str | None,
    weight: Fraction,
    verdict: str,
    why: str,
    phase: Phase,
) -> Next:
    roles = at.found.roles
    attempt = roles.attempt if failed == roles.stable else at.found.spec.strategy.attempt
    after = Roles(stable, failed, None, phase, weight, attempt, verdict, roles.sequence + 1)
    if roles.phase is Phase.SHADOW:
        said = f"{at.version(failed)} was stopped in shadow: {why}"
    else:
        said = f"{at.version(failed)} was taken back, {_who_gets(at, stable, weight)}: {why}"
    return Next(Move.ROLL_BACK, after, phase.value, said, why, Severity.WARNING)


def _who_gets(at: At, stable: str | None, weight: Fraction) -> str:
    if not weight:
        return f"all users get {at.version(stable)}"
    if weight == _ALL:
        return f"all users get {at.version(stable)} as its pods get ready"
    return (
        f"{ratio(1 - weight)} of the users get {at.version(stable)}, the others as pods get ready"
    )


def goes_on(at: At) -> Next | None:
    """Users that a version still has after it was taken back."""
    return exchange.away(at)


def reduced(at: At) -> Next | None:
    """A share that grew beyond what the pods carry that it may have.

    Stable was scaled up meanwhile, or the bound lowered: no pod comes that it could wait for.
    """
    found, roles = at.found, at.found.roles
    if found.phase is not Phase.CANARY or found.decided is not None or found.spec.paused:
        return None
    needs = capacity.carrying(found.spec.replicas, roles.weight)
    if found.extra is None or needs <= found.extra:
        return None
    allowed = capacity.largest_share(found.spec.replicas, found.extra)
    weight = max(allowed, _kept(found, found.stable(), found.candidate()))
    if weight >= roles.weight:
        return None
    after = roles._replace(weight=weight, sequence=roles.sequence + 1)
    why = (
        f"{ratio(roles.weight)} would take {needs} of {found.spec.replicas} pods, "
        f"strategy.maxExtraReplicas allows {found.extra}."
    )
    said = f"{at.version(roles.candidate)} goes back to {ratio(weight)} of the users: {why}"
    return Next(Move.EASE, after, "StepReduced", said, why)


def by_hand(at: At) -> Next | None:
    found = at.found
    asked = found.spec.strategy.override
    if asked is None or asked.action is not Action.ROLLBACK:
        return None
    why = f"Decided by strategy.override: {asked.reason}."
    if asked.revision == found.roles.stable and found.roles.previous is not None:
        return _back_from_watch(at, "Overridden", why)
    if found.leaving is not None:
        # The record has room for one that has users; what is asked about has none.
        return None
    if found.phase in (Phase.STARTING, *_JUDGED) and asked.revision == found.wanted.name:
        return back(at, "Overridden", why) if found.roles.stable is not None else None
    return None


def dropped(at: At) -> Next | None:
    """A candidate with users or copies that the spec does not ask for any more."""
    found, roles = at.found, at.found.roles
    if roles.phase not in _JUDGED or found.phase is roles.phase or found.spec.paused:
        return None
    weight = _kept_beside_stable(found)
    after = roles._replace(
        candidate=roles.candidate if weight else None,
        phase=Phase.FULL,
        weight=weight,
        verdict=SETTLED,
        sequence=roles.sequence + 1,
        mirror=0,
        hurt=None,
        since=None,
    )
    left = _who_gets(at, roles.stable, weight)
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
    return _back_from_watch(at, FAIL_IN_WATCH, words) if found.roles.previous is not None else None


def eased(at: At) -> Next | None:
    """Fewer copies, one stage back, once stable has proven to suffer from them."""
    found, strain = at.found, at.found.memory.strain
    if not found.mirror or found.spec.paused or not found.shadows:
        return None
    if strain is None or strain.state is None or strain.state.failed_at is None:
        return None
    left = max(shadow.stages(found.most_copied, found.mirror), default=0)
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
    """Fewer copies, because the spec now asks for fewer, or its pods now bear fewer."""
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
    if words is None or found.roles.previous is None:
        return None
    return _back_from_watch(at, BURN_IN_WATCH, f"{_sentence(words)}.")


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


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
