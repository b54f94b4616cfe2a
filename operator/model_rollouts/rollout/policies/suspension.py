"""A candidate that loses its users without a verdict: for lack of pods, or of requests.

A drained node, an evicted pod or a policy between gateway and pods says nothing about a version.
Its users get stable in one write of the route, its phase and its evidence stay, and it gets the
share that it had again once the cause is gone. How often that was is in the record of the route,
so that no restart forgets it: the pauses grow, and what comes back too often is a verdict (pods)
or left to a person (requests).
"""

from dataclasses import replace
from fractions import Fraction

from model_rollouts.api import ratio
from model_rollouts.api.conditions import Reason
from model_rollouts.decision import largest_share
from model_rollouts.rollout.actions import Move, Severity
from model_rollouts.rollout.policies.policy import NextMove, PolicyInput
from model_rollouts.rollout.standing import Hold, Roles, Standing
from model_rollouts.rollout.state import capacity
from model_rollouts.rollout.state.state import RolloutState, raise_attempt, seconds
from model_rollouts.rollout.trial.traffic_split import is_unreached
from model_rollouts.routes.record import Suspension, SuspensionCause
from model_rollouts.text import capitalized, clock, count, percent

MOST_TRIES = 5
"""Times that requests did not arrive, after which a person has to look."""

PAUSE_SECONDS = 60.0
"""The first pause before users come back. The first loss of pods has none: pods that are ready
again were moved."""

LONGEST_PAUSE_SECONDS = 1800.0

_ALL = Fraction(1)


def unreached(given: PolicyInput) -> NextMove | None:
    """A candidate without requests while stable is busy: its users get errors from the gateway."""
    state, split = given.state, given.state.memory.split
    candidate, stable = state.sharing_traffic, state.stable
    if not state.roles.phase.shares_traffic or state.spec.paused or split is None:
        return None
    if candidate is None or stable is None or not (candidate.ready and stable.ready):
        return None
    if state.observed.children.route is None or state.refusal is not None:
        return None
    if not is_unreached(split, float(state.roles.weight)):
        return None
    why = (
        f"No request reached {given.version(candidate.revision)} for {split.missed_ms // 1000} s "
        f"at {percent(state.roles.weight)} of users, while {given.version(stable.revision)} got "
        f"{count(split.missed)}."
    )
    after = suspended(state, SuspensionCause.REQUESTS)
    return off(given, state.roles, after, Reason.CANDIDATE_UNREACHABLE, why)


def resumes(given: PolicyInput) -> NextMove | None:
    """The share of users that a suspended candidate had; `held` says when."""
    state, roles = given.state, given.state.roles
    if not state.is_suspended or state.promotion_verdict is not None or given.trial is None:
        return None
    weight = _share(state)
    after = roles._replace(weight=weight, sequence=roles.sequence + 1)
    who = capitalized(given.version(roles.candidate))
    said = f"{who} gets {percent(weight)} of users again."
    return NextMove(Move.RESUME, after, "Resumed", said, said)


def held(state: RolloutState) -> Hold | None:
    """Why a suspended candidate has no users yet."""
    candidate, stable = state.candidate, state.stable
    if not state.is_suspended or candidate is None or stable is None:
        return None
    known = state.suspension
    if known is not None and known.cause is SuspensionCause.REQUESTS:
        return _unreachable(state, known, candidate)
    needed = _needed(state, candidate)
    if candidate.ready >= needed:
        return _pause(state, known, candidate)
    trouble = f" ({candidate.trouble})" if candidate.trouble else ""
    brief = f"{candidate.ready} of {needed} needed pods are ready{trouble}"
    message = (
        f"{candidate.ready} of {needed} needed pods of version {candidate.version} are ready"
        f"{trouble}, so version {stable.version} serves all users."
    )
    limit = state.spec.strategy.progress_deadline
    if known is not None and state.now - known.since >= seconds(limit):
        return Hold(
            Reason.PROGRESS_DEADLINE_EXCEEDED,
            f"{message} It has been so for more than {limit}. Run kubectl describe deployment "
            f"{candidate.revision}; version {candidate.version} gets {percent(_share(state))} of "
            "users again when its pods are ready.",
            f"{brief}, for more than {limit}",
            stalls=True,
        )
    return Hold(
        Reason.CANDIDATE_UNAVAILABLE,
        f"{message} Version {candidate.version} gets {percent(_share(state))} of users again when "
        "its pods are ready.",
        brief,
    )


def ends_at(state: RolloutState) -> float | None:
    """When the pause of a suspended candidate ends (Unix seconds); None when it has none."""
    known = state.suspension
    if not state.is_suspended or known is None:
        return None
    times = known.requests
    if known.cause is SuspensionCause.PODS:
        # The first time may be chance.
        times = known.pods - 1
    if times < 1:
        return None
    # The bound before the power: a float has no room for two to the power of many times.
    return known.since + min(PAUSE_SECONDS * 2.0 ** min(times - 1, 10), LONGEST_PAUSE_SECONDS)


def _pause(state: RolloutState, known: Suspension | None, candidate: Standing) -> Hold | None:
    until = ends_at(state)
    if known is None or until is None or state.now >= until:
        return None
    brief = f"its pods were not ready {known.pods} times; next try {clock(until, state.now)}"
    return Hold(
        Reason.CANDIDATE_UNAVAILABLE,
        f"Version {candidate.version} had too few ready pods {known.pods} times while it had "
        f"users. It gets {percent(_share(state))} of users again at {clock(until, state.now)}.",
        brief,
    )


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _unreachable(state: RolloutState, known: Suspension, candidate: Standing) -> Hold | None:
    until = ends_at(state)
    is_last = known.requests >= MOST_TRIES
    if not is_last and (until is None or state.now >= until):
        return None
    look = (
        "Look for a NetworkPolicy, mTLS or a wrong port between the Gateway and its pods; compare "
        f"Service {candidate.revision} with that of stable."
    )
    so_far = f"{_times(known.requests)} so far"
    said = f"Users' requests did not reach version {candidate.version} ({so_far})."
    if is_last:
        return Hold(
            Reason.CANDIDATE_UNREACHABLE,
            f"{said} {look} Then {raise_attempt(state.spec, state.roles)} to try again.",
            f"users' requests did not reach its pods, {known.requests} times",
            stalls=True,
        )
    assert until is not None  # there is a pause before every try
    at = clock(until, state.now)
    return Hold(
        Reason.CANDIDATE_UNREACHABLE,
        f"{said} It gets {percent(_share(state))} of users again at {at}. {look}",
        f"users' requests do not reach its pods; next try {at}",
    )


def _share(state: RolloutState) -> Fraction:
    """What a suspended candidate gets again: what it had, as far as its pods may carry it."""
    if state.promotion_verdict is not None and not state.is_short:
        return _ALL
    allowed = largest_share(state.serving, state.max_extra_pods)
    return min(state.share or state.next_step.weight, allowed)


def _needed(state: RolloutState, candidate: Standing) -> int:
    """Ready pods with which a suspended candidate gets users again."""
    if state.promotion_verdict is not None:
        # Where pods are exchanged, users follow each of them.
        return 1 if state.is_short else candidate.needed
    return max(1, capacity.carrying(state.spec.replicas, _share(state)))


def suspended(state: RolloutState, cause: SuspensionCause) -> Suspension:
    """The record of one more loss of users."""
    known, attempt = state.suspension, state.wanted_attempt
    had = state.roles.weight if state.roles.phase.shares_traffic else _ALL
    share, since = ratio.ratio(had), int(state.now)
    known = known or Suspension(attempt, share, since, cause)
    return replace(
        known,
        share=share,
        since=since,
        cause=cause,
        pods=known.pods + (cause is SuspensionCause.PODS),
        requests=known.requests + (cause is SuspensionCause.REQUESTS),
    )


def off(given: PolicyInput, roles: Roles, after: Suspension, reason: Reason, why: str) -> NextMove:
    """All users to stable of these `roles`, until their candidate has some again."""
    users = roles._replace(weight=Fraction(0), suspension=after, sequence=roles.sequence + 1)
    said = capitalized(f"{given.version(roles.stable)} serves all users for now. {why}")
    return NextMove(Move.EASE, users, reason.value, said, why, Severity.WARNING)
