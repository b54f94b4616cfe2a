"""What is told of pods that Prometheus has samples of, and the cluster has not."""

from collections.abc import Iterable

from model_rollouts.metrics.findings import Finding, Reason
from model_rollouts.metrics.membership import named
from model_rollouts.rollout.state.state import RolloutState
from model_rollouts.text import count


def not_counted(state: RolloutState) -> str | None:
    """Which samples are not counted and what to do, in sentences; None where all are."""
    return told(state.memory.findings)


def told(found: Iterable[Finding]) -> str | None:
    """The same of what was found."""
    of_others = (each for each in found if each.reason is Reason.PODS_NOT_COUNTED)
    pods = sorted({name for each in of_others for name in each.pods})
    if not pods:
        return None
    kind = "a pod" if len(pods) == 1 else f"{count(len(pods))} pods"
    return (
        f"Prometheus has samples of {kind} that this cluster does not have: {named(pods)}. They "
        "carry the revisions of this ModelDeployment, and are left out of its verdicts. If another "
        "cluster writes to the same store, add a label of this one to `prometheus.matchers` of the "
        "chart, such as `cluster: eu-1`."
    )
