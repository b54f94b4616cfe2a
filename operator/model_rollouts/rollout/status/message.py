"""The sentence of a status: who serves, what is awaited, how long, and what can be done.

docs/style-of-messages.md says how it is written. The details are those of conditions, objectives
and history; where there is no room for all that could be said, the last sentences are left out.
"""

from collections.abc import Iterator, Sequence
from typing import assert_never

from model_rollouts.api.conditions import Reason
from model_rollouts.api.duration import span
from model_rollouts.api.phase import Phase
from model_rollouts.api.status import ObjectiveStatus, Verdict
from model_rollouts.api.strategy import OnDeadline
from model_rollouts.decision import Decision
from model_rollouts.rollout.standing import Hold, Standing
from model_rollouts.rollout.state import capacity, pod_limit
from model_rollouts.rollout.status.progress import Progress, step_ahead
from model_rollouts.rollout.status.summary import StatusInput
from model_rollouts.rollout.trial.trial import counted_copies
from model_rollouts.routes.record import RecordedVerdict
from model_rollouts.text import about, capitalized, clock, count, cut, duration, percent

LONGEST_SENTENCE = 160
"""Characters: what `kubectl get` shows on one line beside the other columns."""

_SEE_HISTORY = "see status.history"
_NOT_ACCEPTED = "The Gateway has not accepted the route yet."

_AT_DEADLINE = {
    OnDeadline.PROMOTE_WITH_BOUND: "It is then promoted if what is not ruled out is acceptable.",
    OnDeadline.HOLD: "The weight then stays until you decide.",
    OnDeadline.ROLLBACK: "It is then rolled back.",
}

_WHY_ENDED = {
    RecordedVerdict.FAIL: "an objective failed",
    RecordedVerdict.FAIL_IN_WATCH: "an objective failed",
    RecordedVerdict.BURN_IN_WATCH: "it used its error budget too fast",
    RecordedVerdict.UNREADY: "none of its pods was ready",
    RecordedVerdict.OVERRIDDEN: "decided by strategy.override",
    RecordedVerdict.DEADLINE: "the deadline came",
}
"""Why a version was rolled back, by the verdict in the record."""

_OWN_WORDS = frozenset({Reason.PAUSED, Reason.STABLE_UNAVAILABLE})
"""Holds that the sentence tells in its own words."""

_NOT_HELD = {
    Reason.EXCHANGING: "",
    Reason.SHADOW_HURTS_STABLE: "",
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
    if given.phase is Phase.STARTING:
        yield _starting(given, wanted)
        return
    if stable is not None and not stable.is_ready:
        yield f"{capitalized(pods(stable))}."
    hold = next((each for each in given.holds if each.reason not in _OWN_WORDS), None)
    match given.phase:
        case Phase.ADMISSION if hold is not None:
            how = "cannot start" if hold.stalls else "waits to start"
            yield f"Version {wanted} {how}: {hold.brief}."
            yield f"{capitalized(_served(given))}."
        case Phase.ADMISSION:
            yield f"Checking version {wanted}; {_served(given)}."
        case Phase.SHADOW:
            yield f"Shadow: {_mirrored(given)}; {_served(given)}."
            yield from _held(hold)
            yield from _shown(given, progress)
            yield from _few_mirrored(given)
        case Phase.CANARY if given.is_promoting:
            yield f"Promoting: {_shared(given)}."
            yield from _held(hold)
        case Phase.CANARY:
            yield f"Canary: {_shared(given)}."
            yield from _held(hold)
            yield from _needed(given, progress)
            yield from _reduced(given)
        case Phase.FULL:
            yield f"{capitalized(_full(given, wanted))}."
            if hold is not None:
                yield f"{capitalized(hold.brief)}."
            if not given.gateway_accepted and not given.holds:
                yield _NOT_ACCEPTED
            elif progress is not None and progress.failed:
                yield f"{failure(progress.objectives)}."
        case Phase.PAUSED:
            yield f"Paused: {_paused(given)}."
            yield "Set spec.paused: false to resume."
            if progress is not None and progress.failed:
                yield f"{failure(progress.objectives)}."
        case Phase.ROLLED_BACK:
            yield f"Version {wanted} was rolled back: {_why_ended(given, objectives)}."
            yield from _after_the_end(given)
        case Phase.UNDECIDED:
            yield f"Version {wanted} was undecided at the deadline and was rolled back."
            yield from _after_the_end(given)
        case Phase.STARTING:
            pass  # told above, in the one sentence that matters
        case _:
            assert_never(given.phase)


def pods(standing: Standing) -> str:
    """How many of the pods that a version needs are ready, and what is wrong with the others."""
    said = f"version {standing.version} has {standing.ready} of {standing.needed} needed pods ready"
    return f"{said} ({standing.trouble})" if standing.trouble else said


def failure(objectives: Sequence[ObjectiveStatus]) -> str:
    """Which objective failed, as a clause."""
    failed = next((each for each in objectives if each.verdict is Verdict.FAIL), None)
    if failed is None or not failed.total:
        return "an objective failed"
    share = percent(failed.bad / failed.total, digits=2)
    return f"{failed.name} failed {count(failed.bad)} of {count(failed.total)} requests ({share})"


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
            f"Apply another version, or raise strategy.attempt to try version {wanted} again.",
        ]
    )


def _starting(given: StatusInput, wanted: str) -> str:
    stable, candidate, served = given.stable, given.candidate, _served(given)
    if stable is not None and not stable.is_ready:
        return f"{capitalized(pods(stable))}; version {wanted} waits."
    hold = next((each for each in given.holds if each.reason not in _OWN_WORDS), None)
    if hold is not None and hold.told:
        how = "did not start" if hold.stalls else "waits"
        return f"Version {wanted} {how}: {hold.brief}; {served}."
    if candidate is None:
        return f"Starting version {wanted}; {served}."
    ready = f"{candidate.ready} of {candidate.needed} pods ready"
    trouble = f" ({candidate.trouble})" if candidate.trouble else ""
    return f"Starting version {wanted}: {ready}{trouble}; {served}."


def _served(given: StatusInput) -> str:
    stable, leaving = given.stable, given.leaving
    if stable is None:
        return "no version serves yet"
    if leaving is None:
        return f"version {stable.version} serves all users"
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
    said = f"version {wanted if stable is None else stable.version} serves all users"
    if not given.watching:
        return said if given.leaving is None else _served(given)
    clocks = given.clocks
    watch = span(given.deployment.spec.strategy.watch.duration).total_seconds()
    said += f", watched until {clock(clocks.as_of + watch - clocks.phase, clocks.as_of)}"
    previous = given.previous
    if previous is None:
        return said
    cold = _cold_start(given.deployment.spec.replicas, previous)
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
    verdict = given.roles.verdict
    if verdict in (RecordedVerdict.FAIL, RecordedVerdict.FAIL_IN_WATCH):
        return failure(objectives)
    return next((why for known, why in _WHY_ENDED.items() if known == verdict), _SEE_HISTORY)


def _after_the_end(given: StatusInput) -> Iterator[str]:
    yield f"{capitalized(_served(given))}."
    if not given.gateway_accepted:
        yield _NOT_ACCEPTED
    elif given.leaving is not None:
        exchange = (hold for hold in given.holds if hold.reason is Reason.EXCHANGING)
        yield from (f"{capitalized(hold.brief)}." for hold in exchange)
    yield "Apply another version, or raise strategy.attempt."


def _held(hold: Hold | None) -> Iterator[str]:
    if hold is not None:
        yield f"{capitalized(_NOT_HELD.get(hold.reason, 'On hold: ') + hold.brief)}."


def _few_mirrored(given: StatusInput) -> Iterator[str]:
    """Why fewer requests are mirrored than the spec asks, unless that made stable worse."""
    words = pod_limit.of_copies(given.deployment.spec, _users(given))
    if words is not None and given.roles.suffered_at_percent is None:
        yield f"{capitalized(words)}."


def _reduced(given: StatusInput) -> Iterator[str]:
    """Why a step, this one or the next, is smaller than the spec asks."""
    following = step_ahead(given)
    near = (step for step in given.steps if step == following or float(step.weight) == given.weight)
    step = next((step for step in near if step.is_reduced), None)
    if step is not None:
        extra = given.deployment.spec.strategy.max_extra_replicas
        words = pod_limit.of_step(step, _users(given), extra)
        if words is not None:
            yield f"{capitalized(words)}."


def _users(given: StatusInput) -> int:
    """The pods that serve all users, as they are now or are to be."""
    stable = given.stable
    return max(given.deployment.spec.replicas, 0 if stable is None else stable.replicas)


def _shown(given: StatusInput, progress: Progress | None) -> Iterator[str]:
    """What the first users wait for: mirrored requests, by count, by time, or for an objective."""
    asked, trial = given.deployment.spec.strategy.shadow, given.trial
    silent = not given.roles.mirror_percent or any(
        hold.reason is Reason.MIRROR_NOT_OBSERVED for hold in given.holds
    )
    if asked is None or trial is None or progress is None or silent:
        return
    if progress.failed:
        yield f"It is being rolled back: {failure(progress.objectives)}."
        return
    seen, slowest = counted_copies(trial), progress.slowest
    if not seen:
        yield "No mirrored request counted yet: a pod's first minute is warm-up."
    elif slowest is None:
        yield (
            f"Every gate passed; {count(seen)} of at least {count(asked.min_requests)} mirrored "
            f"requests, for at least {asked.min_duration}."
        )
    else:
        more = slowest.more_requests
        yield _more(slowest.name, seen, more, "mirrored requests", "the canary")


def _needed(given: StatusInput, progress: Progress | None) -> Iterator[str]:
    """What the next move waits for, and whether the deadline comes first."""
    if progress is None:
        return
    explained, strategy, slowest = (
        progress.explained,
        given.deployment.spec.strategy,
        progress.slowest,
    )
    aim = "promotion" if explained.toward == 1 else percent(explained.toward)
    if explained.decision is Decision.FAIL:
        yield f"It is being rolled back: {failure(progress.objectives)}."
        return
    if any(hold.reason is Reason.LOW_LOAD for hold in given.holds):
        return  # More requests prove nothing; what does is said already.
    if slowest is None:
        shortest = strategy.canary.min_step_duration
        yield f"Every gate passed for {aim}; a step lasts at least {shortest}."
        return
    seen, more = slowest.candidate.total, slowest.more_requests
    left = span(strategy.deadline).total_seconds() - given.clocks.phase
    wait = None
    if more is not None and progress.rate and given.weight:
        wait = more / (progress.rate * given.weight)
    if more is not None and wait is not None and wait > left > 0:
        yield (
            f"{slowest.name} is not expected to pass for {aim} before the deadline in "
            f"{duration(left)} ({count(seen)} of about {about(seen + more)} requests)."
        )
        yield _AT_DEADLINE[strategy.on_deadline]
        return
    time = "" if wait is None else f", about {duration(wait)}"
    yield _more(slowest.name, seen, more, "requests", aim, time)
    if more is None and left > 0:
        yield f"The deadline comes in {duration(left)}."
        yield _AT_DEADLINE[strategy.on_deadline]


def _more(name: str, seen: float, more: float | None, what: str, aim: str, time: str = "") -> str:
    """How many more requests an objective needs, out of how many."""
    if more is None:
        return f"{name} cannot pass for {aim} at these rates ({count(seen)} {what} so far)."
    needs, whole = about(more), about(seen + more)
    if needs == "0" or whole == about(seen):
        return f"{name} needs a few more {what} for {aim} ({count(seen)} so far){time}."
    return (
        f"{name} needs about {needs} more {what} for {aim} ({count(seen)} of about {whole}){time}."
    )
