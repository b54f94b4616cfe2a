"""A person's hand on the weights counts, in the direction of safety."""

from collections.abc import Iterator

from tests.faults import spans
from tests.faults.facts import Facts, RouteWritten
from tests.faults.oracles.protection import REPAIRED_S, excused_from_repair
from tests.faults.oracles.violation import Violation
from tests.faults.spans import Span


def a_hand_towards_stable_counts(facts: Facts) -> Iterator[Violation]:
    """Weights that a person has moved towards stable are a rollback by hand.

    The candidate gets none of these users back without a new version, `attempt` or an override.
    """
    for before, edited in _edits(facts):
        revision = _candidate(before)
        if edited.share(revision) >= before.share(revision):
            continue
        until = next(
            (each.at for each in facts.world.inputs if each.forgives and each.at > edited.at),
            facts.ended,
        )
        for later in facts.routes:
            if not edited.at < later.at < until or not later.by_operator:
                continue
            if later.share(revision) > edited.share(revision):
                yield Violation(
                    later.at,
                    f"version {facts.revisions.get(revision, revision)} has "
                    f"{100 * later.share(revision):.3g} % of users again, which a person had given "
                    "to stable",
                )
                break


def a_hand_towards_the_candidate_is_repaired(facts: Facts) -> Iterator[Violation]:
    """Weights that somebody has moved towards a candidate are as they were within 15 s."""
    excused = excused_from_repair(facts)
    for before, edited in _edits(facts):
        revision, had = _candidate(before), before.share(_candidate(before))
        if edited.share(revision) <= had:
            continue
        following = (each for each in facts.routes if each.at > edited.at)
        ended = next((each.at for each in following if each.at > edited.at), facts.ended)
        for span in spans.without((Span(edited.at, ended),), excused):
            if span.seconds > REPAIRED_S:
                yield Violation(
                    span.begun + REPAIRED_S,
                    f"version {facts.revisions.get(revision, revision)} keeps "
                    f"{100 * edited.share(revision):.3g} % of users that it was given by hand",
                )


def _edits(facts: Facts) -> Iterator[tuple[RouteWritten, RouteWritten]]:
    """Edits of the weights of a canary and of nothing else, each after the route before it."""
    for before, edited in zip(facts.routes, facts.routes[1:], strict=False):
        roles = before.roles
        if edited.by_operator or not before.by_operator or roles is None:
            continue
        if roles.phase == "Canary" and roles == edited.roles and before.weights != edited.weights:
            yield before, edited


def _candidate(route: RouteWritten) -> str:
    assert route.roles is not None and route.roles.candidate is not None
    return route.roles.candidate
