"""How the pods that run differ from what the spec asks for, and what that means for users."""

from statistics import median_low
from typing import NamedTuple

from model_rollouts.api.conditions import Reason
from model_rollouts.rollout.pods import pods_of
from model_rollouts.rollout.state import replicas
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.text import count, duration

GRACE_SECONDS = 30
"""What Kubernetes lets a pod take to end where it is told nothing else."""


class ScaleDown(NamedTuple):
    """Why more pods run than the spec asks for, as a reason and a sentence."""

    reason: Reason
    message: str


class InPlace(NamedTuple):
    """What it takes to replace pods of stable in place, in full and as a clause.

    `is_outage`: no version serves meanwhile.
    """

    message: str
    brief: str
    is_outage: bool


def scale_down(state: RolloutState) -> ScaleDown | None:
    """Why the pods stay that the spec does not ask for; None where there are none."""
    users, has, shown = state.memory.replicas, state.desired, state.spec.replicas
    wanted = shown if users is None else users.wanted
    if has <= (shown if wanted is None else wanted):
        return None
    reason = replicas.why_held(wanted, state.roles, state.now)
    said = f"spec.replicas is {shown}, and {_pods(has)} run"
    match reason:
        case Reason.REPLICAS_OMITTED:
            why = (
                f"{shown} is the default, which was not asked for: no pod is taken away. Set the "
                f"number with kubectl scale mdep {state.deployment.metadata.name} --replicas"
            )
        case Reason.USERS_MOVING:
            why = (
                "none is taken away while two versions have users, and for "
                f"{duration(replicas.MOVED_SECONDS)} after users have moved"
            )
        case _:
            why = "at most a fifth of them is taken away in a minute"
    return ScaleDown(reason, f"{said}: {why}.")


def in_place(state: RolloutState) -> InPlace | None:
    """What is before users because pods are replaced in place; None where none is."""
    stable, wanted = state.stable, state.spec.model.version
    if not (state.replaces or state.returns) or stable is None:
        return None
    why = "strategy.maxExtraReplicas is 0"
    if state.desired > 1:
        left = _pods(state.desired - 1)
        return InPlace(
            f"{left} of {state.desired} serve all users while the rollout lasts, because {why}.",
            f"{left} of {state.desired} serve all users meanwhile",
            is_outage=False,
        )
    ends = state.leaving or stable.revision
    goes = state.revisions[ends].version
    comes = wanted if state.leaving is None else stable.version
    started, ended = _start_seconds(state), duration(_end_seconds(state, ends))
    if started is None:
        brief, time = (
            "until its pod is ready",
            f"until that is ready. The first takes up to {ended}",
        )
    else:
        brief = f"for about {duration(started)}, and up to {ended} more"
        time = f"{brief} for the first"
    return InPlace(
        f"The pod of version {goes} ends before that of version {comes} starts, because {why}: "
        f"no version serves {time} to end. Version {wanted} is not judged before it gets all "
        "users, and a rollback takes as long.",
        f"no version serves {brief}",
        is_outage=True,
    )


def _start_seconds(state: RolloutState) -> float | None:
    """How long pods of stable took to become ready; None when nobody has seen it."""
    seen = pods_of(state.observed.pods or (), state.roles.stable or "")
    took = [pod.ready_since - pod.began for pod in seen if pod.ready_since is not None]
    return median_low(took) if took else None


def _end_seconds(state: RolloutState, revision: str) -> int:
    """How long a pod of a revision may take to end; what runs on its machine waits for that."""
    deployment = state.observed.children.deployments.get(revision)
    if deployment is None:
        return GRACE_SECONDS
    pod = deployment["spec"]["template"]["spec"]
    return int(pod.get("terminationGracePeriodSeconds", GRACE_SECONDS))


def _pods(number: int) -> str:
    return "1 pod" if number == 1 else f"{count(number)} pods"
