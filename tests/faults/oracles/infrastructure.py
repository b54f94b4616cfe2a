"""What the cluster does to pods costs users nothing, and says nothing about a version."""

from collections.abc import Iterator

from tests.faults import spans
from tests.faults.facts import Facts
from tests.faults.faults import GatewaySlow, NodeDrained, Refused
from tests.faults.oracles.protection import rolled_back
from tests.faults.oracles.violation import Violation

LEAVE_S = 10.0
"""How long users may be on a version without a ready pod: a pass, a backoff, a write."""

MOST_LOSSES = 3
"""Losses of all pods that are a verdict together."""


def users_leave_what_has_no_pods(facts: Facts) -> Iterator[Violation]:
    """Users of a version that has no ready pod get the one beside it within 10 s, if that has some.

    The version is a candidate, or one in its watch while the version before is kept warm. This
    holds while the operator runs, hears of it, may write the route, and nobody has paused the
    rollout.
    """
    slow = facts.lasting(lambda fault: isinstance(fault, GatewaySlow))
    refused = facts.lasting(lambda fault: isinstance(fault, Refused))
    excused = spans.joined((*facts.dead, *facts.paused, *facts.unheard, *slow, *refused))
    for revision, version in facts.revisions.items():
        on_trial = spans.joined((*facts.in_canary(revision), *facts.watched(revision)))
        alone = spans.both(on_trial, facts.without_pods(revision))
        for span in spans.without(spans.both(alone, facts.gives_users(revision)), excused):
            if span.seconds > LEAVE_S and _others_are_well(facts, revision, span.begun):
                yield Violation(
                    span.begun + LEAVE_S,
                    f"version {version} had no ready pod and kept its users for "
                    f"{span.seconds:.0f} s",
                )


def _others_are_well(facts: Facts, revision: str, at: float) -> bool:
    return any(
        not any(each.begun <= at < each.ended for each in facts.without_pods(other))
        for other in facts.revisions
        if other != revision
    )


def a_drained_node_is_no_verdict(facts: Facts) -> Iterator[Violation]:
    """A version is not rolled back for want of pods before it lost all of them three times."""
    drains = [each for each in facts.world.faults if isinstance(each.fault, NodeDrained)]
    for route in facts.routes:
        roles = route.roles
        if not route.by_operator or roles is None or roles.verdict != "Unready":
            continue
        for revision in rolled_back(route):
            losses = sum(each.begun <= route.at for each in drains)
            if 0 < losses < MOST_LOSSES:
                version = facts.revisions.get(revision, revision)
                yield Violation(
                    route.at, f"version {version} was rolled back: its node was drained {losses}x"
                )
