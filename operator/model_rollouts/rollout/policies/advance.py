"""Moves that give a version more users, and the one that ends its watch."""

from fractions import Fraction

from model_rollouts.api.ratio import ratio
from model_rollouts.api.status import Phase
from model_rollouts.api.strategy import Action, StrategyMode
from model_rollouts.decision import Decision, explain
from model_rollouts.rollout.actions import Move
from model_rollouts.rollout.memory import Trial
from model_rollouts.rollout.policies import pod_exchange as exchange
from model_rollouts.rollout.policies.policy import At, Next
from model_rollouts.rollout.state import forecast as stages
from model_rollouts.rollout.state import pod_limit as shortage
from model_rollouts.rollout.state import shadow_stages as shadow
from model_rollouts.rollout.state.capacity import Step
from model_rollouts.rollout.state.state import (
    PASS,
    PASS_WITH_BOUND,
    SETTLED,
    SKIPPED,
    Found,
    seconds,
)
from model_rollouts.rollout.status.summary import Roles
from model_rollouts.text import count, percent

_ALL = Fraction(1)
_NONE = Fraction(0)
_ON_THE_WAY = (Phase.STARTING, Phase.SHADOW, Phase.CANARY)

_DECIDED = {
    PASS: "Every gate was proven.",
    PASS_WITH_BOUND: "What was not ruled out at the deadline is acceptable.",
    "Overridden": "Decided by strategy.override.",
    "Reverted": "It served all users before and was not found worse.",
    "Immediate": "strategy.mode is Immediate: it was not judged.",
}
"""Why a version gets all users, by the verdict in the record."""


def promoted(at: At, verdict: str, why: str, move: Move = Move.PROMOTE) -> Next | None:
    """All users, once enough pods are ready to serve them."""
    found, roles = at.found, at.found.roles
    candidate = found.candidate()
    if candidate is None:
        return None
    if roles.verdict == SKIPPED:
        why = f"{why} {skipped(found)}"
    if candidate.ready < found.serving():
        return exchange.toward(at, candidate, verdict, why)
    after = Roles(
        stable=found.wanted.name,
        candidate=None,
        previous=roles.stable,
        phase=Phase.FULL,
        weight=_NONE,
        attempt=found.spec.strategy.attempt,
        verdict=verdict,
        sequence=roles.sequence + 1,
    )
    said = f"{at.version(found.wanted.name)} gets all users. {why}"
    return Next(move, after, "Promoted", said, why)


def goes_on(at: At) -> Next | None:
    """What was decided before an exchange of pods began; the record has the verdict."""
    decided = at.found.decided
    return None if decided is None else promoted(at, decided, _DECIDED.get(decided, "It goes on."))


def by_hand(at: At) -> Next | None:
    asked = at.found.spec.strategy.override
    if asked is None or at.found.phase not in _ON_THE_WAY:
        return None
    if not at.found.override(Action.PROMOTE, at.found.wanted.name):
        return None
    return promoted(at, "Overridden", f"Decided by strategy.override: {asked.reason}.")


def first(at: At) -> Next | None:
    if at.found.phase is not Phase.STARTING or at.found.roles.stable is not None:
        return None
    return promoted(at, "First", "It is the first version.", Move.FIRST)


def reverted(at: At) -> Next | None:
    if at.found.phase is not Phase.STARTING or not at.found.known_good:
        return None
    why = "It served all users before and was not found worse."
    return promoted(at, "Reverted", why, Move.REVERT)


def immediate(at: At) -> Next | None:
    """Also in the middle of a canary: it is how people end one that they need not have judged."""
    if at.found.phase not in _ON_THE_WAY:
        return None
    if at.found.spec.strategy.mode is not StrategyMode.IMMEDIATE:
        return None
    return promoted(at, "Immediate", "strategy.mode is Immediate: it was not judged.")


def mirrors(at: At) -> Next | None:
    """Copies of requests for a version that has none yet, or more of them."""
    found, roles = at.found, at.found.roles
    candidate = found.candidate()
    if not found.shadows or found.phase not in (Phase.STARTING, Phase.SHADOW):
        return None
    stage = next((stage for stage in found.stages if stage > found.mirror), None)
    if stage is None or candidate is None or not candidate.is_ready:
        return None
    if found.mirror and not found.copies_arrive:
        return None
    after = Roles(
        stable=roles.stable,
        candidate=found.wanted.name,
        previous=None,
        phase=Phase.SHADOW,
        weight=_NONE,
        attempt=found.spec.strategy.attempt,
        verdict=None,
        sequence=roles.sequence + 1,
        mirror=stage,
        hurt=found.hurt,
        since=roles.since if found.mirror else int(found.now),
    )
    said = (
        f"{at.version(found.wanted.name)} gets copies of {percent(stage / 100)} of the requests; "
        "no user sees its answers."
    )
    few = shortage.of_copies(found.spec, found.serving()) if stage == found.most_copied else None
    note = f"{said}{_sentence(few)}"
    if not found.mirror:
        note += _planned(found)
    return Next(Move.MIRROR, after, "Mirrored", note, said)


def begins(at: At) -> Next | None:
    found, roles = at.found, at.found.roles
    candidate = found.candidate()
    if found.phase not in (Phase.STARTING, Phase.SHADOW):
        return None
    if candidate is None or not candidate.is_ready:
        return None
    if found.shadows and not found.leaves_shadow:
        return None
    step = found.next_step
    weight = step.weight
    after = Roles(
        stable=roles.stable,
        candidate=found.wanted.name,
        previous=None,
        phase=Phase.CANARY,
        weight=weight,
        attempt=found.spec.strategy.attempt,
        verdict=SKIPPED if found.override(Action.SKIP_SHADOW, found.wanted.name) else None,
        sequence=roles.sequence + 1,
    )
    said = f"{at.version(found.wanted.name)} gets its first users, {ratio(weight)} of them."
    trial = found.memory.trial
    if found.shadows and trial is not None:
        said += f" {count(shadow.copies(trial))} copies of requests showed nothing against it."
    elif after.verdict == SKIPPED:
        said += f" {skipped(found)}"
    note = f"{said}{_reduced(found, step)}"
    if after.verdict != SKIPPED and not found.shadows:
        note += _planned(found)
    return Next(Move.BEGIN, after, "CanaryStarted", note, said)


def _planned(found: Found) -> str:
    """What is before the version, told where it begins."""
    coming = stages.plan(found, stages.canary(found))
    return "" if coming is None else f" Plan: {coming}."


def skipped(found: Found) -> str:
    """That a person had shadow skipped, and why as far as the spec still says so."""
    asked = found.spec.strategy.override
    if asked is None or not found.override(Action.SKIP_SHADOW, found.wanted.name):
        return "Shadow was skipped by hand."
    return f"Shadow was skipped by strategy.override: {asked.reason}."


def advances(at: At) -> Next | None:
    found, roles, trial = at.found, at.found.roles, at.trial
    candidate = found.candidate()
    if found.phase is not Phase.CANARY or trial is None or candidate is None:
        return None
    if found.decided is not None:
        return None
    if found.clocks.step < seconds(found.spec.strategy.canary.min_step_duration):
        return None
    step = found.next_step
    if not candidate.is_ready or not _passes(trial, step):
        return None
    why = explain(trial.judge, trial.state, float(step.proof), weight=float(step.weight)).words
    if step.weight == _ALL:
        return promoted(at, PASS, why)
    after = roles._replace(weight=step.weight, sequence=roles.sequence + 1)
    said = f"{at.version(roles.candidate)} gets {ratio(step.weight)} of the users. {why}"
    return Next(Move.ADVANCE, after, "Advanced", f"{said}{_reduced(found, step)}", why)


def _passes(trial: Trial, step: Step) -> bool:
    return trial.judge.decide(trial.state, float(step.proof)) is Decision.PASS


def _reduced(found: Found, step: Step) -> str:
    return _sentence(shortage.of_step(step, found.serving(), found.extra))


def _sentence(words: str | None) -> str:
    """One more sentence, empty when there is nothing to say."""
    return f" {words[:1].upper()}{words[1:]}." if words else ""


def settles(at: At) -> Next | None:
    found, roles = at.found, at.found.roles
    if not found.watching or found.phase is not Phase.FULL:
        return None
    if found.clocks.phase < seconds(found.spec.strategy.watch.duration):
        return None
    after = roles._replace(previous=None, verdict=SETTLED, sequence=roles.sequence + 1)
    said = f"The watch of {at.version(roles.stable)} is over."
    return Next(Move.SETTLE, after, "Settled", said, said)
