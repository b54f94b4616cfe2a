"""The one sentence of a status: who serves, what is awaited, how long, and what can be done."""

from collections.abc import Iterator
from typing import assert_never

from model_rollouts.api.conditions import Reason
from model_rollouts.api.duration import span
from model_rollouts.api.phase import Phase
from model_rollouts.api.status import LONGEST_MESSAGE
from model_rollouts.api.strategy import OnDeadline
from model_rollouts.decision import Decision
from model_rollouts.rollout.standing import Standing
from model_rollouts.rollout.state import capacity, pod_limit
from model_rollouts.rollout.status.progress import Progress, step_ahead
from model_rollouts.rollout.status.summary import StatusInput
from model_rollouts.rollout.trial.trial import counted_copies
from model_rollouts.text import about, capitalized, clock, count, cut, duration, percent

_AT_DEADLINE = {
    OnDeadline.PROMOTE_WITH_BOUND: (
        "then it is promoted if what is not ruled out is acceptable, and taken back if not"
    ),
    OnDeadline.HOLD: "then the weight stays until somebody decides",
    OnDeadline.ROLLBACK: "then it is taken back",
}


def sentence(given: StatusInput, progress: Progress | None) -> str:
    """Who serves, what is awaited, how long, and what can be done.

    It depends on nothing but the situation: while that stays the same, so do the words.
    """
    told = [_place(given)]
    stable = given.stable
    if stable is not None and not stable.is_ready:
        told.append(pods(stable))
    if given.phase.has_ended:
        told += _ended(given)
    else:
        told += [hold.message for hold in given.holds[:1] if hold.reason not in _TOLD]
        told += _awaited(given, progress)
    return cut(" ".join(_whole(each.strip()) for each in told if each.strip()), LONGEST_MESSAGE)


_TOLD = frozenset({Reason.PAUSED, Reason.STABLE_UNAVAILABLE})
"""Holds that the sentence tells in its own words."""


def _whole(text: str) -> str:
    if "." in text.split(maxsplit=1)[0][:-1]:  # the path of a field stays as it is written
        return text + ("" if text.endswith(".") else ".")
    return capitalized(text) + ("" if text.endswith((".", "!", "?")) else ".")


def pods(standing: Standing) -> str:
    """How many of the pods that a version needs answer, and what is wrong with them."""
    said = f"version {standing.version} has {standing.ready} of the {standing.needed} pods it needs"
    return f"{said} ({standing.trouble})" if standing.trouble else said


def _place(given: StatusInput) -> str:
    wanted = given.deployment.spec.model.version
    match given.phase:
        case Phase.ADMISSION:
            return f"checking {wanted}; {_served(given)}"
        case Phase.STARTING:
            return _starting(given, wanted)
        case Phase.SHADOW:
            return f"shadow: {_copied(given)}; {_served(given)}"
        case Phase.CANARY if given.is_promoting:
            return _promoting(given)
        case Phase.CANARY:
            since = _since(given)
            return f"canary {_share(given)}{since}; {_others(given)}"
        case Phase.FULL:
            return _full(given, wanted)
        case Phase.PAUSED if given.weight > 0 and given.leaving is None:
            return f"paused at {_share(given)}; {_others(given)}"
        case Phase.PAUSED if given.roles.phase.mirrors:
            return f"paused: {_copied(given)}; {_served(given)}"
        case Phase.PAUSED:
            return f"paused; {_served(given)}"
        case Phase.ROLLED_BACK:
            return f"version {wanted} was taken back; {_served(given)}"
        case Phase.UNDECIDED:
            return f"version {wanted} stayed undecided and was taken back; {_served(given)}"
        case _:
            assert_never(given.phase)


def _served(given: StatusInput) -> str:
    stable, leaving = given.stable, given.leaving
    if stable is None:
        return "no version serves yet"
    if leaving is None:
        return f"all users on {stable.version}"
    if given.weight == 1:
        return f"all users still on {leaving.version}"
    still = f"{percent(given.weight)} of the users still on {leaving.version}"
    return f"{still}, the others on {stable.version}"


def _copied(given: StatusInput) -> str:
    wanted, mirror = given.deployment.spec.model.version, given.roles.mirror_percent
    share = f"copies of {percent(mirror / 100)} of the requests" if mirror else "no copies now"
    return f"{wanted} gets {share}"


def _starting(given: StatusInput, wanted: str) -> str:
    first = ", the first version" if given.stable is None else ""
    candidate = given.candidate
    if candidate is None:
        return f"starting {wanted}{first}; {_served(given)}"
    ready = f"{candidate.ready} of {candidate.needed} pods ready"
    trouble = f" ({candidate.trouble})" if candidate.trouble else ""
    return f"starting {wanted}{first}: {ready}{trouble}; {_served(given)}"


def _share(given: StatusInput) -> str:
    candidate = given.candidate
    version = given.deployment.spec.model.version if candidate is None else candidate.version
    return f"{percent(given.weight)} of {version}"


def _promoting(given: StatusInput) -> str:
    candidate, stable = given.candidate, given.stable
    wanted = given.deployment.spec.model.version if candidate is None else candidate.version
    others = "" if stable is None else f", the others on {stable.version}"
    return f"promoting {wanted}: {percent(given.weight)} of the users on it{others}"


def _since(given: StatusInput) -> str:
    clocks = given.clocks
    if not clocks.step:
        return ""
    return f" since {clock(clocks.as_of - clocks.step, clocks.as_of)}"


def _others(given: StatusInput) -> str:
    if given.stable is None:
        return "nothing else serves"
    who = "users mostly" if given.weight < 0.5 else "the other users"
    return f"{who} on {given.stable.version}"


def _full(given: StatusInput, wanted: str) -> str:
    stable = given.stable
    said = f"all users on {wanted if stable is None else stable.version}"
    if not given.watching:
        return said if given.leaving is None else _served(given)
    clocks = given.clocks
    watch = span(given.deployment.spec.strategy.watch.duration).total_seconds()
    said += f", watched until {clock(clocks.as_of + watch - clocks.phase, clocks.as_of)}"
    previous = given.previous
    if previous is None:
        return said
    colder = _cold_start(given.deployment.spec.replicas, previous)
    return f"{said}; {previous.version} stays warm{f', {colder}' if colder else ''}"


def _ended(given: StatusInput) -> list[str]:
    told = [past.message for past in given.history[:1] if past.outcome is given.phase.outcome]
    if not told:
        told = [hold.message for hold in given.holds[:1]]
    elif given.leaving is not None:
        told += [hold.message for hold in given.holds if hold.reason is Reason.EXCHANGING]
    if not given.gateway_accepted:
        told.append(
            "the Gateway has not accepted the route yet, so users may be split as they were before"
        )
    wanted = given.deployment.spec.model.version
    told.append(f"apply another version, or raise strategy.attempt to try {wanted} again")
    return told


def _awaited(given: StatusInput, progress: Progress | None) -> list[str]:
    if given.phase is Phase.PAUSED:
        failed = progress is not None and progress.failed
        why = [progress.explained.why] if progress is not None and failed else []
        return [*why, "set spec.paused to false to go on"]
    if given.phase is Phase.FULL and not given.gateway_accepted and not given.holds:
        return ["the Gateway has not accepted the route yet"]
    if progress is None:
        return []
    if given.phase is Phase.FULL:
        return [progress.explained.why] if progress.failed else []
    if given.phase.mirrors:
        return [*_shown(given, progress), *_few_copies(given)]
    if not given.phase.shares_traffic or given.is_promoting:
        return []
    return [*_proven(given, progress), *_reduced(given)]


def _few_copies(given: StatusInput) -> Iterator[str]:
    """Why fewer requests are copied than the spec asks, unless that is because stable suffered."""
    words = pod_limit.of_copies(given.deployment.spec, _users(given))
    if words is not None and given.roles.suffered_at_percent is None:
        yield words


def _reduced(given: StatusInput) -> Iterator[str]:
    """Why a step, this one or the next, is smaller than the spec asks."""
    following = step_ahead(given)
    near = (step for step in given.steps if step == following or float(step.weight) == given.weight)
    step = next((step for step in near if step.is_reduced), None)
    if step is not None:
        extra = given.deployment.spec.strategy.max_extra_replicas
        words = pod_limit.of_step(step, _users(given), extra)
        if words is not None:
            yield words


def _users(given: StatusInput) -> int:
    """The pods that serve all users, as they are now or are to be."""
    stable = given.stable
    return max(given.deployment.spec.replicas, 0 if stable is None else stable.replicas)


def _shown(given: StatusInput, progress: Progress) -> Iterator[str]:
    """How far the proof is that the first users need, and the least that copies must show."""
    asked, trial = given.deployment.spec.strategy.shadow, given.trial
    slowest, aim = progress.slowest, f"the step to {percent(progress.explained.toward)}"
    silent = not given.roles.mirror_percent or any(
        hold.reason is Reason.MIRROR_NOT_OBSERVED for hold in given.holds
    )
    if asked is None or trial is None or silent:
        return
    if progress.failed:
        yield f"it is to be stopped: {progress.explained.why}"
        return
    seen = counted_copies(trial)
    if not seen:
        yield "no copy was counted yet; those in the first minute of a pod do not count"
        return
    if slowest is None:
        yield (
            f"every gate is proven for {aim}; {count(seen)} of at least "
            f"{count(asked.min_requests)} copies, and at least {asked.min_duration} in shadow"
        )
        return
    more = slowest.more_requests
    if more is None:
        yield f"{slowest.name} undecided: {count(seen)} copies do not prove it at these rates"
        return
    yield f"{slowest.name} undecided: {count(seen)} of about {about(seen + more)} copies for {aim}"


def _proven(given: StatusInput, progress: Progress) -> Iterator[str]:
    """How far the proof is that the next move needs."""
    explained, strategy = progress.explained, given.deployment.spec.strategy
    aim = "promotion" if explained.toward == 1 else f"the step to {percent(explained.toward)}"
    slowest = progress.slowest
    if explained.decision is Decision.FAIL:
        yield f"it is to be taken back: {explained.why}"
        return
    if any(hold.reason is Reason.LOW_LOAD for hold in given.holds):
        return  # More requests prove nothing; what does is said already.
    if slowest is None:
        shortest = strategy.canary.min_step_duration
        yield f"every gate is proven for {aim}; each step lasts at least {shortest}"
        return
    seen, more = slowest.candidate.total, slowest.more_requests
    left = span(strategy.deadline).total_seconds() - given.clocks.phase
    if more is None:
        yield f"{slowest.name} undecided: {count(seen)} requests do not prove it at these rates"
        late = True
    else:
        wait = more / (progress.rate * given.weight) if progress.rate and given.weight else None
        late = wait is not None and wait > left
        said = f"{slowest.name} undecided: {count(seen)} of about {about(seen + more)} requests"
        said += f" for {aim}"
        yield said if late or wait is None else f"{said}, about {duration(wait)}"
    if late and left > 0:
        first = f"the deadline comes first, in about {duration(left)}"
        yield f"{first}: {_AT_DEADLINE[strategy.on_deadline]}"


def _cold_start(users: int, previous: Standing | None) -> str | None:
    """What a rollback from the watch takes when too few pods are warm; None when enough are."""
    if previous is None or previous.replicas >= capacity.least(users):
        return None
    missing = users - previous.replicas
    return f"a rollback takes the start of {missing} {'pod' if missing == 1 else 'pods'}"
