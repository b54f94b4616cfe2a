"""Users are protected, whatever else fails."""

from collections.abc import Iterator

from model_rollouts.metrics.lateness import MARGIN, SHRINKS, SHRINKS_MS, SLACK_MS
from model_rollouts.routes import reader
from tests.faults import spans
from tests.faults.catalogue import WRITE_ROUTE
from tests.faults.facts import Facts, RouteWritten
from tests.faults.faults import ScrapesDisturbed
from tests.faults.oracles.violation import Violation
from tests.faults.spans import Span, Spans
from tests.faults.transport import Requested
from tests.faults.users import SCRAPE_S

CONTROL_S = 18.0
"""How long an undisturbed rollback takes at most: `test_control.py` measures it."""

BACKOFF_S = 5.0
INTERVAL_S = 5.0
BOUND_S = CONTROL_S + BACKOFF_S + INTERVAL_S

AT_ONCE_S = 5.0
"""What was late comes at once and is one look, where in time it would have been two."""

LACKING_S = 15.0
"""How late samples may come that answers lack at random: three answers in a row without them."""

SLACK_S = 1.0
"""What requests take, beside the times that are promised."""

REPAIRED_S = 15.0
"""How long a route that somebody has changed may stay so."""


def terrible_versions_lose_their_users(facts: Facts) -> Iterator[Violation]:
    """A version that fails every request loses its users, whatever else fails for ever.

    They are off it after the time of an undisturbed rollback, one backoff and one scrape interval,
    and as much later as samples come: nobody knows of them before they can be read. Of all actions
    of the operator only the write of the route itself has to succeed. This holds while there is a
    version to go back to, Prometheus answers, the operator runs and nobody has paused the rollout.
    """
    excused = spans.joined((*facts.blind, *facts.dead, *facts.paused, *_refused(facts)))
    for revision, version in facts.revisions.items():
        bad = spans.both(facts.gives_users(revision), facts.terrible(version))
        can_go_back = _has_another(facts, revision)
        for span in spans.without(spans.both(bad, can_go_back), excused):
            bound = BOUND_S + _late_s(facts, span)
            if span.seconds > bound + SLACK_S:
                yield Violation(
                    span.begun + bound,
                    f"version {version} fails everybody and has had users for "
                    f"{span.seconds:.0f} s; {bound:.0f} s are promised",
                )


def _late_s(facts: Facts, span: Span) -> float:
    """How long samples of a span may be waited for: as late as they come, or came before it."""
    return sum(
        _waited_s(each.fault, 0.0 if each.ended is None else span.begun - each.ended)
        for each in facts.world.faults
        if isinstance(each.fault, ScrapesDisturbed) and each.begun < span.ended
    )


def _waited_s(fault: ScrapesDisturbed, over_for: float) -> float:
    """How long is waited so many seconds after a fault: `Lateness` measures it and lets it shrink.

    Of two servers that answer in turn, a sample may be seen in the second reading after it only.
    What answers lacked was seen late too, so that is waited for when they lack nothing any more.
    """
    late = fault.visible_after_s + (2 * SCRAPE_S if fault.split else 0.0)
    lacking = 0.0
    if fault.partial and over_for <= 0:
        lacking = LACKING_S
    elif fault.partial:
        late = max(late, LACKING_S)
    if not late:
        return lacking and lacking + AT_ONCE_S
    waited = MARGIN * late + SLACK_MS / 1000 + AT_ONCE_S
    # Where the geometric part and the constant one balance.
    floor = SHRINKS_MS / 1000 / (1 - SHRINKS)
    left: float = (waited + floor) * SHRINKS ** (max(0.0, over_for) / SCRAPE_S) - floor
    return lacking + max(0.0, left)


def _refused(facts: Facts) -> Spans:
    """When the route could not be written, and as long again as a try may take to come."""
    return tuple(Span(each.begun, each.ended + BACKOFF_S + SLACK_S) for each in facts.route_refused)


def _has_another(facts: Facts, revision: str) -> Spans:
    """When, by what the operator wrote last, another version could have all users."""
    states = [(each.at, _another(each, revision)) for each in facts.routes if each.by_operator]
    return spans.where(states, facts.ended)


def _another(route: RouteWritten, revision: str) -> bool:
    roles = route.roles
    if roles is None:
        return False
    if roles.stable == revision:
        return roles.previous is not None
    return roles.candidate == revision and roles.stable is not None


def a_refused_route_is_tried_and_told(facts: Facts) -> Iterator[Violation]:
    """While the API server takes no write of the route, it is tried again and told.

    A condition or an event tells it within 10 s, and the write is tried at least every 5 s. Users
    are off a version that fails everybody within 5 s after the API server takes writes again.
    """
    for window in facts.route_refused:
        tries = [
            each
            for each in facts.world.requests
            if each.asked.action == WRITE_ROUTE and _is_in(each, window)
        ]
        needed = _protection_is_needed(facts, window)
        if len(tries) == 0 or not needed:
            continue
        begun = max(_first_needed(facts, tries, needed[0]), needed[0].begun)
        yield from _told_in_time(facts, tries, needed)
        yield from _tried_often(facts, tries, spans.both(needed, (Span(begun, window.ended),)))
        # A try that gets no answer is one until its time is over.
        yield from _off_in_time(facts, max(window.ended, tries[-1].ended))


def _is_in(requested: Requested, window: Span) -> bool:
    return window.begun <= requested.begun < window.ended and requested.status != 200


def _first_needed(facts: Facts, tries: list[Requested], needed: Span) -> float:
    """From when on a write is tried that protects: since the first one, or since it was due.

    What was tried before, such as the next step, may be wanted no longer when the counts are bad.
    """
    due = max(tries[0].begun, needed.begun + BOUND_S + _late_s(facts, needed))
    bad = [
        revision
        for revision, version in facts.revisions.items()
        if spans.both(spans.both(facts.gives_users(revision), facts.terrible(version)), (needed,))
    ]
    for each in tries:
        weights = reader.weights(each.asked.body)
        if any(not weights.get(revision) for revision in bad):
            return min(each.begun, due)
    return due


def _protection_is_needed(facts: Facts, window: Span) -> Spans:
    """When a version that fails everybody had users in a window, and the operator could know."""
    found: list[Span] = []
    for revision, version in facts.revisions.items():
        bad = spans.both(facts.gives_users(revision), facts.terrible(version))
        found += spans.both(spans.both(bad, _has_another(facts, revision)), (window,))
    excused = spans.joined((*facts.blind, *facts.dead, *facts.paused))
    return spans.without(spans.joined(found), excused)


def _told_in_time(facts: Facts, tries: list[Requested], needed: Spans) -> Iterator[Violation]:
    """Some seconds after a try at the latest; an operator that is killed before tells nothing."""
    said = [each.at for each in facts.told if "HTTPRoute" in each.text]
    for span in needed:
        within = (each for each in tries if each.begun < span.ended and span.begun < each.ended)
        begun = max(span.begun, next((each.begun for each in within), span.ended))
        if span.ended - begun < TOLD_S + SLACK_S:
            continue
        if not any(tries[0].begun <= at <= begun + TOLD_S + SLACK_S for at in said):
            yield Violation(begun + TOLD_S, "nobody was told that the HTTPRoute cannot be written")


TOLD_S = 10.0


def _tried_often(facts: Facts, tries: list[Requested], needed: Spans) -> Iterator[Violation]:
    busy = tuple(Span(each.begun, each.ended + BACKOFF_S + SLACK_S) for each in tries)
    for gap in spans.without(needed, spans.joined(busy)):
        if gap.seconds > SLACK_S:
            yield Violation(
                gap.begun,
                f"the write of the HTTPRoute was not tried for {gap.seconds + BACKOFF_S:.0f} s; "
                f"{BACKOFF_S:.0f} s are promised",
            )


def _off_in_time(facts: Facts, well: float) -> Iterator[Violation]:
    """Users are off soon after the API server is well."""
    if any(each.begun <= well < each.ended for each in (*facts.dead, *facts.blind, *facts.paused)):
        return
    for revision, version in facts.revisions.items():
        bad = spans.both(facts.gives_users(revision), facts.terrible(version))
        for span in spans.both(bad, _has_another(facts, revision)):
            late = span.ended - well
            if span.begun + CONTROL_S < well < span.ended and late > BACKOFF_S + SLACK_S:
                yield Violation(
                    well + BACKOFF_S,
                    f"version {version} kept its users for {late:.0f} s after the API server was "
                    f"well again; {BACKOFF_S:.0f} s are promised",
                )


def failed_versions_stay_without_users(facts: Facts) -> Iterator[Violation]:
    """A version that was rolled back never gets users again without a person.

    A person applies a new version, raises `attempt`, or overrides. A route that somebody else has
    put back is repaired within 15 s.
    """
    failed: dict[str, float] = {}
    ended: set[tuple[str, int]] = set()
    forgiven = sorted(each.at for each in facts.world.inputs if each.forgives)
    before: RouteWritten | None = None
    for route in facts.routes:
        for at in [each for each in forgiven if each <= route.at]:
            failed = {revision: since for revision, since in failed.items() if since > at}
        if route.by_operator:
            for revision in failed:
                had = 0.0 if before is None else before.share(revision)
                if route.share(revision) > had:
                    yield Violation(
                        route.at,
                        f"version {facts.revisions.get(revision, revision)} was rolled back, and "
                        f"the operator gives it {100 * route.share(revision):.3g} % of users again",
                    )
            for revision in rolled_back(route):
                # A record that is put back tells of a rollback that somebody may have forgiven.
                if (revision, _attempt(route)) not in ended:
                    ended.add((revision, _attempt(route)))
                    failed.setdefault(revision, route.at)
        ended = {(revision, attempt) for revision, attempt in ended if not route.share(revision)}
        before = route
    yield from _kept_out(facts, forgiven)


def _attempt(route: RouteWritten) -> int:
    return 0 if route.roles is None else route.roles.attempt


def _kept_out(facts: Facts, forgiven: list[float]) -> Iterator[Violation]:
    """Versions that were rolled back have users only for as long as a repair takes."""
    excused = excused_from_repair(facts)
    for route in facts.routes:
        for revision in rolled_back(route) if route.by_operator else ():
            until = next((at for at in forgiven if at > route.at), facts.ended)
            leaving = next(
                (
                    each.at
                    for each in facts.routes
                    if each.at >= route.at and not each.share(revision)
                ),
                until,
            )
            again = spans.both(facts.gives_users(revision), (Span(leaving, until),))
            for span in spans.without(again, excused):
                if span.seconds > REPAIRED_S:
                    yield Violation(
                        span.begun + REPAIRED_S,
                        f"version {facts.revisions.get(revision, revision)} was rolled back, and "
                        f"has users again for {span.seconds:.0f} s",
                    )


def excused_from_repair(facts: Facts) -> Spans:
    """When nobody could write the route, was to, or knew that it had changed."""
    return spans.joined((*facts.dead, *facts.paused, *facts.unheard, *_refused(facts)))


def rolled_back(route: RouteWritten) -> tuple[str, ...]:
    """The revision that a write of the route says was rolled back."""
    roles = route.roles
    if roles is None or roles.candidate is None or roles.phase != "RolledBack":
        return ()
    return (roles.candidate,)
