"""Holds for want of the observer: where answers are to be compared and are not, nothing moves.

Users notice nothing of it: they have stable, and copies go on.
"""

from model_rollouts.api.conditions import Reason
from model_rollouts.rollout.memory import ObserverSight
from model_rollouts.rollout.standing import Hold
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.rollout.trial import observer_sight
from model_rollouts.text import about, count, duration, observed, percent


def _sight(state: RolloutState) -> ObserverSight | None:
    """What is known of the observer, None where nothing waits for it."""
    return state.memory.observer if state.phase.mirrors and state.shadows else None


def away(state: RolloutState) -> Hold | None:
    """Without samples nobody knows whether answers agree; only a late one is told."""
    sight = _sight(state)
    if sight is None or not (sight.unseen or observer_sight.is_back_lately(sight)):
        return None
    since = duration((sight.until_ms - sight.seen_ms) / 1000)
    return Hold(
        Reason.OBSERVER_UNAVAILABLE,
        f"Prometheus has had no sample of the observer about version {state.wanted.given.version} "
        f"for {since}, while {count(sight.unseen)} requests were mirrored. Answers are not "
        "compared, so the version stays in shadow. Check that observer.enabled is set in the "
        "chart, that the observer's pods run, and that Prometheus scrapes them.",
        f"no sample of the observer for {since}",
        told=observer_sight.is_away(sight),
    )


def behind(state: RolloutState) -> Hold | None:
    """It is there, and compares nothing."""
    sight = _sight(state)
    if sight is None or observer_sight.is_away(sight):
        return None
    if not observer_sight.is_behind(sight, state.compared_share):
        return None
    since = duration((sight.until_ms - sight.paired_ms) / 1000)
    return Hold(
        Reason.OBSERVER_BEHIND,
        f"The observer has had no new pair of answers for {since}, while {count(sight.unpaired)} "
        f"requests were mirrored to version {state.wanted.given.version}. The version stays in "
        "shadow until it has. Check the log of the observer, and whether the proxies reach it.",
        f"no new pair of answers for {since}",
    )


def loses_records(state: RolloutState) -> Hold | None:
    """A version could be worse in just the requests of which nothing is known."""
    sight, compared = _sight(state), state.compared_share
    if sight is None or not observer_sight.loses(sight, compared):
        return None
    sent, lost = observer_sight.sent(sight, compared)
    share, most = observed(lost / sent), percent(observer_sight.MOST_LOST)
    return Hold(
        Reason.RECORDS_LOST,
        f"The observer lacks {count(lost)} of the last {about(sent)} records of captured requests "
        f"({share}), and {count(sight.lost)} since the shadow began; at most {most} may be "
        f"missing. Version {state.wanted.given.version} stays in shadow until the share is lower. "
        "Give the observer more CPU, or lower spec.capture.sample.",
        f"the observer lacks {share} of the records",
    )


def few_pairs(state: RolloutState) -> Hold | None:
    """What was hardly compared has not passed."""
    sight, share = _sight(state), state.compared_share
    if sight is None or observer_sight.is_away(sight):
        return None
    name = observer_sight.lacks_pairs(sight, share)
    if name is None:
        return None
    pairs, copies = sight.pairs[name], observer_sight.answered(sight)
    expected = round(observer_sight.expected(sight, share, name))
    return Hold(
        Reason.INSUFFICIENT_PAIRS,
        f"{name} has {count(pairs)} pairs of answers, and {count(copies)} mirrored requests "
        f"should give about {count(expected)}. Version {state.wanted.given.version} stays in "
        "shadow until at least "
        f"{percent(observer_sight.LEAST_PAIRED)} of them are there. Both versions need "
        "spec.capture with a sample: a stable that was made without it has no answers until the "
        "next rollout.",
        f"{name} has {count(pairs)} of about {count(expected)} pairs of answers",
        # Without a sample none will ever come.
        told=not share or expected >= observer_sight.FEW,
    )
