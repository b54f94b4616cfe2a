"""What is told beside where the rollout is: a condition each, while there is something to do."""

from collections.abc import Iterator
from typing import NamedTuple

from model_rollouts.api.conditions import ConditionType, Reason, find_condition
from model_rollouts.resources import names
from model_rollouts.rollout.objects import restarts
from model_rollouts.rollout.objects.restarts import Restart
from model_rollouts.rollout.state import second_chances
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.routes.acceptance import rejections_of
from model_rollouts.text import clock, count, listed, observed


class Notice(NamedTuple):
    """A condition that is true, as a reason and in sentences."""

    type: ConditionType
    reason: Reason
    message: str


TYPES = (
    ConditionType.FALLBACK_ACTIVE,
    ConditionType.FALLBACK_ABSENT,
    ConditionType.OVERRIDE_IGNORED,
    ConditionType.PARENT_REJECTED,
    ConditionType.RESTARTING,
    ConditionType.STABLE_NOT_CAPTURED,
    ConditionType.INPUTS_DRIFTED,
)
"""Conditions that notices are."""


def notices(state: RolloutState) -> tuple[Notice, ...]:
    """Everything that is to be told now."""
    return tuple(_found(state))


def _found(state: RolloutState) -> Iterator[Notice]:
    yield from _override(state)
    yield from _rejected(state)
    yield from _restart(state)
    yield from _capture(state)
    yield from _inputs(state)
    yield from _fallback(state)
    yield from _standby(state)
    yield from _late_fallback(state)


def _rejected(state: RolloutState) -> Iterator[Notice]:
    route, absent = state.observed.children.route, state.observed.absent
    words = () if route is None else [each.words for each in rejections_of(route, absent)]
    if words:
        yield Notice(
            ConditionType.PARENT_REJECTED,
            Reason.GATEWAY_NOT_ACCEPTED,
            f"{'; '.join(words)}. The other gateways serve the route. Correct the reference in "
            "spec.route.parentRefs, or what the Gateway asks for.",
        )


def _restart(state: RolloutState) -> Iterator[Notice]:
    found, stable = restarts.of_stable(state), state.stable
    if found is None or stable is None:
        return
    where, replaced, pods = found
    so_far = f"strategy.restart: {replaced} of {pods} pods of version {stable.version} are replaced"
    match where:
        case Restart.WAITS:
            reason = Reason.RESTART_WAITS
            said = (
                f"strategy.restart: pods of version {stable.version} are replaced when no other "
                "version is compared with it, and the rollout is not paused."
            )
        case Restart.UNDER_WAY:
            reason, said = Reason.REPLACING_PODS, f"{so_far}."
        case Restart.STOPPED:
            reason = Reason.RESTART_STOPPED
            said = (
                f"{so_far}. The service fails since then, so the others keep running. Correct what "
                "was changed, and write another token."
            )
    yield Notice(ConditionType.RESTARTING, reason, said)


def _capture(state: RolloutState) -> Iterator[Notice]:
    """What a stable version does not tell cannot be compared, however long one waits."""
    asked, stable = state.spec.capture, state.stable
    revision = None if stable is None else state.revisions.get(stable.revision)
    if asked is None or revision is None or revision.fault is not None:
        return
    lacks = "no records" if revision.capture is None else "no bodies"
    if revision.capture is None or (asked.sample and revision.capture.sample is None):
        yield Notice(
            ConditionType.STABLE_NOT_CAPTURED,
            Reason.RENDERED_BEFORE,
            f"spec.capture: version {revision.version}, which serves, sends {lacks} to the "
            "observer: its pods were made before spec.capture asked for them. Its answers are "
            "compared with those of no other version; once another one is promoted, this ends.",
        )


MOST_INPUTS = 3
"""Inputs that are named."""


def _inputs(state: RolloutState) -> Iterator[Notice]:
    """Nothing follows from it: other inputs are no mistake of a version."""
    asked, seen = state.spec.model.reference, state.observed.inputs
    if asked is None or seen is None or seen.asked != asked.digest or not seen.moved:
        return
    told = "; ".join(f"{each.name}: {each.change}" for each in seen.moved[:MOST_INPUTS])
    more = len(seen.moved) - MOST_INPUTS
    yield Notice(
        ConditionType.INPUTS_DRIFTED,
        Reason.INPUTS_MOVED,
        f"{told}{f'; and {more} more' if more > 0 else ''}. So are {count(seen.requests)} requests "
        f"from {seen.since} to {seen.until}, beside spec.model.reference. Correct what sends or "
        "prepares these inputs; if they are right, train a version on such data and name its "
        "reference.",
    )


def _override(state: RolloutState) -> Iterator[Notice]:
    asked = state.spec.strategy.override
    if asked is not None and state.overridden is None:
        known = dict.fromkeys(
            [state.spec.model.version, *(each.version for each in state.revisions.values())]
        )
        yield Notice(
            ConditionType.OVERRIDE_IGNORED,
            Reason.VERSION_UNKNOWN,
            f"strategy.override has no effect: no revision has version {asked.version}. Known "
            f"versions are {', '.join(known)}. Correct the version, or remove the override.",
        )


def _fallback(state: RolloutState) -> Iterator[Notice]:
    """Users notice little of it, and that is why somebody has to be told."""
    told = [
        f"version {each.revision.version} did not answer {count(each.of_fallback)} of "
        f"{count(each.total)} requests of users in the last 5 min "
        f"({observed(each.of_fallback / each.total)})"
        for each in second_chances.answers(state)
        if each.of_fallback and second_chances.has_users(state, each.revision.name)
    ]
    if not told:
        return
    type = ConditionType.FALLBACK_ACTIVE
    known = find_condition(state.deployment.status.conditions, type)
    since = state.now if known is None else known.last_transition_time.timestamp()
    yield Notice(
        type,
        Reason.MODEL_FAILS,
        f"Since {clock(since, state.now)} users get answers of the fallback: {listed(told)}. The "
        "model is judged by what it did itself. Check its pods, or apply another version.",
    )


def _standby(state: RolloutState) -> Iterator[Notice]:
    """Nobody stands in for what serves, though spec.fallback asks for it."""
    stable, kept = state.stable, second_chances.standby(state)
    if stable is None or state.is_asleep or not second_chances.falls_back(state, stable.revision):
        return
    type = ConditionType.FALLBACK_ABSENT
    errors = f"users get the errors of version {stable.version}"
    if kept is None:
        yield Notice(
            type,
            Reason.NONE_BEFORE,
            f"spec.fallback: no version served before version {stable.version} that could stand in "
            f"for it, so {errors}. The next version that is promoted has this one.",
        )
    elif not kept.ready:
        said = f"spec.fallback: version {kept.version} stands in for version {stable.version}"
        if not kept.replicas:
            why = "has no pod: strategy.maxExtraReplicas leaves none for it now"
        else:
            why = f"has no ready pod{'' if kept.trouble is None else f': {kept.trouble}'}"
        yield Notice(
            type,
            Reason.STANDBY_NOT_READY,
            f"{said} and {why}. Until it is ready, {errors}. See `kubectl get pods -l "
            f"{names.REVISION_LABEL}={kept.revision}`.",
        )


def _late_fallback(state: RolloutState) -> Iterator[Notice]:
    """The gateway ends slow requests before they have their second chance."""
    fallback = state.spec.fallback
    cut = None if fallback is None else fallback.comes_late(state.spec.route)
    if fallback is not None and cut is not None:
        place, text = cut
        yield Notice(
            ConditionType.FALLBACK_ABSENT,
            Reason.TIMEOUT_FIRST,
            f"{place} ends requests after {text}, and spec.fallback.after is {fallback.after}: "
            "users get an error of the gateway, and no answer of the fallback, where the model is "
            f"too slow. Write less than {text} into spec.fallback.after, or a longer timeout: the "
            f"model has {fallback.after}, and the fallback as long again.",
        )
