"""Moves that protect users: what has users and should not have them gives them back."""

from dataclasses import replace
from fractions import Fraction

from model_rollouts.api.conditions import Reason
from model_rollouts.api.phase import Phase
from model_rollouts.api.strategy import Action
from model_rollouts.decision import explain, largest_share
from model_rollouts.rollout.actions import Move, Severity
from model_rollouts.rollout.policies import pod_exchange
from model_rollouts.rollout.policies.advance import skipped
from model_rollouts.rollout.policies.policy import NextMove, PolicyInput
from model_rollouts.rollout.standing import SUPERSEDED, Roles, Standing
from model_rollouts.rollout.state import capacity, shadow_stages
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.rollout.trial import error_budget
from model_rollouts.routes.acceptance import rejections_of
from model_rollouts.routes.record import RecordedVerdict
from model_rollouts.text import capitalized, percent

_NONE = Fraction(0)
_ALL = Fraction(1)


def back(
    given: PolicyInput,
    verdict: str,
    why: str,
    phase: Phase = Phase.ROLLED_BACK,
    *,
    most: Fraction = _ALL,
) -> NextMove:
    """All users to stable, in an exchange as its pods carry them; no copies to the candidate.

    The candidate keeps no more than `most` of the users.
    """
    state, roles = given.state, given.state.roles
    failed = roles.candidate if roles.phase.is_judged else None
    if roles.phase.mirrors:
        why = f"{why} No user got it."
    elif roles.verdict == RecordedVerdict.SKIPPED_SHADOW:
        why = f"{why} {capitalized(skipped(state))}."
    weight = min(most, _kept_beside_stable(state))
    return _away(given, failed or state.wanted.name, roles.stable, weight, verdict, why, phase)


def back_from_watch(
    given: PolicyInput, verdict: str, why: str, *, most: Fraction = _ALL
) -> NextMove:
    """All users to what was stable before, or those that its pods carry.

    What was promoted keeps no more than `most` of them.
    """
    state, roles = given.state, given.state.roles
    weight = min(most, _kept(state, state.previous, state.stable))
    return _away(given, roles.stable, roles.previous, weight, verdict, why, Phase.ROLLED_BACK)


def _kept_beside_stable(state: RolloutState) -> Fraction:
    stable = state.stable
    if stable is None or not (state.exchanging or stable.replicas < state.users):
        # It has all its pods still: whatever they lack, they do not wait for those of a candidate.
        return _NONE
    return _kept(state, stable, state.sharing_traffic)


def _kept(state: RolloutState, taking: Standing | None, leaving: Standing | None) -> Fraction:
    """The share of users that stays for now with the version that is rolled back."""
    has = state.roles.weight if state.roles.phase.shares_traffic else _ALL
    if taking is None or leaving is None:
        return _NONE
    return capacity.kept(max(1, state.users), taking.ready, leaving.ready, has)


def _away(
    given: PolicyInput,
    failed: str | None,
    stable: str | None,
    weight: Fraction,
    verdict: str,
    why: str,
    phase: Phase,
) -> NextMove:
    roles = given.state.roles
    attempt = roles.attempt if failed == roles.stable else given.state.wanted_attempt
    after = Roles(stable, failed, None, phase, weight, attempt, verdict, roles.sequence + 1)
    if roles.phase.mirrors:
        said = f"{given.version(failed)} was rolled back in shadow. {why}"
    else:
        said = f"{given.version(failed)} was rolled back; {_who_gets(given, stable, weight)}. {why}"
    return NextMove(Move.ROLL_BACK, after, phase.value, capitalized(said), why, Severity.WARNING)


def _who_gets(given: PolicyInput, stable: str | None, weight: Fraction) -> str:
    if not weight:
        return f"{given.version(stable)} serves all users"
    if weight == _ALL:
        return f"{given.version(stable)} takes over as its pods become ready"
    gets = f"{given.version(stable)} serves {percent(1 - weight)} of users"
    return f"{gets} and takes the rest as its pods become ready"


def goes_on(given: PolicyInput) -> NextMove | None:
    """Users that a version still has after it was rolled back."""
    return pod_exchange.away(given)


def reduced(given: PolicyInput) -> NextMove | None:
    """A share that grew beyond what the pods carry that it may have.

    Stable was scaled up meanwhile, or the bound lowered: no pod comes that it could wait for.
    """
    state, roles = given.state, given.state.roles
    if not state.phase.shares_traffic or state.promotion_verdict is not None or state.spec.paused:
        return None
    needs = capacity.carrying(state.users, roles.weight)
    if state.max_extra_pods is None or needs <= state.max_extra_pods:
        return None
    allowed = largest_share(state.users, state.max_extra_pods)
    weight = max(allowed, _kept(state, state.stable, state.candidate))
    if weight >= roles.weight:
        return None
    after = roles._replace(weight=weight, sequence=roles.sequence + 1)
    why = (
        f"{percent(roles.weight)} would need {needs} of {state.users} pods, but "
        f"strategy.maxExtraReplicas allows {state.max_extra_pods}."
    )
    who = capitalized(given.version(roles.candidate))
    said = f"{who} is back to {percent(weight)} of users: {why}"
    return NextMove(Move.EASE, after, "StepReduced", said, why)


def by_hand(given: PolicyInput) -> NextMove | None:
    state = given.state
    asked = state.spec.strategy.override
    if asked is None or asked.action is not Action.ROLLBACK:
        return None
    why = f"Decided by strategy.override: {asked.reason}."
    if state.overridden == state.roles.stable and state.roles.previous is not None:
        return back_from_watch(given, RecordedVerdict.OVERRIDDEN, why)
    if state.leaving is not None:
        # The record has room for one that has users; what is asked about has none.
        return None
    if state.is_on_the_way and state.overridden == state.wanted.name:
        return (
            back(given, RecordedVerdict.OVERRIDDEN, why) if state.roles.stable is not None else None
        )
    return None


def dropped(given: PolicyInput) -> NextMove | None:
    """A candidate with users or mirrored requests that the spec does not ask for any more.

    As long as what it asks for in its place may not start, nothing changes for users.
    """
    state, roles = given.state, given.state.roles
    if not roles.phase.is_judged or state.phase is roles.phase or state.spec.paused:
        return None
    if not given.admitted:
        return None
    weight = _kept_beside_stable(state)
    after = roles._replace(
        candidate=roles.candidate if weight else None,
        phase=Phase.FULL,
        weight=weight,
        verdict=RecordedVerdict.SETTLED,
        sequence=roles.sequence + 1,
        mirror_percent=0,
        itself_percent=0,
        suffered_at_percent=None,
        since=None,
        suspension=None,
    )
    left = _who_gets(given, roles.stable, weight)
    if roles.phase.mirrors:
        left = "mirroring to it has stopped, and no user got it"
    note = f"{capitalized(given.version(roles.candidate))} is no longer wanted: {left}."
    return NextMove(Move.DROP, after, "Superseded", note, SUPERSEDED)


def failed(given: PolicyInput) -> NextMove | None:
    trial, state = given.trial, given.state
    if trial is None or state.spec.paused or trial.state.failed_at is None:
        return None
    who = given.version(trial.revision)
    words = explain(trial.judge, trial.state, candidate=who).words
    if state.roles.phase.is_judged:
        return back(given, RecordedVerdict.FAIL, words)
    return (
        back_from_watch(given, RecordedVerdict.FAIL_IN_WATCH, words)
        if state.roles.previous is not None
        else None
    )


def eased(given: PolicyInput) -> NextMove | None:
    """Fewer mirrored requests, one stage back, once they are proven to make stable worse."""
    state, impact = given.state, given.state.memory.shadow_impact
    if not state.mirror_percent or state.spec.paused or not state.shadows:
        return None
    if impact is None or not impact.suffers:
        return None
    left = max(shadow_stages.stages(state.max_mirror_percent, state.mirror_percent), default=0)
    mirrored, now = percent(state.mirror_percent / 100), shadow_stages.words(left)
    why = (
        f"Mirroring {mirrored} of requests made {given.version(state.roles.stable)} worse: "
        f"{impact.words}. {now}."
    )
    return _fewer(
        given, left, hurt=state.mirror_percent, reason=Reason.SHADOW_HURTS_STABLE, why=why
    )


def refused(given: PolicyInput) -> NextMove | None:
    """No mirroring, once the gateway serves no route with it: users come first."""
    state, route = given.state, given.state.observed.children.route
    if not state.mirror_percent or state.spec.paused or not state.shadows or route is None:
        return None
    rejections = (each for each in rejections_of(route, state.observed.absent) if each.for_content)
    why = state.refusal or next(rejections, None)
    if why is None or not why.unserved:
        return None
    said = f"Mirroring has stopped: the Gateway refuses the route with it. {why.words}."
    away = _fewer(given, 0, hurt=1, reason=Reason.GATEWAY_INCAPABLE, why=said)
    return replace(away, roles=away.roles._replace(verdict=RecordedVerdict.MIRROR_REFUSED))


def lowered(given: PolicyInput) -> NextMove | None:
    """Fewer mirrored requests, because the spec now asks for fewer, or its pods bear fewer."""
    state = given.state
    top = max(state.stages, default=0)
    if not state.shadows or state.spec.paused or state.mirror_percent <= top:
        return None
    wanted = given.version(state.wanted.name)
    why = f"{percent(top / 100)} of requests are now mirrored to {wanted}."
    return _fewer(given, top, hurt=state.suffered_at_percent, reason=None, why=why)


def _fewer(
    given: PolicyInput, mirror: int, *, hurt: int | None, reason: Reason | None, why: str
) -> NextMove:
    roles = given.state.roles
    after = roles._replace(
        mirror_percent=mirror,
        itself_percent=shadow_stages.itself(given.state.spec, mirror),
        suffered_at_percent=hurt,
        attempt=given.state.wanted_attempt,
        sequence=roles.sequence + 1,
    )
    if reason is None:
        return NextMove(Move.EASE, after, "Mirrored", why, why)
    return NextMove(Move.EASE, after, reason.value, why, why, Severity.WARNING)


def burns(given: PolicyInput) -> NextMove | None:
    """A promoted version that uses up its error budget goes before all of it is gone."""
    state, trial = given.state, given.trial
    if trial is None or state.spec.paused or state.roles.phase is not Phase.FULL:
        return None
    service = state.memory.service
    if service is None or service.revision != trial.revision or state.roles.previous is None:
        return None
    words = error_budget.burns(service, trial.judge.rules)
    if words is None:
        return None
    return back_from_watch(given, RecordedVerdict.BURN_IN_WATCH, f"{words}.")
