"""Decisions rest on evidence."""

from collections.abc import Iterator
from dataclasses import dataclass

from model_rollouts.metrics.sources import Listener
from tests.faults.facts import Facts, RouteWritten
from tests.faults.faults import ClockBehind
from tests.faults.notes import NAME
from tests.faults.oracles.violation import Violation
from tests.faults.users import GOOD, Quality

STEP_S = 15.0
"""`minStepDuration` of every history."""

TOLERANCE_S = 0.6
"""By how much a clock of the operator may differ: it counts from when it wrote."""

LEAST_REQUESTS = 60
"""What a version must at least have answered before it gets more users: no gate passes on less."""

_WITHOUT_JUDGEMENT = ("First", "Immediate", "Overridden", "Reverted")


def weight_rises_on_evidence(facts: Facts) -> Iterator[Violation]:
    """The share of users of a candidate never rises unless its gates passed since its last rise.

    That takes at least the shortest time of a step, and requests that it has answered. A return
    to a step that it had reached before needs none. Decisions of people are theirs.
    """
    reached: dict[tuple[str, int], float] = {}
    stable: str | None = None
    risen: dict[str, float] = {}
    answered: dict[str, int] = {}
    for route in facts.routes:
        roles = route.roles
        if not route.by_operator or roles is None:
            continue
        before_it, stable = stable, roles.stable
        for revision in filter(None, (roles.stable, roles.candidate)):
            if revision == roles.stable == before_it:
                # What others give back is its own.
                continue
            share, key = route.share(revision), (revision, roles.attempt)
            before = reached.get(key, 0.0)
            if share <= before:
                continue
            reached[key] = share
            last, risen[revision] = risen.get(revision), route.at
            had = answered.get(revision, 0)
            answered[revision] = facts.counted(revision, Listener.LIVE, route.at)
            if not before or last is None or roles.verdict in _WITHOUT_JUDGEMENT:
                continue
            who = f"version {facts.revisions.get(revision, revision)}"
            rise = f"rises from {100 * before:.3g} to {100 * share:.3g} % of users"
            if route.at - last < STEP_S - TOLERANCE_S and not _jumped(facts, last, route.at):
                yield Violation(route.at, f"{who} {rise} after {route.at - last:.1f} s")
            if answered[revision] - had < 1 or answered[revision] < LEAST_REQUESTS:
                new = answered[revision] - had
                yield Violation(route.at, f"{who} {rise} on {new} new requests")


def _jumped(facts: Facts, begun: float, ended: float) -> bool:
    """Whether the clock that counts was set meanwhile."""
    behind = facts.lasting(lambda fault: isinstance(fault, ClockBehind))
    return any(begun <= each.ended <= ended for each in behind)


@dataclass(frozen=True)
class Judgement:
    """A version that was judged, and what came of it, as far as it is one or the other."""

    version: str
    is_good: bool
    was_rolled_back: bool
    was_promoted: bool


def judgements(facts: Facts) -> list[Judgement]:
    """What came of each version that had users or mirrored requests, and was good or bad all along.

    A rollback counts that an objective has decided, a promotion by passed gates.
    """
    found: dict[tuple[str, int], Judgement] = {}
    for route in facts.routes:
        roles = route.roles
        if not route.by_operator or roles is None:
            continue
        judged = roles.candidate or roles.stable
        if judged is None or (roles.candidate is None and roles.previous is None):
            continue
        version = facts.revisions.get(judged, judged)
        is_good = _is_good(facts, version)
        if is_good is None:
            continue
        failed = roles.verdict in ("Fail", "FailInWatch", "BurnInWatch") and roles.phase != "Full"
        passed = roles.verdict in ("Pass", "PassWithBound") and roles.phase == "Full"
        known = found.get((judged, roles.attempt))
        found[judged, roles.attempt] = Judgement(
            version,
            is_good,
            failed or (known is not None and known.was_rolled_back),
            passed or (known is not None and known.was_promoted),
        )
    return list(found.values())


def _is_good(facts: Facts, version: str) -> bool | None:
    """Whether a version kept its promises all along, or broke them; None for everything between."""
    log = facts.world.users_of(NAME).qualities_since
    if any(at > 1.0 for at, named, _ in log if named == version):
        return None
    return _keeps_promises(next((of for _, named, of in log if named == version), GOOD))


def _keeps_promises(quality: Quality) -> bool | None:
    if quality.errors >= 0.05 or sum(quality.slow.values()) >= 0.1:
        return False
    return True if quality.errors <= 0.002 and not quality.slow else None


def last_written(facts: Facts) -> RouteWritten | None:
    """The route as the operator wrote it last."""
    return next((each for each in reversed(facts.routes) if each.by_operator), None)
