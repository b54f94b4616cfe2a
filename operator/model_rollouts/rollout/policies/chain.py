"""Every chain of policies in one place: what is asked in which order, and what waits for what.

A policy is a pure function of what was found. `ADMISSION` says why a version may not start, `HOLDS`
why nothing moves by itself now. Of `PROTECTING` and then `ADVANCING` the first that has a move
decides: what protects users comes first, and waits for no hold.
"""

from collections.abc import Callable
from typing import NamedTuple

from model_rollouts.api.conditions import Reason
from model_rollouts.api.phase import Phase
from model_rollouts.rollout.policies import (
    admission,
    advance,
    by_route,
    fallback_holds,
    holds,
    metrics_holds,
    observer_holds,
    pod_loss,
    protect,
    suspension,
)
from model_rollouts.rollout.policies.deadline import deadline
from model_rollouts.rollout.policies.policy import NextMove, PolicyInput
from model_rollouts.rollout.standing import Hold
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.routes.record import RecordedVerdict

Policy = Callable[[PolicyInput], NextMove | None]


class Waiver(NamedTuple):
    """Holds that do not hold a move, `when` the rollout is in a state in which it is the remedy."""

    when: Callable[[RolloutState], bool]
    reasons: frozenset[Reason]


class Protecting(NamedTuple):
    """A policy that takes users or mirrored requests from a version, whatever holds the rollout.

    It waits only for holds with the reasons in `waits_for`.
    """

    policy: Policy
    waits_for: frozenset[Reason] = frozenset()


class Advancing(NamedTuple):
    """A policy that gives a version more; any hold stops it but those that a waiver names."""

    policy: Policy
    ignores: tuple[Waiver, ...] = ()


_OBSERVER_FAILS = frozenset(
    {Reason.OBSERVER_UNAVAILABLE, Reason.OBSERVER_BEHIND, Reason.RECORDS_LOST}
)
_UNCOMPARED = _OBSERVER_FAILS | {Reason.INSUFFICIENT_PAIRS}
"""Answers are to be compared, and are not."""

_BLIND_OR_FROZEN = frozenset(
    {
        Reason.PAUSED,
        Reason.OVERRIDDEN,
        Reason.GATEWAY_NOT_ACCEPTED,
        Reason.METRICS_UNAVAILABLE,
        Reason.SCRAPE_MISSING,
        Reason.DUPLICATE_TARGETS,
        Reason.STABLE_UNAVAILABLE,
        Reason.SCALING_UP,
        Reason.CATCHING_UP,
        *_OBSERVER_FAILS,
        Reason.FALLBACK_NOT_ANSWERING,
        Reason.CANDIDATE_UNAVAILABLE,
        Reason.CANDIDATE_UNREACHABLE,
        Reason.PROGRESS_DEADLINE_EXCEEDED,
        Reason.SCALED_TO_ZERO,
    }
)
"""What a deadline waits for, and its timer is stopped meanwhile. It does not wait for traffic: that
may never come."""

_FROZEN = frozenset({Reason.PAUSED, Reason.OVERRIDDEN, Reason.SCALED_TO_ZERO})
"""What stops the timer of pods that start: whatever else is waited for, they may become ready."""

_ALWAYS = frozenset({Reason.WRITE_REFUSED, Reason.ROUTE_CHANGED})
"""The next write may be the one that is not refused, or not changed."""

_NOT_JUDGED = Waiver(
    lambda state: state.skips_judging,
    frozenset(
        {
            Reason.STABLE_UNAVAILABLE,
            Reason.SCALING_UP,
            Reason.METRICS_UNAVAILABLE,
            Reason.SCRAPE_MISSING,
            Reason.DUPLICATE_TARGETS,
            Reason.CATCHING_UP,
            Reason.NO_TRAFFIC,
            Reason.SPLIT_NOT_OBSERVED,
            Reason.ARMS_DIFFER,
            Reason.MIRROR_NOT_OBSERVED,
            Reason.SHADOW_HURTS_STABLE,
            *_UNCOMPARED,
            Reason.FALLBACK_NOT_ANSWERING,
            Reason.LOW_LOAD,
            Reason.CAPACITY_PENDING,
        }
    ),
)
"""A version that gets all users without being judged may be the remedy of each of these."""

_SHADOW_ENDED_BY_HAND = Waiver(
    lambda state: state.phase.mirrors and not state.shadows,
    frozenset(
        {
            Reason.NO_TRAFFIC,
            Reason.MIRROR_NOT_OBSERVED,
            Reason.SHADOW_HURTS_STABLE,
            *_UNCOMPARED,
            Reason.GATEWAY_INCAPABLE,
        }
    ),
)
"""A version whose shadow a person ends is judged on its first users."""

_ON_FEWER_COPIES = Waiver(
    lambda state: state.mirror_percent > 0, frozenset({Reason.SHADOW_HURTS_STABLE})
)
"""It is judged on fewer mirrored requests, which stable bears."""

_PAIRS_COME = Waiver(lambda _: True, frozenset({Reason.INSUFFICIENT_PAIRS}))
"""More mirrored requests give more pairs of answers."""

_NO_USERS_YET = Waiver(lambda _: True, frozenset({Reason.FALLBACK_NOT_ANSWERING}))
"""Mirrored requests have no fallback."""

_PODS_TAKE_TURNS = Waiver(
    lambda state: state.promotion_verdict is not None,
    frozenset({Reason.EXCHANGING, Reason.STABLE_UNAVAILABLE, Reason.SCALING_UP}),
)
"""Ready pods of the candidate relieve a stable that lacks some."""


def _all_at_once(verdict: RecordedVerdict) -> Waiver:
    """A decision of yours is one write: it may say that the cause is gone.

    `verdict` is in the record once it was carried out. What happens later waits as it does for any
    version.
    """
    return Waiver(
        lambda state: (
            state.skips_judging and not state.is_short and state.promotion_verdict != verdict
        ),
        frozenset({Reason.CANDIDATE_UNAVAILABLE, Reason.CANDIDATE_UNREACHABLE}),
    )


_OVERRIDDEN_NOW = _all_at_once(RecordedVerdict.OVERRIDDEN)
_IMMEDIATE_NOW = _all_at_once(RecordedVerdict.IMMEDIATE)

_SUSPENDED = Waiver(
    lambda state: state.is_suspended,
    frozenset({Reason.NO_TRAFFIC, Reason.SPLIT_NOT_OBSERVED, Reason.CAPACITY_PENDING}),
)
"""A candidate without users gets no requests before it has some again."""

ADMISSION: tuple[Callable[[admission.Admission], Hold | None], ...] = (
    admission.names_are_free,
    admission.what_was_is_gone,
    admission.shadow_is_said,
    admission.provenance_is_declared,
    admission.a_version_keeps_its_bytes,
    admission.it_can_be_run,
    admission.parents_exist,
    admission.nobody_has_the_match,
    admission.the_gateway_can,
    admission.the_gateway_copies,
    admission.the_gateway_copies_twice,
    admission.the_gateway_splits,
    admission.the_api_server_takes_the_pods,
)
"""Why a version may not start, in the order in which a person would want to hear of it."""

HOLDS: tuple[Callable[[RolloutState], Hold | None], ...] = (
    holds.paused,
    holds.lacks_companions,
    holds.write_refused,
    holds.revision_lost,
    holds.asleep,
    holds.held_by_hand,
    holds.too_slow_to_start,
    suspension.held,
    holds.stable_unavailable,
    holds.not_accepted,
    metrics_holds.blind,
    metrics_holds.past_unknown,
    metrics_holds.unscraped,
    metrics_holds.catching_up,
    holds.split,
    holds.arms_differ,
    holds.mirror,
    holds.hurts,
    observer_holds.away,
    observer_holds.behind,
    observer_holds.loses_records,
    observer_holds.few_pairs,
    fallback_holds.not_answering,
    holds.low_load,
    holds.capacity,
    holds.exchanging,
    holds.route_kept,
)
"""Why nothing moves by itself, in the order in which a person would want to hear of it."""

PROTECTING = (
    Protecting(by_route.edited),
    Protecting(protect.by_hand),
    Protecting(protect.dropped),
    Protecting(protect.failed),
    Protecting(protect.burns),
    Protecting(pod_loss.unready),
    Protecting(pod_loss.crashed),
    Protecting(suspension.unreached),
    Protecting(pod_loss.watched_is_down),
    Protecting(protect.goes_on),
    Protecting(protect.reduced),
    Protecting(protect.eased),
    Protecting(protect.refused),
    Protecting(protect.lowered),
    Protecting(deadline, waits_for=_BLIND_OR_FROZEN),
)

ADVANCING = (
    Advancing(advance.by_hand, ignores=(_NOT_JUDGED, _PODS_TAKE_TURNS, _OVERRIDDEN_NOW)),
    Advancing(advance.goes_on, ignores=(_NOT_JUDGED, _PODS_TAKE_TURNS)),
    Advancing(advance.first, ignores=(_NOT_JUDGED,)),
    Advancing(advance.reverted, ignores=(_NOT_JUDGED,)),
    Advancing(advance.immediate, ignores=(_NOT_JUDGED, _PODS_TAKE_TURNS, _IMMEDIATE_NOW)),
    Advancing(advance.replaced, ignores=(_NOT_JUDGED,)),
    Advancing(advance.mirrors, ignores=(_ON_FEWER_COPIES, _PAIRS_COME, _NO_USERS_YET)),
    Advancing(advance.begins, ignores=(_ON_FEWER_COPIES, _SHADOW_ENDED_BY_HAND, _NOT_JUDGED)),
    Advancing(suspension.resumes, ignores=(_SUSPENDED,)),
    Advancing(advance.advances),
    Advancing(advance.settles),
)


def refusals(asked: admission.Admission) -> tuple[Hold, ...]:
    """Why the version cannot be started, the most important first; empty when it can."""
    found = [hold for policy in ADMISSION if (hold := policy(asked)) is not None]
    return tuple(sorted(found, key=lambda hold: not hold.stalls))


def active_holds(state: RolloutState) -> tuple[Hold, ...]:
    """Every reason to stay, the most important first."""
    return tuple(hold for policy in HOLDS if (hold := policy(state)) is not None)


def timers_run(state: RolloutState, held: tuple[Hold, ...], *, admitted: bool) -> bool:
    """Whether the time until the next pass counts: while pods start, or something is judged."""
    reasons = {hold.reason for hold in held}
    if state.phase is Phase.STARTING:
        candidate = state.candidate
        starts = candidate is not None and not candidate.is_ready
        return admitted and starts and _FROZEN.isdisjoint(reasons)
    return _BLIND_OR_FROZEN.isdisjoint(reasons)


def next_move(given: PolicyInput) -> NextMove | None:
    """The next move, None when everything stays."""
    held = frozenset(hold.reason for hold in given.holds)
    for protecting in PROTECTING:
        if protecting.waits_for.isdisjoint(held) and (move := protecting.policy(given)) is not None:
            return move
    if not given.admitted:
        return None
    for advancing in ADVANCING:
        if (
            _may_move(advancing, held, given.state)
            and (move := advancing.policy(given)) is not None
        ):
            return move
    return None


def _may_move(advancing: Advancing, held: frozenset[Reason], state: RolloutState) -> bool:
    """Whether nothing holds the policy that it does not ignore."""
    left = held - _ALWAYS
    # Nearly always nothing is held, and no waiver has to be asked.
    return not left or left <= frozenset().union(
        *(each.reasons for each in advancing.ignores if each.when(state))
    )
