"""Nobody has to guess why nothing moves."""

from collections.abc import Iterator
from http import HTTPStatus

from model_rollouts.cluster.kinds import EVENT
from tests.faults import spans
from tests.faults.catalogue import WRITE_STATUS
from tests.faults.facts import Facts
from tests.faults.notes import NAME, is_of, is_shared
from tests.faults.oracles.violation import Violation
from tests.faults.transport import Requested

TRIES = 3
"""The first try after more than two that may be taken for bad luck."""

TOLD_S = 10.0

DEGRADED_S = 120.0
"""What has served for long is judged once a minute or so."""

BEGINNING = 20
"""Characters of an answer that tell it from others."""


def what_is_refused_is_told(facts: Facts) -> Iterator[Violation]:
    """An action that is refused more than twice in a row by one operator is told.

    A condition or an event names the object and the answer. What is asked for on behalf of any
    ModelDeployment, such as a list of all routes, is told of one that needs it.
    """
    for run in _runs(facts.world.requests):
        third = run[TRIES - 1]
        due = third.ended + TOLD_S
        if run[-1].ended < due:
            continue
        said = facts.told_of_any if is_shared(third.asked.place) else facts.told
        told = [
            each
            for each in said
            # A condition that stands was told before.
            if each.at <= due and each.until >= run[0].begun and _is_about(each.text, third)
        ]
        if not told:
            yield Violation(
                due,
                f"nobody was told of {third.asked.action} {third.asked.place.name}, which was "
                f"answered with '{_answer(third)}' {len(run)} times",
            )


def _is_about(text: str, requested: Requested) -> bool:
    """Whether a text names the object and the answer."""
    return requested.asked.place.kind.name in text and _answer(requested) in text


def _answer(requested: Requested) -> str:
    """The beginning of what came back: texts for people may be cut."""
    return requested.message[:BEGINNING]


def _runs(requests: list[Requested]) -> Iterator[list[Requested]]:
    """Refusals of one action on one object, in one life, without a success between them.

    Who loses a race finds the action done by the other operator, and nothing to tell.
    A list of what has our label is another action than one of everything.
    """
    open_runs: dict[tuple[object, ...], list[Requested]] = {}
    for requested in requests:
        asked = requested.asked
        if asked.place.kind is EVENT or not is_of(asked.place, NAME):
            continue
        action = asked.action, asked.place, asked.query.get("labelSelector")
        if _is_refused(requested):
            open_runs.setdefault((requested.life, *action), []).append(requested)
            continue
        for key in [each for each in open_runs if each[1:] == action]:
            yield from _long(open_runs.pop(key))
    for run in open_runs.values():
        yield from _long(run)


def _is_refused(requested: Requested) -> bool:
    """Whether it was not done; that something is not there is an answer to a question."""
    was_done = requested.trouble is not None and requested.trouble.done
    return requested.status not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND) and not was_done


def _long(run: list[Requested]) -> Iterator[list[Requested]]:
    if len(run) >= TRIES:
        yield run


def available_means_answers(facts: Facts) -> Iterator[Violation]:
    """`Available` is not True once all users have got a version that fails everybody for 2 min."""
    _, status = facts.statuses[-1] if facts.statuses else (0.0, {})
    conditions = {each["type"]: each["status"] for each in status.get("conditions", ())}
    if conditions.get("Available") != "True":
        return
    untold = facts.refused(WRITE_STATUS)
    excused = spans.joined((*facts.blind, *facts.dead, *facts.paused, *untold))
    for revision, version in facts.revisions.items():
        alone = [(each.at, set(each.weights) == {revision}) for each in facts.world.splits()]
        bad = spans.both(spans.where(alone, facts.ended), facts.terrible(version))
        for span in spans.without(bad, excused):
            if span.ended == facts.ended and span.seconds > DEGRADED_S:
                yield Violation(
                    facts.ended, f"Available is True, and version {version} fails everybody"
                )
