"""Users of a version that lost its pods: they get the version beside it until it has some again.

A candidate has stable beside it, and a version in its watch the one before, which is kept warm.
That pods are gone is no verdict, unless they crash in a loop or are lost too often.
"""

from dataclasses import replace

from model_rollouts.api.conditions import Reason
from model_rollouts.rollout.pods import Pod, Trouble, pods_of
from model_rollouts.rollout.policies import protect, suspension
from model_rollouts.rollout.policies.policy import NextMove, PolicyInput
from model_rollouts.rollout.standing import Standing
from model_rollouts.rollout.state import capacity
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.routes.record import RecordedVerdict, Suspension, SuspensionCause

MOST_FAILURES = 3
"""Losses of all pods, while the version beside it kept all of its own, that are a verdict."""


def unready(given: PolicyInput) -> NextMove | None:
    """Users on a candidate with too few pods have an outage that its own metrics do not show."""
    state = given.state
    candidate, stable = state.sharing_traffic, state.stable
    if not state.roles.phase.shares_traffic or state.spec.paused or candidate is None:
        return None
    if stable is None or stable.ready == 0 or not _has_too_few(state, candidate, stable):
        return None
    if candidate.ready == 0 and _crashes(state, candidate):
        return protect.back(given, RecordedVerdict.UNREADY, _crash_words(state, candidate))
    after = _without_pods(state, candidate, stable)
    if after.failures >= MOST_FAILURES:
        words = _loss_words(given, after, stable)
        return protect.back(given, RecordedVerdict.UNREADY, words)
    why = _why(given, candidate)
    return suspension.off(given, state.roles, after, Reason.CANDIDATE_UNAVAILABLE, why)


def crashed(given: PolicyInput) -> NextMove | None:
    """A suspended candidate whose pods are back, and all crash: that is its own doing."""
    state, candidate = given.state, given.state.candidate
    if not state.is_suspended or state.spec.paused or candidate is None or candidate.ready:
        return None
    if not _crashes(state, candidate):
        return None
    return protect.back(given, RecordedVerdict.UNREADY, _crash_words(state, candidate))


def watched_is_down(given: PolicyInput) -> NextMove | None:
    """Everybody is on a version without pods, and the one before it still has some.

    That one has all users until pods of the other are ready, as in the canary that it came from.
    """
    state, roles = given.state, given.state.roles
    watched, previous = state.stable, state.previous
    if not state.watching or state.spec.paused or watched is None or previous is None:
        return None
    if watched.ready or not previous.ready:
        return None
    if _crashes(state, watched):
        words = _crash_words(state, watched)
        return protect.back_from_watch(given, RecordedVerdict.UNREADY, words)
    after = _without_pods(state, watched, previous)
    if after.failures >= MOST_FAILURES:
        words = _loss_words(given, after, previous)
        return protect.back_from_watch(given, RecordedVerdict.UNREADY, words)
    why, users = _why(given, watched), roles.before_promotion()
    return suspension.off(given, users, after, Reason.CANDIDATE_UNAVAILABLE, why)


def _without_pods(state: RolloutState, leaving: Standing, taking: Standing) -> Suspension:
    """The record of one more loss of users for want of pods."""
    after = suspension.suspended(state, SuspensionCause.PODS)
    is_its_own = leaving.ready == 0 and _is_its_own(state, leaving, taking)
    return replace(after, failures=after.failures + is_its_own)


def _has_too_few(state: RolloutState, candidate: Standing, stable: Standing) -> bool:
    """Whether its pods cannot carry the users that it has.

    Where pods are exchanged, or stable is short of them itself, users follow the pods.
    """
    if candidate.ready == 0:
        return True
    if state.exchanging or not stable.is_ready:
        return False
    users = min(state.spec.replicas, stable.ready)
    return candidate.ready < capacity.least(capacity.carrying(users, state.roles.weight))


def _known_pods(state: RolloutState, revision: str) -> tuple[Pod, ...]:
    return pods_of(state.observed.pods or (), revision)


def _crashes(state: RolloutState, candidate: Standing) -> bool:
    """Whether it is known that the version itself ends all of its pods."""
    pods = [each for each in _known_pods(state, candidate.revision) if not each.deleted]
    return bool(pods) and all(
        each.trouble is Trouble.CRASH_LOOP and not each.disruption for each in pods
    )


def _is_its_own(state: RolloutState, candidate: Standing, stable: Standing) -> bool:
    """Whether nothing around it explains that its pods are gone: those of stable are all well."""
    disrupted = any(each.disruption for each in _known_pods(state, candidate.revision))
    return stable.ready >= stable.replicas and not disrupted


def _why(given: PolicyInput, leaving: Standing) -> str:
    trouble = f" ({leaving.trouble})" if leaving.trouble else ""
    return (
        f"{leaving.ready} of {leaving.needed} needed pods of {given.version(leaving.revision)} "
        f"were ready{trouble}."
    )


def _loss_words(given: PolicyInput, after: Suspension, taking: Standing) -> str:
    """Why losses of all pods are a verdict."""
    return (
        f"It had no ready pod {after.failures} times while it had users; all pods of "
        f"{given.version(taking.revision)} were ready."
    )


def _crash_words(state: RolloutState, leaving: Standing) -> str:
    """Why it is a verdict that the version itself ends its pods."""
    ends = (each.ended for each in _known_pods(state, leaving.revision))
    last = next((each for each in ends if each is not None), None)
    code = "" if last is None else f", exit code {last.exit_code}"
    return f"None of its pods was ready while it had users: they crash in a loop{code}."
