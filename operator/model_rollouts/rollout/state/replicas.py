"""How many pods serve all users: `spec.replicas`, which autoscalers write, followed with care.

More pods are given at once. Fewer are taken away in steps, and none while two versions have users:
an autoscaler sees the load of a pod only some time after its number has changed, and while what it
wrote is not what runs, it takes a load that is as wanted for a reason to leave its number as it is
(kube-controller-manager answers `spec.replicas` within its tolerance). After a step of a fifth the
load of a pod is outside of that, and the autoscaler corrects a number that was wrong.

A number that nobody asked for (see `api/replicas.py`) is not followed at all.
"""

from collections.abc import Iterator
from fractions import Fraction

from model_rollouts.api.conditions import ConditionType, Reason, find_condition
from model_rollouts.api.deployment import ModelDeployment
from model_rollouts.api.replicas import DEFAULT, asked, is_owned
from model_rollouts.api.status import Status
from model_rollouts.rollout.memory import Memory, Replicas
from model_rollouts.rollout.observed import Children, Observed
from model_rollouts.rollout.standing import Roles
from model_rollouts.rollout.state.revisions import ready_of
from model_rollouts.routes.record import is_open

LARGEST_FALL = Fraction(1, 5)
FALL_SECONDS = 60.0
"""A fifth of the pods at most is taken away, and then none for so long: what autoscalers take to
see what a pod carries."""

MOVED_SECONDS = 120.0
"""How long no pod is taken away after users have moved: until then an autoscaler knows the pods
by the load that they had before."""


def observed(
    seen: Observed, deployment: ModelDeployment, memory: Memory, roles: Roles, now: float
) -> Replicas:
    """The pods that serve all users, as of this pass.

    `memory` is that of the pass before, `roles` are those of now.
    """
    number, owned, status = asked(seen.obj), is_owned(seen.obj), deployment.status
    before, last = memory.replicas, memory.roles
    if before is None:
        held = find_condition(status.conditions, ConditionType.SCALE_DOWN_HELD)
        omitted = held is not None and held.reason == Reason.REPLICAS_OMITTED
        before = known(seen.children, roles, status.desired_replicas, number)
        before = before._replace(wanted=None if omitted else number)
    if number is not None and number < 0:
        # Older than the rule that refuses it, and told so: there is nothing to follow.
        number = before.pods if before.wanted is None else before.wanted
    # A server-side apply that removes the field takes its owner away.
    lost = number == DEFAULT and owned is False and (before.owned or before.wanted is None)
    before = before._replace(wanted=None if lost else number, owned=bool(owned))
    if roles.stable is None:
        # Nobody is served: there is no load that could be taken for another.
        return before._replace(pods=DEFAULT if before.wanted is None else before.wanted)
    has = _asked_of(seen.children, roles.stable) or 0
    if last is not None and last.stable != roles.stable:
        # What serves now may have more pods than what served before.
        before = before._replace(pods=max(before.pods, has))
    undone = has > before.pods
    judged = roles.phase.is_judged and deployment.spec.strategy.max_extra_replicas == 0
    users = followed(before, held=undone or judged or is_moving(roles, now), now=now)
    return users._replace(reached=_reached(users, seen.children, roles, status))


def _reached(users: Replicas, children: Children, roles: Roles, told: Status) -> int:
    """How many of the pods have been ready: more that are asked for take nothing from users."""
    serve = [roles.stable]
    if roles.weight > 0 and not (roles.phase.shares_traffic and is_open(roles.verdict)):
        serve.append(roles.candidate)
    found = (children.deployments.get(each or "") for each in serve)
    ready = sum(ready_of(each) for each in found if each is not None)
    before = users.reached
    if before is None:
        waits = find_condition(told.conditions, ConditionType.RECONCILING)
        grew = waits is not None and waits.reason == Reason.SCALING_UP
        before = 0 if grew else users.pods
    return min(users.pods, max(before, ready))


def waits(users: Replicas | None, roles: Roles, now: float) -> Iterator[float]:
    """Seconds until more pods may be taken away, where fewer are asked for."""
    if users is None or users.wanted is None or users.wanted >= users.pods:
        return
    if users.fell_at is not None:
        yield users.fell_at + FALL_SECONDS - now
    if roles.written is not None:
        yield roles.written.ms / 1000 + MOVED_SECONDS - now


def why_held(wanted: int | None, roles: Roles, now: float) -> Reason:
    """Why more pods run than the spec says."""
    if wanted is None:
        return Reason.REPLICAS_OMITTED
    return Reason.USERS_MOVING if is_moving(roles, now) else Reason.GRADUAL


def is_moving(roles: Roles, now: float) -> bool:
    """Whether two versions have users, or the split has changed so lately that nobody saw it."""
    if roles.weight > 0:
        return True
    at = None if roles.written is None else roles.written.ms / 1000
    return at is not None and abs(now - at) < MOVED_SECONDS


def known(children: Children, roles: Roles, told: int | None, wanted: int | None) -> Replicas:
    """The number to go on from, when it is not remembered: as `told` by the status, or as it runs.

    `wanted` is what somebody asks for.
    """
    if told is not None:
        return Replicas(told)
    stable, beside = (_asked_of(children, each) for each in (roles.stable, roles.candidate))
    judged = roles.phase.shares_traffic and is_open(roles.verdict)
    if roles.weight and not judged:
        # Stable has given some of its pods to the other version.
        return Replicas((stable or 0) + (beside or 0) if wanted is None else wanted)
    return Replicas(next((each for each in (stable, wanted) if each is not None), DEFAULT))


def _asked_of(children: Children, revision: str | None) -> int | None:
    found = children.deployments.get(revision or "")
    return None if found is None else int(found["spec"].get("replicas", 1))


def followed(before: Replicas, *, held: bool, now: float) -> Replicas:
    """The number after `before`, by what it wants. `held`: nothing is taken away now."""
    wanted = before.wanted
    if wanted is None:
        return before._replace(pods=before.pods or DEFAULT)
    if wanted >= before.pods:
        return before._replace(pods=wanted)
    if held or (before.fell_at is not None and now - before.fell_at < FALL_SECONDS):
        return before
    fall = max(1, int(before.pods * LARGEST_FALL))
    return before._replace(pods=max(wanted, before.pods - fall), fell_at=now)
