"""What is asked for decides where it ends; what is as it should be is left alone."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from model_rollouts.cluster.kinds import EVENT, MODEL_DEPLOYMENT
from model_rollouts.routes import reader
from tests.faults.api_server import Change
from tests.faults.facts import Facts
from tests.faults.field_owners import Object
from tests.faults.history import QUIET_S, History
from tests.faults.notes import MODEL, NAME, OPERATOR, is_of
from tests.faults.oracles.violation import Violation

MOST_WRITES = 18
MOST_WRITES_SHADOW = 24

STORM_S = 10.0
STORM = 40
"""Writes within 10 s that nothing can need."""


def it_comes_to_rest(facts: Facts) -> Iterator[Violation]:
    """Once nothing more comes from outside, the operator stops writing.

    Events are apart, and so are fresh numbers in the status of what is judged.
    """
    late = [
        change
        for change in facts.world.server.log
        if change.at > facts.ended - QUIET_S and is_work(change)
    ]
    if late:
        kinds = Counter(change.place.kind.name for change in late)
        said = ", ".join(f"{count} of {kind}" for kind, count in sorted(kinds.items()))
        yield Violation(late[0].at, f"still writing at the end: {said} within {QUIET_S:.0f} s")


def it_never_storms(facts: Facts) -> Iterator[Violation]:
    """The operator never writes more than 40 times in 10 s about one ModelDeployment."""
    times = [
        each.begun
        for each in facts.world.requests
        if each.asked.verb.writes
        and each.asked.place.kind is not EVENT
        and is_of(each.asked.place, NAME)
    ]
    for first, last in zip(times, times[STORM:], strict=False):
        if last - first < STORM_S:
            yield Violation(first, f"{STORM} writes in {last - first:.0f} s")
            return


def few_writes_are_enough(facts: Facts) -> Iterator[Violation]:
    """An undisturbed promotion takes at most 18 writes without a shadow and 24 with one.

    Events and leases are apart.
    """
    if not is_undisturbed(facts.history) or facts.scenario.name != "promoted":
        return
    asked = facts.world.inputs[-1].at
    writes = [
        each
        for each in facts.world.requests
        if each.begun > asked and each.asked.verb.writes and each.asked.place.kind is not EVENT
    ]
    most = MOST_WRITES_SHADOW if facts.scenario.shadows else MOST_WRITES
    if len(writes) > most:
        yield Violation(facts.ended, f"{len(writes)} writes for one promotion; {most} are promised")


def is_undisturbed(history: History) -> bool:
    """Whether nothing but what is asked for comes from outside."""
    scenario = history.scenario
    return not (scenario.faults or scenario.meddling or scenario.noise)


def is_work(change: Change) -> bool:
    """Whether the operator has written something that is more than news."""
    if change.by not in OPERATOR or change.place.kind is EVENT:
        return False
    if change.place.kind is not MODEL_DEPLOYMENT:
        return True
    return _transitions(change.before) != _transitions(change.after)


def _transitions(obj: Object | None) -> Object:
    """What people and tools wait for in a status."""
    status = (obj or {}).get("status") or {}
    shown = {
        key: value
        for key, value in status.items()
        if key not in ("message", "evidence", "objectives", "conditions", "plan", "shadow")
    }
    shown["conditions"] = sorted(
        (each["type"], each["status"], each["reason"]) for each in status.get("conditions", ())
    )
    return shown


@dataclass(frozen=True)
class End:
    """Where a rollout has ended: everything that is determined by what was asked for."""

    weights: Mapping[str, float]
    phase: str
    conditions: frozenset[tuple[str, str, str]]
    pods: Mapping[str, int]


def end_of(history: History) -> End:
    """Where a history has ended."""
    world = history.world
    weights = {} if world.route is None else reader.weights(world.route)
    total = sum(weights.values())
    status = (world.server.find(*MODEL) or {}).get("status") or {}
    return End(
        {world.version_of(name): weight / total for name, weight in sorted(weights.items())},
        str(status.get("phase")),
        frozenset(
            (each["type"], each["status"], each["reason"]) for each in status.get("conditions", ())
        ),
        world.pods(),
    )


def it_ends_as_asked(facts: Facts, reference: End) -> Iterator[Violation]:
    """The same things asked for end the same, whatever has happened on the way, once it is over.

    `reference` is the end of a history in which nothing has happened besides.
    """
    found = end_of(facts.history)
    for field in ("weights", "phase", "conditions", "pods"):
        has, should = getattr(found, field), getattr(reference, field)
        if has != should:
            yield Violation(facts.ended, f"{field}: {_shown(has)}, undisturbed {_shown(should)}")


def _shown(value: object) -> str:
    if isinstance(value, frozenset):
        return ", ".join(sorted(f"{type}={status} ({reason})" for type, status, reason in value))
    return str(value)
