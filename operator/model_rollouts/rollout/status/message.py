"""The sentence of a status: who serves, what is awaited, how long, and what can be done.

docs/style-of-messages.md says how it is written. The details are those of conditions, objectives
and history; where there is no room for all that could be said, the last sentences are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import assert_never

from model_rollouts.api.conditions import Reason
from model_rollouts.api.duration import span
from model_rollouts.api.phase import Phase
from model_rollouts.api.status import ObjectiveStatus
from model_rollouts.rollout.standing import Hold, Standing
from model_rollouts.rollout.state import capacity
from model_rollouts.rollout.state.state import raise_attempt
from model_rollouts.rollout.status.awaited import (
    canary_needs,
    failure,
    few_mirrored,
    reduced,
    shadow_needs,
)
from model_rollouts.rollout.status.progress import Progress
from model_rollouts.rollout.status.service_words import ADVICE_FAILING
from model_rollouts.rollout.status.summary import StatusInput
from model_rollouts.routes.record import RecordedVerdict
from model_rollouts.text import capitalized, clock, cut, percent

LONGEST_SENTENCE = 160
"""Characters: what `kubectl get` shows on one line beside the other columns."""

_NOT_ACCEPTED = "The Gateway has not accepted the route yet."

_WHY_ENDED: Mapping[str, str] = {
    RecordedVerdict.BURN_IN_WATCH: "it used its error budget too fast",
    RecordedVerdict.UNREADY: "none of its pods was ready",
    RecordedVerdict.OVERRIDDEN: "decided by strategy.override",
    RecordedVerdict.DEADLINE: "the deadline came",
}
"""Why a version was rolled back that no objective failed, by the verdict in the record."""

_OWN_WORDS = frozenset({Reason.PAUSED, Reason.STABLE_UNAVAILABLE, Reason.SCALING_UP})
"""Holds that the sentence tells in its own words."""

_NOT_HELD = {
    Reason.EXCHANGING: "",
    Reason.SHADOW_HURTS_STABLE: "",
    Reason.ROUTE_CHANGED: "",
    Reason.CAPACITY_PENDING: "Waiting: ",
}
"""How a hold is introduced during which the rollout still moves."""


def sentence(
    given: StatusInput, progress: Progress | None, objectives: Sequence[ObjectiveStatus]
) -> str:
    """Who serves, what is awaited, how long, and what can be done, in `LONGEST_SENTENCE`.

    It depends on nothing but what is given: while that stays the same, so do the words.
    """
    told = list(_sentences(given, progress, objectives))
    while len(told) > 1 and len(" ".join(told)) > LONGEST_SENTENCE:
        told.pop()
    return cut(" ".join(told), LONGEST_SENTENCE)


def _sentences(
    given: StatusInput, progress: Progress | None, objectives: Sequence[ObjectiveStatus]
) -> Iterator[str]:
    """The sentences, the most important first."""
    stable, wanted = given.stable, given.deployment.spec.model.version
    hold = _foremost(given)
    if stable is not None and not stable.is_ready and given.phase is not Phase.STARTING:
        yield f"{capitalized(pods(stable))}."
    elif given.failing is not None and given.phase is not Phase.STARTING:
        yield given.failing
    match given.phase:
        case Phase.ADMISSION if hold is not None:
            how = "cannot start" if hold.stalls else "waits to start"
            yield f"Version {wanted} {how}: {hold.brief}."
            yield f"{capitalized(_served(given))}."
        case Phase.ADMISSION:
            yield f"Checking version {wanted}; {_served(given)}."
        case Phase.STARTING:
            yield _starting(given, wanted, hold)
            if given.in_place is not None and not given.is_out:
                yield f"{capitalized(given.in_place.brief)}."
        case Phase.SHADOW:
            yield f"Shadow: {_mirrored(given)}; {_served(given)}."
            yield from _held(hold)
            yield from shadow_needs(given, progress)
            yield from few_mirrored(given)
        case Phase.CANARY if given.is_promoting:
            yield f"Promoting: {_shared(given)}."
            yield from _held(hold)
        case Phase.CANARY:
            yield f"Canary: {_shared(given)}."
            yield from _held(hold)
            if not given.weight:
                return
            yield from canary_needs(given, progress)
            yield from reduced(given)
        case Phase.FULL:
            if given.failing is not None:
                yield ADVICE_FAILING
            elif given.degraded is not None:
                yield given.degraded
            yield f"{capitalized(_full(given, wanted))}."
            if hold is not None:
                yield f"{capitalized(hold.brief)}."
            if not given.gateway_accepted and not given.holds:
                yield _NOT_ACCEPTED
        case Phase.PAUSED:
            yield f"Paused: {_paused(given)}."
            yield "Set spec.paused: false to resume."
            if progress is not None and progress.failed:
                yield f"{failure(progress.objectives, given.deployment.spec)}."
        case Phase.ROLLED_BACK:
            yield f"Version {wanted} was rolled back: {_why_ended(given, objectives)}."
            yield from _after_the_end(given)
        case Phase.UNDECIDED:
            yield f"Version {wanted} was undecided at the deadline and was rolled back."
            yield from _after_the_end(given)
        case _:
            assert_never(given.phase)


def pods(standing: Standing) -> str:
    """How many of the pods that a version needs are ready, and what is wrong with the others."""
    needed = f"{standing.replicas}" if standing.grows else f"{standing.needed} needed"
    said = f"version {standing.version} has {standing.ready} of {needed} pods ready"
    return f"{said} ({standing.trouble})" if standing.trouble else said


def how_it_ended(given: StatusInput) -> str:
    """How a rollout ended and what can be done, in full."""
    wanted, outcome = given.deployment.spec.model.version, given.phase.outcome
    why = [past.message for past in given.history[:1] if past.outcome is outcome]
    why = why or [hold.message for hold in given.holds[:1]]
    return " ".join(
        [
            f"Version {wanted} was rolled back; {_served(given)}.",
            *why,
            *([] if given.gateway_accepted else [_NOT_ACCEPTED]),
            f"Apply another version, or {_retry(given)} to try version {wanted} again.",
        ]
    )


def _retry(given: StatusInput) -> str:
    return raise_attempt(given.deployment.spec, given.roles)


def _foremost(given: StatusInput) -> Hold | None:
    """The hold that a reader should hear of."""
    return next((each for each in given.holds if each.reason not in _OWN_WORDS), None)


def _starting(given: StatusInput, wanted: str, hold: Hold | None) -> str:
    """The one sentence that matters."""
    stable, candidate, served = given.stable, given.candidate, _served(given)
    if stable is not None and not stable.is_ready:
        return f"{capitalized(pods(stable))}; version {wanted} waits."
    if hold is not None and hold.told:
        how = "did not start" if hold.stalls else "waits"
        return _around(f"Version {wanted} {how}: ", hold.brief, f"; {served}.")
    if candidate is None:
        return f"Starting version {wanted}; {served}."
    ready = f"{candidate.ready} of {candidate.needed} pods ready"
    if candidate.trouble is None:
        return f"Starting version {wanted}: {ready}; {served}."
    return _around(f"Starting version {wanted}: {ready} (", candidate.trouble, f"); {served}.")


def _around(before: str, words: str, after: str) -> str:
    """One sentence with as much of the `words` of others as it has room for."""
    return f"{before}{cut(words, LONGEST_SENTENCE - len(before) - len(after))}{after}"


def _served(given: StatusInput) -> str:
    stable, leaving = given.stable, given.leaving
    if stable is None:
        return "no version serves yet"
    if given.is_asleep:
        return "no pod runs, because spec.replicas is 0"
    if given.is_out and given.in_place is not None:
        return given.in_place.brief
    if leaving is None:
        most = "" if given.failing is None else ", but most requests fail"
        return f"version {stable.version} serves all users{most}"
    if given.weight == 1:
        return f"version {leaving.version} still serves all users"
    still = f"version {leaving.version} still serves {percent(given.weight)} of users"
    return f"{still}, version {stable.version} the rest"


def _mirrored(given: StatusInput) -> str:
    wanted, mirror = given.deployment.spec.model.version, given.roles.mirror_percent
    if not mirror:
        return f"mirroring to version {wanted} has stopped"
    return f"{percent(mirror / 100)} of requests are mirrored to version {wanted}"


def _shared(given: StatusInput) -> str:
    candidate, stable = given.candidate, given.stable
    wanted = given.deployment.spec.model.version if candidate is None else candidate.version
    if not given.weight:
        return f"version {wanted} has no users for now; {_served(given)}"
    rest = "" if stable is None else f", version {stable.version} the rest"
    return f"version {wanted} gets {percent(given.weight)} of users{rest}"


def _paused(given: StatusInput) -> str:
    if given.weight > 0 and given.leaving is None:
        return _shared(given)
    if given.roles.phase.mirrors:
        return f"{_mirrored(given)}; {_served(given)}"
    return _served(given)


def _full(given: StatusInput, wanted: str) -> str:
    stable = given.stable
    if given.is_asleep:
        return f"version {wanted} is scaled to zero: {_served(given)}"
    said = f"version {wanted if stable is None else stable.version} serves all users"
    if not given.watching:
        return said if given.leaving is None else _served(given)
    clocks = given.clocks
    watch = span(given.deployment.spec.strategy.watch.duration).total_seconds()
    said += f", watched until {clock(clocks.as_of + watch - clocks.phase, clocks.as_of)}"
    previous = given.previous
    if previous is None:
        return said
    cold = _cold_start(given.users, previous)
    if cold is not None:
        return f"{said}; {cold}"
    return f"{said}; version {previous.version} stays ready for a rollback"


def _cold_start(users: int, previous: Standing) -> str | None:
    """What a rollback from the watch has to do first; None when enough pods are ready for it."""
    if previous.replicas >= capacity.least(users):
        return None
    missing = users - previous.replicas
    return f"a rollback must first start {missing} {'pod' if missing == 1 else 'pods'}"


def _why_ended(given: StatusInput, objectives: Sequence[ObjectiveStatus]) -> str:
    verdict = given.roles.verdict or ""
    if verdict in (RecordedVerdict.FAIL, RecordedVerdict.FAIL_IN_WATCH):
        return failure(objectives, given.deployment.spec)
    if verdict == RecordedVerdict.ROUTE_EDITED and given.stable is not None:
        return f"its users were given to version {given.stable.version} in the HTTPRoute"
    return _WHY_ENDED.get(verdict, "see status.history")


def _after_the_end(given: StatusInput) -> Iterator[str]:
    yield f"{capitalized(_served(given))}."
    if not given.gateway_accepted:
        yield _NOT_ACCEPTED
    refused = (hold for hold in given.holds if hold.reason is Reason.WRITE_REFUSED)
    yield from (f"{capitalized(hold.brief)}." for hold in refused)
    if given.gateway_accepted and given.leaving is not None:
        exchange = (hold for hold in given.holds if hold.reason is Reason.EXCHANGING)
        yield from (f"{capitalized(hold.brief)}." for hold in exchange)
    yield f"Apply another version, or {_retry(given)}."


def _held(hold: Hold | None) -> Iterator[str]:
    if hold is not None:
        yield f"{capitalized(_NOT_HELD.get(hold.reason, 'On hold: ') + hold.brief)}."
