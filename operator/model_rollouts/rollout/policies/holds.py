"""Why a rollout does not move by itself now. What is held stays as it is; nothing is lost by it."""

from model_rollouts.api.conditions import Reason
from model_rollouts.api.phase import Phase
from model_rollouts.api.strategy import Action
from model_rollouts.decision import COMPARABLE_LOAD, Decision, Role
from model_rollouts.rollout.memory import Trial
from model_rollouts.rollout.objects import companions
from model_rollouts.rollout.policies import pod_exchange
from model_rollouts.rollout.policies.needs import WAITING_SECONDS
from model_rollouts.rollout.standing import Hold
from model_rollouts.rollout.state import shadow_stages
from model_rollouts.rollout.state.state import RolloutState, raise_attempt, seconds
from model_rollouts.routes.record import RecordedVerdict
from model_rollouts.text import capitalized, cut, percent

_MOST_FAILURES = 3
"""Writes that one message names."""

_BRIEF = 80
"""Characters of what others say, in the clause of a status sentence."""

_SHORT_BRIEF = 70
"""Characters of a clause beside a whole sentence."""


def paused(state: RolloutState) -> Hold | None:
    if not state.spec.paused:
        return None
    return Hold(Reason.PAUSED, "spec.paused is true. Set it to false to resume.", "it is paused")


def held_by_hand(state: RolloutState) -> Hold | None:
    asked = state.spec.strategy.override
    if asked is None or not state.override(Action.HOLD, state.wanted.name):
        return None
    return Hold(
        Reason.OVERRIDDEN,
        f"Held by strategy.override: {asked.reason}. Remove the override to resume.",
        "held by strategy.override",
    )


def stable_unavailable(state: RolloutState) -> Hold | None:
    """A candidate is not compared with a stable that has too few pods."""
    stable = state.stable
    if stable is None or stable.is_ready:
        return None
    trouble = f": {stable.trouble}" if stable.trouble else ""
    if stable.grows:
        added = f"version {stable.version} has {stable.ready} of {stable.replicas} pods ready"
        return Hold(Reason.SCALING_UP, f"{capitalized(added)}{trouble}.", added)
    return Hold(
        Reason.STABLE_UNAVAILABLE,
        f"{stable.ready} of {stable.replicas} pods of version {stable.version} are ready, "
        f"{stable.needed} are needed{trouble}.",
        f"version {stable.version} has {stable.ready} of {stable.needed} needed pods ready",
    )


def asleep(state: RolloutState) -> Hold | None:
    """Nobody can be compared, and nothing is promoted, where no pod runs."""
    if not state.is_asleep or state.phase is Phase.FULL or state.phase.has_ended:
        return None
    return Hold(
        Reason.SCALED_TO_ZERO,
        f"spec.replicas is 0. Version {state.spec.model.version} starts once it is at least 1.",
        "spec.replicas is 0",
    )


def too_slow_to_start(state: RolloutState) -> Hold | None:
    """Told after its time, and gone when pods are ready: nothing that is waited for is final."""
    limit = state.spec.strategy.progress_deadline
    if not state.is_late:
        return None
    candidate = state.candidate
    if candidate is None or candidate.is_ready:
        return None
    trouble = f": {candidate.trouble}" if candidate.trouble else ""
    return Hold(
        Reason.PROGRESS_DEADLINE_EXCEEDED,
        f"{candidate.ready} of {candidate.needed} pods of version {candidate.version} became ready "
        f"within {limit}{trouble}. Run kubectl describe deployment {candidate.revision}. The "
        "rollout continues automatically when they are ready.",
        f"{candidate.ready} of {candidate.needed} pods became ready within {limit}{trouble}",
        stalls=True,
    )


def unaccepted_since(state: RolloutState) -> float | None:
    """`Memory.unaccepted_since` as of this pass.

    Anybody may write the route again and again: each time the gateway needs a moment, and that is
    no news.
    """
    why = state.refusal
    if why is None or not why.pending:
        return None
    since = state.memory.unaccepted_since
    return state.now if since is None else since


def not_accepted(state: RolloutState) -> Hold | None:
    why = state.refusal
    if why is None:
        return None
    since = state.memory.unaccepted_since
    # A clock that stepped back would wait for long.
    slow = since is not None and abs(state.now - since) >= WAITING_SECONDS
    return Hold(
        Reason.GATEWAY_NOT_ACCEPTED,
        f"{why.words}.",
        "the Gateway has not accepted the route",
        told=slow or not why.pending,
    )


def mirror(state: RolloutState) -> Hold | None:
    split = state.memory.split
    if not state.mirror_percent or split is None or split.mismatch is None:
        return None
    return Hold(
        Reason.MIRROR_NOT_OBSERVED,
        f"{capitalized(split.mismatch)}. The Gateway may not support mirroring; set "
        "strategy.shadow.percent: 0 to continue without shadow.",
        split.mismatch,
    )


def hurts(state: RolloutState) -> Hold | None:
    if state.suffered_at_percent is None or not state.shadows:
        return None
    if state.roles.verdict == RecordedVerdict.MIRROR_REFUSED:
        return Hold(
            Reason.GATEWAY_INCAPABLE,
            "The Gateway refused the route with mirroring. Set strategy.shadow.percent: 0 to "
            "continue without shadow, or use a Gateway that supports RequestMirror with a "
            f"percentage and {raise_attempt(state.spec, state.roles)}.",
            "the Gateway refused the route with mirroring",
        )
    impact = state.memory.shadow_impact
    seen = f": {impact.words}" if impact is not None and impact.words else ""
    mirrored = percent(state.suffered_at_percent / 100)
    return Hold(
        Reason.SHADOW_HURTS_STABLE,
        f"Mirroring {mirrored} of requests made stable worse{seen}. "
        f"{shadow_stages.words(state.mirror_percent)}. Lower strategy.shadow.percent; or give "
        f"stable more replicas and {raise_attempt(state.spec, state.roles)}; or skip shadow with "
        "strategy.override SkipShadow.",
        f"mirroring {mirrored} made stable worse",
    )


def split(state: RolloutState) -> Hold | None:
    split = state.memory.split
    if not state.phase.shares_traffic or split is None or split.mismatch is None:
        return None
    return Hold(Reason.SPLIT_NOT_OBSERVED, f"{capitalized(split.mismatch)}.", split.mismatch)


def arms_differ(state: RolloutState) -> Hold | None:
    """What both are compared on is not the same; what fails its target still fails it."""
    split = state.memory.split
    if not state.phase.shares_traffic or split is None or split.differs is None:
        return None
    return Hold(
        Reason.ARMS_DIFFER,
        f"{capitalized(split.differs)}. Both have different users, so nothing is promoted on the "
        "comparison. Look for a route or a client that sends this slice to one of the two.",
        "both versions have different users",
    )


def low_load(state: RolloutState) -> Hold | None:
    """An idle pod is always fast: latency is proven for all users under a load like theirs."""
    candidate, stable, trial = state.candidate, state.stable, state.memory.trial
    split = state.memory.split
    if not state.phase.shares_traffic or state.promotion_verdict is not None or trial is None:
        return None
    if state.next_step.weight != 1:
        return None
    if split is None or not split.observed or candidate is None or stable is None:
        return None
    if not candidate.ready or not stable.ready:
        return None
    load = split.candidate * stable.ready / (candidate.ready * max(split.stable, 1))
    waiting = _latency_gates(trial)
    if load >= COMPARABLE_LOAD or not waiting:
        return None
    names = " and ".join(waiting)
    return Hold(
        Reason.LOW_LOAD,
        f"{names} cannot pass for promotion yet: each pod of version {candidate.version} "
        f"({candidate.ready} for {percent(state.roles.weight)} of users) gets {load:.2f}x the "
        f"requests of a pod of version {stable.version}; {COMPARABLE_LOAD:g}x is needed. Add a "
        "last step of 50% to strategy.canary.steps.",
        f"each candidate pod gets {load:.2f}x the requests of a stable pod, promotion needs "
        f"{COMPARABLE_LOAD:g}x",
    )


def _latency_gates(trial: Trial) -> list[str]:
    """The latency objectives that are not proven yet, and block promotion."""
    judge, evidence = trial.judge, trial.state.evidence
    return [
        objective.name
        for index, objective in enumerate(judge.rules.objectives)
        if objective.latency is not None
        and objective.role is Role.GATE
        and not judge.passes(index, evidence[index], level=0)
    ]


def capacity(state: RolloutState) -> Hold | None:
    """Pods for the next step start while the present one is judged; only a late one is told."""
    candidate, trial = state.candidate, state.memory.trial
    if candidate is None or candidate.is_ready or trial is None:
        return None
    said = "" if candidate.trouble is None else f": {candidate.trouble}"
    if state.phase.mirrors:
        return Hold(
            Reason.CAPACITY_PENDING,
            f"{candidate.ready} of {candidate.needed} pods of version {candidate.version} are "
            f"ready{said}.",
            cut(f"{candidate.ready} of {candidate.needed} pods are ready{said}", _SHORT_BRIEF),
        )
    if not state.phase.shares_traffic:
        return None
    if state.clocks.step < seconds(state.spec.strategy.canary.min_step_duration):
        # The step lasts in any case.
        return None
    if state.promotion_verdict:
        return None
    passed = trial.judge.decide(trial.state, float(state.next_step.proof)) is Decision.PASS
    ready = f"{candidate.ready} of {candidate.needed} pods for the next step are ready{said}"
    if not passed and not said:
        # They become ready while it is judged.
        return None
    return Hold(
        Reason.CAPACITY_PENDING,
        f"Every gate passed; {ready}." if passed else f"{ready}.",
        cut(ready.replace(" for the next step are", "") if said else ready, _SHORT_BRIEF),
    )


def exchanging(state: RolloutState) -> Hold | None:
    """Users move as fast as pods become ready, and until then nothing else begins."""
    words = pod_exchange.awaited(state)
    return None if words is None else Hold(Reason.EXCHANGING, f"{capitalized(words)}.", words)


def write_refused(state: RolloutState) -> Hold | None:
    """A check that is not answered holds the version that it is about, and nothing else."""
    lasting = (each for each in state.observed.failures if each.writes and each.lasts)
    failed = sorted(f"{each.what}: {each.answer}" for each in lasting)
    if not failed:
        return None
    said = "; ".join(failed[:_MOST_FAILURES])
    return Hold(
        Reason.WRITE_REFUSED,
        f"The API server refuses a write: {said}. The operator retries; look at the webhook, "
        "policy or quota that answers so, and at the operator's permissions.",
        f"the API server refuses a write: {cut(failed[0], _BRIEF)}",
    )


def lacks_companions(state: RolloutState) -> Hold | None:
    """A gateway may not reach a version of which it was not told how: nobody would see that."""
    candidate = state.candidate
    if candidate is None or not (missing := [*companions.missing(state, candidate.revision)]):
        return None
    body = missing[0].body
    lacking = f"{body['kind']} {body['metadata']['name']} of version {candidate.version}"
    return Hold(
        Reason.COMPANION_MISSING,
        f"{lacking} is not written. The administrator wants it beside the version's Services "
        "before users get the version. The operator retries; see the condition WriteRefused.",
        f"{lacking} is not written",
        # As a rule it is written in the same moment.
        told=any(each.writes for each in state.observed.failures),
    )


def revision_lost(state: RolloutState) -> Hold | None:
    """Of a revision with a role whose stored form is gone, only the way back is taken."""
    roles = state.roles
    named = (roles.stable, roles.candidate, roles.previous)
    faults = (state.revisions[name].fault for name in named if name is not None)
    found = next((fault for fault in faults if fault is not None), None)
    if found is None:
        return None
    return Hold(
        Reason.INVALID_SPEC, f"{found}.", "a ControllerRevision cannot be read", stalls=True
    )


def route_kept(state: RolloutState) -> Hold | None:
    """A route that something changes at each write is taken as it is, and judged on."""
    repair = state.memory.route_repair
    if repair is None or not repair.is_kept:
        return None
    paths = ", ".join(repair.paths)
    return Hold(
        Reason.ROUTE_CHANGED,
        f"Something changes the HTTPRoute whenever it is written: {paths}. It is used as it is. "
        "Look for an admission webhook on HTTPRoutes, or another controller that owns this one.",
        f"something changes the HTTPRoute whenever it is written: {cut(paths, _BRIEF)}",
    )
