"""Why a version gets less than the spec asks, in words: its pods would be too many."""

from model_rollouts.api.deployment import Spec
from model_rollouts.decision import Step, pods_for
from model_rollouts.rollout.state import capacity, shadow_stages
from model_rollouts.text import percent


def of_step(step: Step, users: int, extra: int | None) -> str | None:
    """Why a step is smaller than the spec asks, None when it is not.

    `users` are the pods that serve everybody, `extra` those that the candidate may have.
    """
    if not step.is_reduced:
        return None
    larger = [share for share in step.asked if share > step.weight]
    shares = " and ".join(percent(float(share)) for share in larger)
    numbers = " and ".join(str(pods_for(users, share)) for share in larger)
    what = "a step of" if len(larger) == 1 else "steps of"
    return _instead(f"{what} {shares}", numbers, extra, float(step.weight))


def of_copies(spec: Spec, users: int) -> str | None:
    """Why fewer requests are copied than the spec asks, None when there are as many."""
    asked, allowed = shadow_stages.percent(spec), shadow_stages.allowed(spec, users)
    if allowed >= asked:
        return None
    number = capacity.mirrored(users, asked, shadow_stages.peak_factor(spec))
    what = f"mirroring {percent(asked / 100)} of requests"
    return _instead(what, str(number), spec.strategy.max_extra_replicas, allowed / 100)


def _instead(what: str, pods: str, extra: int | None, given: float) -> str:
    # With none to spare stable lends one.
    allowed = f"allows {extra}" if extra else "is 0, which leaves it 1"
    return (
        f"{what} would need {pods} pods, but strategy.maxExtraReplicas {allowed}: "
        f"{percent(given)} instead"
    )
