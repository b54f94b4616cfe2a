"""Moves that give a version more users, and the one that ends its watch."""

from collections.abc import Mapping
from fractions import Fraction

from model_rollouts.api.phase import Phase
from model_rollouts.api.strategy import Action, StrategyMode
from model_rollouts.decision import Step, may_advance
from model_rollouts.rollout.actions import Move
from model_rollouts.rollout.policies import pod_exchange
from model_rollouts.rollout.policies.policy import NextMove, PolicyInput
from model_rollouts.rollout.standing import Roles
from model_rollouts.rollout.state import pod_limit, shadow_stages
from model_rollouts.rollout.state.forecast import expected_canary, plan_sentence
from model_rollouts.rollout.state.state import RolloutState, seconds
from model_rollouts.rollout.trial.traffic_split import left_out
from model_rollouts.rollout.trial.trial import counted_copies
from model_rollouts.rollout.trial.unmirrored import by_size
from model_rollouts.routes.record import RecordedVerdict
from model_rollouts.text import capitalized, count, observed, percent

_ALL = Fraction(1)
_NONE = Fraction(0)

_PASSED = "every gate passed"
_KNOWN_GOOD = "it served all users before and was not found worse"
_NOT_JUDGED = "it was not judged, because strategy.mode is Immediate"

_REPLACED = "it replaced the only pod, because strategy.maxExtraReplicas is 0"

_DECIDED: Mapping[str, str] = {
    RecordedVerdict.PASS: _PASSED,
    RecordedVerdict.PASS_WITH_BOUND: "what could not be ruled out at the deadline is acceptable",
    RecordedVerdict.OVERRIDDEN: "decided by strategy.override",
    RecordedVerdict.REVERTED: _KNOWN_GOOD,
    RecordedVerdict.IMMEDIATE: _NOT_JUDGED,
}
"""Why a version gets all users, as a clause, by the verdict in the record."""


def promoted(
    given: PolicyInput, verdict: str, why: str, move: Move = Move.PROMOTE
) -> NextMove | None:
    """All users, once enough pods are ready to serve them; `why` is a clause."""
    state, roles = given.state, given.state.roles
    candidate = state.candidate
    if candidate is None:
        return None
    if roles.verdict == RecordedVerdict.SKIPPED_SHADOW:
        why = f"{why}; {skipped(state)}"
    if candidate.ready < max(1, state.serving):
        return pod_exchange.toward(given, candidate, verdict, why)
    after = Roles(
        stable=state.wanted.name,
        candidate=None,
        previous=roles.stable,
        phase=Phase.FULL,
        weight=_NONE,
        attempt=state.wanted_attempt,
        verdict=verdict,
        sequence=roles.sequence + 1,
        # How often it was without pods counts on in its watch.
        suspension=state.suspension if state.phase.shares_traffic else None,
    )
    said = capitalized(f"{given.version(state.wanted.name)} now serves all users: {why}.")
    return NextMove(move, after, "Promoted", said, f"{capitalized(why)}.")


def goes_on(given: PolicyInput) -> NextMove | None:
    """What was decided before an exchange of pods began; the record has the verdict."""
    decided = given.state.promotion_verdict
    if decided is None:
        return None
    return promoted(given, decided, _DECIDED.get(decided, "it was decided before"))


def by_hand(given: PolicyInput) -> NextMove | None:
    asked = given.state.spec.strategy.override
    if asked is None or not given.state.is_on_the_way:
        return None
    if not given.state.override(Action.PROMOTE, given.state.wanted.name):
        return None
    return promoted(
        given, RecordedVerdict.OVERRIDDEN, f"decided by strategy.override: {asked.reason}"
    )


def first(given: PolicyInput) -> NextMove | None:
    if given.state.phase is not Phase.STARTING or given.state.roles.stable is not None:
        return None
    return promoted(given, RecordedVerdict.FIRST, "it is the first version", Move.FIRST)


def reverted(given: PolicyInput) -> NextMove | None:
    if given.state.phase is not Phase.STARTING or not given.state.known_good:
        return None
    return promoted(given, RecordedVerdict.REVERTED, _KNOWN_GOOD, Move.REVERT)


def immediate(given: PolicyInput) -> NextMove | None:
    """Also in the middle of a canary: so it ends when it need not be judged any further."""
    if not given.state.is_on_the_way:
        return None
    if given.state.spec.strategy.mode is not StrategyMode.IMMEDIATE:
        return None
    return promoted(given, RecordedVerdict.IMMEDIATE, _NOT_JUDGED)


def replaced(given: PolicyInput) -> NextMove | None:
    """The only pod has made room: nobody is served by the version before."""
    state, candidate = given.state, given.state.candidate
    if state.phase is not Phase.STARTING or not state.swaps:
        return None
    if candidate is None or not candidate.ready:
        return None
    return promoted(given, RecordedVerdict.REPLACED, _REPLACED)


def mirrors(given: PolicyInput) -> NextMove | None:
    """Mirrored requests for a version that has none yet, or more of them."""
    state, roles = given.state, given.state.roles
    candidate = state.candidate
    if not state.shadows or not _has_no_users(state.phase):
        return None
    stage = next((stage for stage in state.stages if stage > state.mirror_percent), None)
    if stage is None or candidate is None or not candidate.is_ready:
        return _compared_with_itself(given)
    if state.mirror_percent and not state.copies_arrive:
        return _compared_with_itself(given)
    itself = shadow_stages.itself(state.spec, stage)
    after = roles.mirroring(
        state.wanted.name,
        stage,
        attempt=state.wanted_attempt,
        suffered_at_percent=state.suffered_at_percent,
        since=roles.since if state.mirror_percent else int(state.now),
        itself=itself,
    )
    also = f", and {percent(itself / 100)} to another pod of {given.version(roles.stable)}"
    said = (
        f"{percent(stage / 100)} of requests are now mirrored to "
        f"{given.version(state.wanted.name)}{also if itself else ''}; users do not see its answers."
    )
    few = (
        pod_limit.of_copies(state.spec, state.serving)
        if stage == state.max_mirror_percent
        else None
    )
    note = f"{said}{_sentence(few)}"
    if not state.mirror_percent:
        note += _planned(state)
    return NextMove(Move.MIRROR, after, "Mirrored", note, said)


def _compared_with_itself(given: PolicyInput) -> NextMove | None:
    """Another pod of stable is asked too, or no more, because the objectives have changed."""
    state, roles = given.state, given.state.roles
    itself = shadow_stages.itself(state.spec, state.mirror_percent)
    if not state.mirror_percent or itself == roles.itself_percent:
        return None
    after = roles._replace(itself_percent=itself, sequence=roles.sequence + 1)
    stable = given.version(roles.stable)
    said = (
        f"{percent(itself / 100)} of requests are now mirrored to another pod of {stable} too."
        if itself
        else f"No requests are mirrored to another pod of {stable} any more."
    )
    return NextMove(Move.MIRROR, after, "Mirrored", said, said)


def begins(given: PolicyInput) -> NextMove | None:
    state, roles = given.state, given.state.roles
    candidate = state.candidate
    if not _has_no_users(state.phase):
        return None
    if candidate is None or not candidate.is_ready:
        return None
    if state.shadows and not state.leaves_shadow:
        return None
    step = state.next_step
    weight = step.weight
    skips = state.override(Action.SKIP_SHADOW, state.wanted.name)
    after = roles.sharing(
        state.wanted.name,
        weight,
        attempt=state.wanted_attempt,
        verdict=RecordedVerdict.SKIPPED_SHADOW if skips else None,
    )
    said = f"{given.version(state.wanted.name)} gets its first users, {percent(weight)} of them"
    trial = state.memory.trial
    if state.shadows and trial is not None:
        said += f": {count(counted_copies(trial))} mirrored requests showed nothing against it"
        said += _unmirrored(state)
    elif skips:
        said += f": {skipped(state)}"
    said = f"{capitalized(said)}."
    note = f"{said}{_reduced(state, step)}"
    if not skips and not state.shadows:
        note += _planned(state)
    return NextMove(Move.BEGIN, after, "CanaryStarted", note, said)


def _unmirrored(state: RolloutState) -> str:
    """What share of the requests to be mirrored never came, and how large they were: a clause."""
    split, sizes = state.memory.split, state.observed.sizes
    missing = None if split is None else left_out(split)
    if split is None or missing is None:
        return ""
    said = f", but {observed(missing)} of the requests to be mirrored never came"
    if sizes is None or sizes.since_ms != split.since_ms:
        return said
    return f"{said}{by_size(missing, sizes.users, sizes.mirrored)}"


def _planned(state: RolloutState) -> str:
    """What is before the version, told where it begins."""
    coming = plan_sentence(state, expected_canary(state))
    return "" if coming is None else f" Plan: {coming}."


def skipped(state: RolloutState) -> str:
    """That shadow was skipped on request, and why as far as the spec still says so: a clause."""
    asked = state.spec.strategy.override
    if asked is None or not state.override(Action.SKIP_SHADOW, state.wanted.name):
        return "shadow was skipped on request"
    return f"shadow was skipped by strategy.override: {asked.reason}"


def _has_no_users(phase: Phase) -> bool:
    return phase is Phase.STARTING or phase.mirrors


def advances(given: PolicyInput) -> NextMove | None:
    state, roles, trial = given.state, given.state.roles, given.trial
    candidate = state.candidate
    if not state.phase.shares_traffic or trial is None or candidate is None:
        return None
    if state.promotion_verdict is not None:
        return None
    least, step = seconds(state.spec.strategy.canary.min_step_duration), state.next_step
    if not candidate.is_ready:
        return None
    if not may_advance(trial.judge, trial.state, step, state.clocks.step, least):
        return None
    if step.is_all:
        return promoted(given, RecordedVerdict.PASS, _PASSED)
    after = roles._replace(weight=step.weight, sequence=roles.sequence + 1)
    who = capitalized(given.version(roles.candidate))
    said = f"{who} now gets {percent(step.weight)} of users: {_PASSED}."
    return NextMove(Move.ADVANCE, after, "Advanced", f"{said}{_reduced(state, step)}", said)


def _reduced(state: RolloutState, step: Step) -> str:
    return _sentence(pod_limit.of_step(step, state.serving, state.spec.strategy.max_extra_replicas))


def _sentence(words: str | None) -> str:
    """One more sentence, empty when there is nothing to say."""
    return f" {capitalized(words)}." if words else ""


def settles(given: PolicyInput) -> NextMove | None:
    state, roles = given.state, given.state.roles
    if not state.watching or state.phase is not Phase.FULL:
        return None
    if state.clocks.phase < seconds(state.spec.strategy.watch.duration):
        return None
    after = roles._replace(
        previous=None,
        verdict=RecordedVerdict.SETTLED,
        sequence=roles.sequence + 1,
        suspension=None,
    )
    said = f"The watch over {given.version(roles.stable)} ended; it stays stable."
    return NextMove(Move.SETTLE, after, "Settled", said, said)
