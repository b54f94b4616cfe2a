"""The one sentence of a status: who serves, what is awaited, how long, and what can be done."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from model_rollouts.api.conditions import Reason
from model_rollouts.api.duration import span
from model_rollouts.api.status import Outcome, Phase
from model_rollouts.api.strategy import OnDeadline
from model_rollouts.decision import Decision
from model_rollouts.rollout.policies import pod_exchange as exchange
from model_rollouts.rollout.state import pod_limit as shortage
from model_rollouts.rollout.state.shadow_stages import copies
from model_rollouts.rollout.status.progress import Proof, ahead
from model_rollouts.rollout.status.summary import Situation, Standing
from model_rollouts.text import about, count, duration, percent

_AT_DEADLINE = {
    OnDeadline.PROMOTE_WITH_BOUND: (
        "then it is promoted if what is not ruled out is acceptable, and taken back if not"
    ),
    OnDeadline.HOLD: "then the weight stays until somebody decides",
    OnDeadline.ROLLBACK: "then it is taken back",
}
_DATED_AFTER = timedelta(hours=18)


def cut(text: str, longest: int) -> str:
    """The text, cut to `longest` characters with a mark that it was."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def clock(at: float, seen_from: float | None = None) -> str:
    """A moment (Unix seconds) as people read it, with its date when it is far from `seen_from`."""
    moment = datetime.fromtimestamp(round(at), UTC)
    time = f"{moment:%H:%M} UTC"
    if seen_from is None or abs(at - seen_from) < _DATED_AFTER.total_seconds():
        return time
    return f"{moment.day} {moment:%b} {time}"


def reason(words: str) -> str:
    """Why a version fails, from the words of its verdict, without what is to be done."""
    return words.removeprefix("Take it back: ")


def sentence(situation: Situation, proof: Proof | None) -> str:
    """Who serves, what is awaited, how long, and what can be done.

    It depends on nothing but the situation: while that stays the same, so do the words.
    """
    told = [_place(situation)]
    stable = situation.stable
    if stable is not None and not stable.is_ready:
        told.append(pods(stable))
    if situation.phase in _ENDED:
        told += _ended(situation)
    else:
        told += [hold.message for hold in situation.holds[:1] if hold.reason not in _TOLD]
        told += _awaited(situation, proof)
    return cut(" ".join(_whole(each.strip()) for each in told if each.strip()), 1024)


_ENDED = {
    Phase.ROLLED_BACK: (Outcome.ROLLED_BACK, "was taken back"),
    Phase.UNDECIDED: (Outcome.UNDECIDED, "stayed undecided and was taken back"),
}


_TOLD = frozenset({Reason.PAUSED, Reason.STABLE_UNAVAILABLE})
"""Holds that the sentence tells in its own words."""


def _whole(text: str) -> str:
    if "." in text.split(maxsplit=1)[0][:-1]:  # the path of a field stays as it is written
        return text + ("" if text.endswith(".") else ".")
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def pods(standing: Standing) -> str:
    """How many of the pods that a version needs answer, and what is wrong with them."""
    said = f"version {standing.version} has {standing.ready} of the {standing.needed} pods it needs"
    return f"{said} ({standing.trouble})" if standing.trouble else said


def _place(situation: Situation) -> str:
    wanted = situation.deployment.spec.model.version
    match situation.phase:
        case Phase.ADMISSION:
            return f"checking {wanted}; {_served(situation)}"
        case Phase.STARTING:
            return _starting(situation, wanted)
        case Phase.SHADOW:
            return f"shadow: {_copied(situation)}; {_served(situation)}"
        case Phase.CANARY if situation.decided:
            return _promoting(situation)
        case Phase.CANARY:
            since = _since(situation)
            return f"canary {_share(situation)}{since}; {_others(situation)}"
        case Phase.FULL:
            return _full(situation, wanted)
        case Phase.PAUSED if situation.weight > 0 and situation.leaving is None:
            return f"paused at {_share(situation)}; {_others(situation)}"
        case Phase.PAUSED if situation.roles.phase is Phase.SHADOW:
            return f"paused: {_copied(situation)}; {_served(situation)}"
        case Phase.PAUSED:
            return f"paused; {_served(situation)}"
        case ended:
            _, how = _ENDED[ended]
            return f"version {wanted} {how}; {_served(situation)}"


def _served(situation: Situation) -> str:
    stable, leaving = situation.stable, situation.leaving
    if stable is None:
        return "no version serves yet"
    if leaving is None:
        return f"all users on {stable.version}"
    if situation.weight == 1:
        return f"all users still on {leaving.version}"
    still = f"{percent(situation.weight)} of the users still on {leaving.version}"
    return f"{still}, the others on {stable.version}"


def _copied(situation: Situation) -> str:
    wanted, mirror = situation.deployment.spec.model.version, situation.roles.mirror
    share = f"copies of {percent(mirror / 100)} of the requests" if mirror else "no copies now"
    return f"{wanted} gets {share}"


def _starting(situation: Situation, wanted: str) -> str:
    first = ", the first version" if situation.stable is None else ""
    candidate = situation.candidate
    if candidate is None:
        return f"starting {wanted}{first}; {_served(situation)}"
    ready = f"{candidate.ready} of {candidate.needed} pods ready"
    trouble = f" ({candidate.trouble})" if candidate.trouble else ""
    return f"starting {wanted}{first}: {ready}{trouble}; {_served(situation)}"


def _share(situation: Situation) -> str:
    candidate = situation.candidate
    version = situation.deployment.spec.model.version if candidate is None else candidate.version
    return f"{percent(situation.weight)} of {version}"


def _promoting(situation: Situation) -> str:
    candidate, stable = situation.candidate, situation.stable
    wanted = situation.deployment.spec.model.version if candidate is None else candidate.version
    others = "" if stable is None else f", the others on {stable.version}"
    return f"promoting {wanted}: {percent(situation.weight)} of the users on it{others}"


def _since(situation: Situation) -> str:
    clocks = situation.clocks
    if not clocks.step:
        return ""
    return f" since {clock(clocks.as_of - clocks.step, clocks.as_of)}"


def _others(situation: Situation) -> str:
    if situation.stable is None:
        return "nothing else serves"
    who = "users mostly" if situation.weight < 0.5 else "the other users"
    return f"{who} on {situation.stable.version}"


def _full(situation: Situation, wanted: str) -> str:
    stable = situation.stable
    said = f"all users on {wanted if stable is None else stable.version}"
    if not situation.watching:
        return said if situation.leaving is None else _served(situation)
    clocks = situation.clocks
    watch = span(situation.deployment.spec.strategy.watch.duration).total_seconds()
    said += f", watched until {clock(clocks.as_of + watch - clocks.phase, clocks.as_of)}"
    previous = situation.previous
    if previous is None:
        return said
    colder = exchange.starts(situation.deployment.spec.replicas, previous)
    return f"{said}; {previous.version} stays warm{f', {colder}' if colder else ''}"


def _ended(situation: Situation) -> list[str]:
    outcome, _ = _ENDED[situation.phase]
    told = [reason(past.message) for past in situation.history[:1] if past.outcome is outcome]
    if not told:
        told = [hold.message for hold in situation.holds[:1]]
    elif situation.leaving is not None:
        told += [hold.message for hold in situation.holds if hold.reason is Reason.EXCHANGING]
    if not situation.accepted:
        told.append(
            "the Gateway has not accepted the route yet, so users may be split as they were before"
        )
    wanted = situation.deployment.spec.model.version
    told.append(f"apply another version, or raise strategy.attempt to try {wanted} again")
    return told


def _awaited(situation: Situation, proof: Proof | None) -> list[str]:
    if situation.phase is Phase.PAUSED:
        failed = proof is not None and proof.failed
        why = [reason(proof.explained.words)] if proof is not None and failed else []
        return [*why, "set spec.paused to false to go on"]
    if situation.phase is Phase.FULL and not situation.accepted and not situation.holds:
        return ["the Gateway has not accepted the route yet"]
    if proof is None:
        return []
    if situation.phase is Phase.FULL:
        return [reason(proof.explained.words)] if proof.failed else []
    if situation.phase is Phase.SHADOW:
        return [*_shown(situation, proof), *_few_copies(situation)]
    if situation.phase is not Phase.CANARY or situation.decided:
        return []
    return [*_proven(situation, proof), *_reduced(situation)]


def _few_copies(situation: Situation) -> Iterator[str]:
    """Why fewer requests are copied than the spec asks, unless that is because stable suffered."""
    words = shortage.of_copies(situation.deployment.spec, _users(situation))
    if words is not None and situation.roles.hurt is None:
        yield words


def _reduced(situation: Situation) -> Iterator[str]:
    """Why a step, this one or the next, is smaller than the spec asks."""
    following = ahead(situation)
    near = (
        step
        for step in situation.steps
        if step == following or float(step.weight) == situation.weight
    )
    step = next((step for step in near if step.is_reduced), None)
    if step is not None:
        extra = situation.deployment.spec.strategy.max_extra_replicas
        words = shortage.of_step(step, _users(situation), extra)
        if words is not None:
            yield words


def _users(situation: Situation) -> int:
    """The pods that serve all users, as they are now or are to be."""
    stable = situation.stable
    return max(situation.deployment.spec.replicas, 0 if stable is None else stable.replicas)


def _shown(situation: Situation, proof: Proof) -> Iterator[str]:
    """How far the proof is that the first users need, and the least that copies must show."""
    asked, trial = situation.deployment.spec.strategy.shadow, situation.trial
    slowest, aim = proof.slowest, f"the step to {percent(proof.explained.toward)}"
    silent = not situation.roles.mirror or any(
        hold.reason is Reason.MIRROR_NOT_OBSERVED for hold in situation.holds
    )
    if asked is None or trial is None or silent:
        return
    if proof.failed:
        yield f"it is to be stopped: {reason(proof.explained.words)}"
        return
    seen = copies(trial)
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


def _proven(situation: Situation, proof: Proof) -> Iterator[str]:
    """How far the proof is that the next move needs."""
    explained, strategy = proof.explained, situation.deployment.spec.strategy
    aim = "promotion" if explained.toward == 1 else f"the step to {percent(explained.toward)}"
    slowest = proof.slowest
    if explained.decision is Decision.FAIL:
        yield f"it is to be taken back: {reason(explained.words)}"
        return
    if any(hold.reason is Reason.LOW_LOAD for hold in situation.holds):
        return  # More requests prove nothing; what does is said already.
    if slowest is None:
        shortest = strategy.canary.min_step_duration
        yield f"every gate is proven for {aim}; each step lasts at least {shortest}"
        return
    seen, more = slowest.candidate.total, slowest.more_requests
    left = span(strategy.deadline).total_seconds() - situation.clocks.phase
    if more is None:
        yield f"{slowest.name} undecided: {count(seen)} requests do not prove it at these rates"
        late = True
    else:
        wait = more / (proof.rate * situation.weight) if proof.rate and situation.weight else None
        late = wait is not None and wait > left
        said = f"{slowest.name} undecided: {count(seen)} of about {about(seen + more)} requests"
        said += f" for {aim}"
        yield said if late or wait is None else f"{said}, about {duration(wait)}"
    if late and left > 0:
        first = f"the deadline comes first, in about {duration(left)}"
        yield f"{first}: {_AT_DEADLINE[strategy.on_deadline]}"
