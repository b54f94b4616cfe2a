"""A promotion, or the way back, in exchange for pods: with fewer than both versions would need.

Without a bound a promotion is one write: the candidate has pods for all users before it gets them,
and the version before stays warm. With `strategy.maxExtraReplicas` below the number of pods that
serve, users and pods move in turns, in either direction:

1. The version that is to serve everybody gets the pods that are free.
2. Once some are ready, users move: each pod gets what a pod has when all of them serve everybody.
3. Once the gateway has taken that, the other version gives up the pods that it no longer needs.

What the pods of both carry is all users at every moment, and one pod beyond those of users is
enough for a turn, because whole pods for two shares are at most one more than for their sum.

Nothing is remembered beside the route. Its record has phase and verdict: a canary that is decided
is on its way to all users, a weight without a canary is on its way back. The number of pods follows
from the weights alone, so a turn may be cut anywhere, begun again, or reversed.

What is rolled back does not wait for a whole version: at once it loses what stable's ready pods
carry, as promised (see `capacity.least`), and the rest as more of them become ready. All at once
would be an outage, because stable gave its pods away; waiting for all of them would leave everybody
with a version that has failed. The verdict is final with the first write, whatever weight is left.
"""

from fractions import Fraction

from model_rollouts.api.phase import Phase
from model_rollouts.rollout.actions import Move
from model_rollouts.rollout.policies.policy import NextMove, PolicyInput
from model_rollouts.rollout.standing import Standing
from model_rollouts.rollout.state import capacity
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.text import capitalized, percent


def toward(given: PolicyInput, candidate: Standing, verdict: str, why: str) -> NextMove | None:
    """More users to a version that gets all of them; None while no pod more is ready for any.

    `why` is a clause.
    """
    state, roles = given.state, given.state.roles
    if roles.stable is None or not state.is_short:
        return None
    has = roles.weight if state.phase.shares_traffic else Fraction(0)
    # A share that it has already must still be recorded as decided: without that no pod of stable
    # makes room, and the exchange would never begin.
    begins = has > 0 and state.promotion_verdict is None
    weight = max(has, capacity.carried(state.serving, candidate.ready))
    if weight == has and not begins:
        return None
    attempt = state.wanted_attempt
    after = roles.sharing(candidate.revision, weight, attempt=attempt, verdict=verdict)
    if state.phase.shares_traffic:
        after = after._replace(suspension=roles.suspension)
    said = capitalized(
        f"{given.version(candidate.revision)} now gets {percent(weight)} of users, as its pods "
        f"replace those of {given.version(roles.stable)}: {why}."
    )
    return NextMove(Move.EXCHANGE, after, "Exchanged", said, f"{capitalized(why)}.")


def away(given: PolicyInput) -> NextMove | None:
    """Fewer users to a version that was rolled back; None while no pod more is ready for any."""
    state, roles = given.state, given.state.roles
    stable, leaving = state.stable, state.sharing_traffic
    if stable is None or leaving is None or state.leaving is None or state.spec.paused:
        return None
    weight = capacity.kept(max(1, state.users), stable.ready, leaving.ready, roles.weight)
    if weight == roles.weight:
        return None
    # A candidate stays named after it was rolled back, and not after it was dropped.
    named = roles.candidate if weight or roles.phase is not Phase.FULL else None
    after = roles._replace(candidate=named, weight=weight, sequence=roles.sequence + 1)
    gets = f"{percent(1 - weight)} of users" if weight else "all users"
    said = f"{given.version(roles.stable)} has {gets} back from {given.version(roles.candidate)}."
    said = capitalized(said)
    return NextMove(Move.EXCHANGE, after, "Exchanged", said, said)


def awaited(state: RolloutState) -> str | None:
    """What an exchange waits for, as a clause; None when there is none."""
    stable, beside = state.stable, state.sharing_traffic
    if stable is None or beside is None:
        return None
    if state.leaving is not None:
        comes, goes = stable, beside
    elif state.promotion_verdict is not None:
        comes, goes = beside, stable
    else:
        return None
    trouble = f": {comes.trouble}" if comes.trouble else ""
    return (
        f"replacing pods of version {goes.version} by version {comes.version}: "
        f"{comes.ready} of {max(1, state.users)} ready{trouble}"
    )
